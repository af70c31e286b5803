"""Past one machine: extraction, evaluation and a projection of both, on a Ray cluster (extra scale)."""
