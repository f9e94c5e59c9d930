"""``tunebench explain``: show what an adapted model does with each token of a text."""
