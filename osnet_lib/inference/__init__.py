"""Sessions on any backend: features, time, several devices, and the parity gate of one conversion."""
