"""The methods that ship: one file each, found by its name."""
