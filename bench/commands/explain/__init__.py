"""One text's way through an adapted model, in a terminal and as a page."""
