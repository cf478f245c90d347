"""Ways to super-resolve an array: interpolation and learned models behind one protocol."""

from sunpy_magsr.sampling.registry import load_backend, model_card

__all__ = ["load_backend", "model_card"]
