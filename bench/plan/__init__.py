"""Predict what a study will cost, in every static column, without weights, a GPU or a network."""
