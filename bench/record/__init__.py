"""Records of measured cells, and the run folder that holds them."""
