"""One file a quantity: what it is, how it is read, in which unit."""
