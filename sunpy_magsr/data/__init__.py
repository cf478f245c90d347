"""Bundled models and tables, and synthetic magnetograms whose true field is known."""

from sunpy_magsr.data.sample import sample_map, sample_truth

__all__ = ["sample_map", "sample_truth"]
