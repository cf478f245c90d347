"""Bundled models and tables, a real MDI magnetogram, and synthetic magnetograms whose true field is known."""

from sunpy_magsr.data.samples import mdi_cutout, sample_map, sample_truth

__all__ = ["mdi_cutout", "sample_map", "sample_truth"]
