"""Training loop, evaluation, inputs and seeds."""
