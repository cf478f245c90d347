"""The networks: normalized tensors in, normalized tensors out (no Maps, units, headers or tiles)."""
