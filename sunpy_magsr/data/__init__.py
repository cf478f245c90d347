"""The bundled models and the synthetic sample."""

from sunpy_magsr.data.sample import sample_map, sample_truth

__all__ = ["sample_map", "sample_truth"]
