"""Scores of a result against the truth."""

from sunpy_magsr.metrics.agreement import Agreement, forward_agreement, quiet_pixels
from sunpy_magsr.metrics.elements import element_labels
from sunpy_magsr.metrics.ensemble import crps, crps_gaussian, spread_skill
from sunpy_magsr.metrics.features import FeatureSplit, feature_split
from sunpy_magsr.metrics.flux import net_flux, unsigned_flux, unsigned_flux_error
from sunpy_magsr.metrics.frechet import fid, frechet_distance, patch_features
from sunpy_magsr.metrics.networks import feature_label, random_features
from sunpy_magsr.metrics.noise import quiet_noise
from sunpy_magsr.metrics.perceptual import lpips
from sunpy_magsr.metrics.pixel import bias, mae, pearson, psnr, rmse, ssim
from sunpy_magsr.metrics.regions import MSH, active_region_area, active_region_area_error, active_region_mask
from sunpy_magsr.metrics.sharp import SharpParameters, sharp_parameters
from sunpy_magsr.metrics.speckle import Speckle, asinh_view, speckle

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
