"""What a study will cost: every static column, without weights, a GPU or a network."""
