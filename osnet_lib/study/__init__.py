"""The study: its steps on a workspace, the matrix of notebooks, the book."""
