"""Forward model: what a low-resolution instrument would read of a high-resolution field."""

from sunpy_magsr.instrument.blur import INTERPOLATED_BLUR, NATIVE_BLUR, Blur, frame_blur, measure_blur
from sunpy_magsr.instrument.defects import find_bad_pixels, without_bad_pixels, without_constant_pixels
from sunpy_magsr.instrument.gain import MDI_GAIN, MDI_GAIN_SPREAD, gain_factor, hmi_per_mdi
from sunpy_magsr.instrument.noise import MDI_NOISE, MDI_RESPONSE_ERROR, input_noise, local_noise
from sunpy_magsr.instrument.properties import Instrument, instrument_of
from sunpy_magsr.instrument.psf import HMI_PSF_FWHM, MDI_PSF_FWHM, MDI_PSF_FWHM_SPREAD, degrade, sampling_kernel
from sunpy_magsr.instrument.response import Response, measure_response
from sunpy_magsr.instrument.windows import is_interpolated

__all__ = [
    "HMI_PSF_FWHM",
    "INTERPOLATED_BLUR",
    "MDI_GAIN",
    "MDI_GAIN_SPREAD",
    "MDI_NOISE",
    "MDI_PSF_FWHM",
    "MDI_PSF_FWHM_SPREAD",
    "MDI_RESPONSE_ERROR",
    "NATIVE_BLUR",
    "Blur",
    "Instrument",
    "Response",
    "degrade",
    "find_bad_pixels",
    "frame_blur",
    "gain_factor",
    "hmi_per_mdi",
    "input_noise",
    "instrument_of",
    "is_interpolated",
    "local_noise",
    "measure_blur",
    "measure_response",
    "sampling_kernel",
    "without_bad_pixels",
    "without_constant_pixels",
]
