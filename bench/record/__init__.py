"""What was measured, and the run folder that holds it."""
