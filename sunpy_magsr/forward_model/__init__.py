"""What the low-resolution instrument would see of a high-resolution field."""

from sunpy_magsr.forward_model.degrade import degrade
from sunpy_magsr.forward_model.gain import MDI_GAIN
from sunpy_magsr.forward_model.noise import MDI_NOISE, input_noise, local_noise
from sunpy_magsr.forward_model.psf import HMI_PSF_FWHM, MDI_PSF_FWHM, MDI_PSF_FWHM_WIDEST, sampling_kernel

__all__ = [
    "HMI_PSF_FWHM",
    "MDI_GAIN",
    "MDI_NOISE",
    "MDI_PSF_FWHM",
    "MDI_PSF_FWHM_WIDEST",
    "degrade",
    "input_noise",
    "local_noise",
    "sampling_kernel",
]
