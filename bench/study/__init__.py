"""Studies: settings, resolved datasets and models, and the grid of cells."""
