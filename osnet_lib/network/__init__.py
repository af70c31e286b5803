"""OSNet: its graph, its checkpoints and weights, its training, and where it looks."""
