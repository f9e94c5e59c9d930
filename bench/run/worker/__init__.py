"""The worker process: measures one cell, phase by phase, and checks the validity of its numbers."""
