"""Scores of a result against the truth."""

from sunpy_magsr.metrics.agreement import Agreement, forward_agreement
from sunpy_magsr.metrics.elements import FeatureSplit, element_labels, feature_split
from sunpy_magsr.metrics.ensemble import crps, spread_skill
from sunpy_magsr.metrics.flux import (
    active_region_area,
    active_region_area_error,
    active_region_mask,
    unsigned_flux,
    unsigned_flux_error,
)
from sunpy_magsr.metrics.perceptual import frechet_distance, perceptual_distance
from sunpy_magsr.metrics.pixel import bias, mae, pearson, psnr, rmse, ssim
from sunpy_magsr.metrics.sharp import SharpParameters, sharp_parameters

__all__ = [
    "Agreement",
    "FeatureSplit",
    "SharpParameters",
    "active_region_area",
    "active_region_area_error",
    "active_region_mask",
    "bias",
    "crps",
    "element_labels",
    "feature_split",
    "forward_agreement",
    "frechet_distance",
    "mae",
    "pearson",
    "perceptual_distance",
    "psnr",
    "rmse",
    "sharp_parameters",
    "spread_skill",
    "ssim",
    "unsigned_flux",
    "unsigned_flux_error",
]
