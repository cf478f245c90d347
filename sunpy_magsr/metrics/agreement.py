"""Whether the instrument would have seen its input in a result."""

import dataclasses

import astropy.units as u
import numpy as np
import scipy.ndimage
import scipy.optimize

from sunpy_magsr.forward_model import degrade, input_noise, misfit_error
from sunpy_magsr.intercalibration import to_hmi
from sunpy_magsr.prep import prepare

__all__ = ["Agreement", "forward_agreement", "quiet_pixels"]

_QUIET_FIELD = 60.0  # Gauss, of the mean over 3 x 3 pixels
_ACTIVE_FIELD = 200.0
_NEIGHBORHOOD = 9  # pixels a side, over which quiet Sun must be quiet
_FACTOR = 4
_WIDEST = 4.0  # arcsec
_TOLERANCE = 0.05
_MARGIN = 3  # from a pixel that is no measurement


@dataclasses.dataclass(frozen=True)
class Agreement:
    r"""
    Reduced :math:`\chi^2` of an input given a result: mean square of the misfit over its error.

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
    psf_fwhm : `~astropy.units.Quantity`
        Width of the point-spread function that was assumed, arcsec.
    """

    quiet: float
    active: float
    quiet_pixels: int
    active_pixels: int
    noise: u.Quantity
    psf_fwhm: u.Quantity


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


def forward_agreement(high, low, *, psf_fwhm=None):
    """
    Compare what the low-resolution instrument would have seen of a result with its input.

    Parameters
    ----------
    high : `sunpy.map.GenericMap`
        A result on the grid exactly four times finer (``plate_scale=None``).
    low : `sunpy.map.GenericMap`
        Its input.
    psf_fwhm : `~astropy.units.Quantity`, optional
        Width of the instrument's point-spread function in arcsec. By default the one with the least misfit, as it is
        not known for a frame.

    Returns
    -------
    `Agreement`
        The error of the misfit is that of `sunpy_magsr.forward_model.misfit_error`. Pixels closer than 3 to one that is
        no measurement are left out.

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
    measured = magnetogram.valid & np.isfinite(high.data[::_FACTOR, ::_FACTOR])
    valid = scipy.ndimage.binary_erosion(measured, iterations=_MARGIN, border_value=1)
    pixel = 2 * u.arcsec if magnetogram.is_cea else magnetogram.plate_scale[0] * u.pix
    field = np.nan_to_num(high.data)
    if high.meta.get("magsrcal") == "hmi" and magnetogram.instrument == "MDI":
        field = field / to_hmi(np.ones_like(field), magnetogram.data)
    error = misfit_error(magnetogram)
    active = valid & (np.abs(scipy.ndimage.uniform_filter(magnetogram.data, 3)) > _ACTIVE_FIELD)
    quiet = quiet_pixels(magnetogram.data, valid)

    def squared(fwhm):
        seen = degrade(field, psf_fwhm=_FACTOR * (fwhm * u.arcsec / pixel).to_value(u.one))
        return ((magnetogram.data - seen) / error) ** 2

    if psf_fwhm is None:
        where = active if active.any() else valid
        options = {"bounds": (0, _WIDEST), "method": "bounded", "options": {"xatol": _TOLERANCE}}
        fwhm = scipy.optimize.minimize_scalar(lambda width: squared(width)[where].mean(), **options).x
    else:
        fwhm = psf_fwhm.to_value(u.arcsec)
    found = squared(fwhm)
    means = (float(found[where].mean()) if where.any() else np.nan for where in (quiet, active))
    noise = float(np.median(input_noise(magnetogram)[valid])) * u.G
    return Agreement(*means, int(quiet.sum()), int(active.sum()), noise, fwhm * u.arcsec)
