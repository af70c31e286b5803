"""One split's features: the arrays, the file that holds them, and their map in two dimensions."""
