"""Measured quantities, one per file: definition, source and unit."""
