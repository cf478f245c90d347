"""Scores of a result against the truth."""

from sunpy_magsr.metrics.agreement import Agreement, forward_agreement, quiet_noise, quiet_pixels
from sunpy_magsr.metrics.elements import FeatureSplit, element_labels, feature_split
from sunpy_magsr.metrics.ensemble import crps, crps_gaussian, spread_skill
from sunpy_magsr.metrics.flux import (
    MSH,
    active_region_area,
    active_region_area_error,
    active_region_mask,
    net_flux,
    unsigned_flux,
    unsigned_flux_error,
)
from sunpy_magsr.metrics.perceptual import feature_label, fid, frechet_distance, lpips, patch_features, random_features
from sunpy_magsr.metrics.pixel import Speckle, asinh_view, bias, mae, pearson, psnr, rmse, speckle, ssim
from sunpy_magsr.metrics.sharp import SharpParameters, sharp_parameters

__all__ = [
    "MSH",
    "Agreement",
    "FeatureSplit",
    "SharpParameters",
    "Speckle",
    "active_region_area",
    "active_region_area_error",
    "active_region_mask",
    "asinh_view",
    "bias",
    "crps",
    "crps_gaussian",
    "element_labels",
    "feature_label",
    "feature_split",
    "fid",
    "forward_agreement",
    "frechet_distance",
    "lpips",
    "mae",
    "net_flux",
    "patch_features",
    "pearson",
    "psnr",
    "quiet_noise",
    "quiet_pixels",
    "random_features",
    "rmse",
    "sharp_parameters",
    "speckle",
    "spread_skill",
    "ssim",
    "unsigned_flux",
    "unsigned_flux_error",
]
