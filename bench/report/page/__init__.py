"""The page of a report: rows, cells, budgets and charts in one HTML file; its scripts and styles are in this folder."""
