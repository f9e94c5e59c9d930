"""The methods of this project: one file or package each, found by its name."""
