"""Bundled models and tables, a real MDI magnetogram, and synthetic magnetograms whose true field is known."""

from sunpy_magsr.data.cutout import mdi_cutout
from sunpy_magsr.data.sample import sample_map, sample_truth

__all__ = ["mdi_cutout", "sample_map", "sample_truth"]
