"""What MDI and HMI do to the Sun: point-spread function, gain, noise, defects."""

from sunpy_magsr.instrument.blur import Blur, frame_blur, measure_blur
from sunpy_magsr.instrument.defects import find_bad_pixels, without_bad_pixels
from sunpy_magsr.instrument.gain import MDI_GAIN, hmi_per_mdi
from sunpy_magsr.instrument.noise import MDI_NOISE, input_noise
from sunpy_magsr.instrument.properties import Instrument, instrument_of
from sunpy_magsr.instrument.psf import MDI_PSF_FWHM, degrade
from sunpy_magsr.instrument.response import Response, measure_response
from sunpy_magsr.instrument.windows import is_interpolated

__all__ = [
    "MDI_GAIN",
    "MDI_NOISE",
    "MDI_PSF_FWHM",
    "Blur",
    "Instrument",
    "Response",
    "degrade",
    "find_bad_pixels",
    "frame_blur",
    "hmi_per_mdi",
    "input_noise",
    "instrument_of",
    "is_interpolated",
    "measure_blur",
    "measure_response",
    "without_bad_pixels",
]
