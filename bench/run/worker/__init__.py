"""The worker's side: one cell in a process of its own, phase by phase, with what its numbers can be trusted for."""
