"""The page of a report: rows, cells, budgets and charts in one HTML file, its script and style beside this file."""
