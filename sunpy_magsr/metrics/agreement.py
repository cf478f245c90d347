"""Whether the instrument would have seen its input in a result."""

import dataclasses

import astropy.units as u
import numpy as np
import scipy.ndimage

from sunpy_magsr.forward_model import MDI_GAIN, MDI_PSF_FWHM, degrade, input_noise
from sunpy_magsr.prep import prepare

__all__ = ["Agreement", "forward_agreement", "quiet_pixels"]

_QUIET_FIELD = 60.0  # Gauss, of the mean over 3 x 3 pixels
_ACTIVE_FIELD = 200.0
_NEIGHBORHOOD = 9  # pixels a side, over which quiet Sun must be quiet
_FACTOR = 4
_MARGIN = 3  # from a pixel that is no measurement


@dataclasses.dataclass(frozen=True)
class Agreement:
    r"""
    Reduced :math:`\chi^2` of an input given a result: mean square of the misfit over the noise.

    A field that could be the true one has 1: the misfit is noise. Less means that the input's noise is in the result,
    more that the result contradicts the input.

    Attributes
    ----------
    quiet, active : `float`
        Where the field is weak and where it is strong; NaN where there is none.
    quiet_pixels, active_pixels : `int`
        How many input pixels that are.
    noise : `~astropy.units.Quantity`
        Median of the noise.
    """

    quiet: float
    active: float
    quiet_pixels: int
    active_pixels: int
    noise: u.Quantity


def quiet_pixels(data, valid):
    """
    Where an MDI magnetogram shows quiet Sun.

    Parameters
    ----------
    data : `numpy.ndarray`
        Gauss ``[y, x]``, without NaN.
    valid : `numpy.ndarray`
        bool ``[y, x]``: the pixels that are measurements.

    Returns
    -------
    `numpy.ndarray`
        bool ``[y, x]``: the mean over 3 x 3 pixels is below 60 G within 9 x 9 pixels.
    """
    smooth = np.abs(scipy.ndimage.uniform_filter(data, 3))
    return valid & (scipy.ndimage.maximum_filter(smooth, _NEIGHBORHOOD) < _QUIET_FIELD)


def forward_agreement(high, low, *, psf_fwhm=MDI_PSF_FWHM):
    """
    Compare what the low-resolution instrument would have seen of a result with its input.

    Parameters
    ----------
    high : `sunpy.map.GenericMap`
        A result on the grid exactly four times finer (``plate_scale=None``).
    low : `sunpy.map.GenericMap`
        Its input.
    psf_fwhm : `~astropy.units.Quantity`
        Width of the instrument's point-spread function in arcsec.

    Returns
    -------
    `Agreement`
        The noise is that of `sunpy_magsr.forward_model.input_noise`. Pixels closer than 3 to one that is no measurement
        are left out.

    Raises
    ------
    ValueError
        If the grids do not fit.
    """
    magnetogram = prepare(low)
    expected = tuple(_FACTOR * side for side in magnetogram.data.shape)
    if high.data.shape != expected:
        msg = f"high must be on the x4 grid of low (plate_scale=None), of shape {expected}, got {high.data.shape}."
        raise ValueError(msg)
    valid = scipy.ndimage.binary_erosion(magnetogram.valid, iterations=_MARGIN, border_value=1)
    pixel = 2 * u.arcsec if magnetogram.is_cea else magnetogram.plate_scale[0] * u.pix
    gain = MDI_GAIN if high.meta.get("magsrcal") == "hmi" and magnetogram.instrument == "MDI" else 1.0
    fwhm = _FACTOR * (psf_fwhm / pixel).to_value(u.one)
    noise = input_noise(magnetogram)
    seen = degrade(np.nan_to_num(high.data), psf_fwhm=fwhm, gain=gain)
    squared = ((magnetogram.data - seen) / noise) ** 2
    quiet = quiet_pixels(magnetogram.data, valid)
    active = valid & (np.abs(scipy.ndimage.uniform_filter(magnetogram.data, 3)) > _ACTIVE_FIELD)
    means = (float(squared[where].mean()) if where.any() else np.nan for where in (quiet, active))
    return Agreement(*means, int(quiet.sum()), int(active.sum()), float(np.median(noise[valid])) * u.G)
