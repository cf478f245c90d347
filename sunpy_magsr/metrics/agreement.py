"""Whether the instrument would have seen a field as it did."""

from __future__ import annotations

import dataclasses

import astropy.units as u
import numpy as np
import scipy.ndimage
import scipy.optimize
from sunpy.map import GenericMap

from sunpy_magsr.instrument import degrade, instrument_of
from sunpy_magsr.instrument.gain import to_hmi
from sunpy_magsr.maps import prepare
from sunpy_magsr.maps.grid import FACTOR
from sunpy_magsr.maps.wcs import angular_scale

_QUIET_FIELD = 60.0  # Gauss, of the mean over 3 x 3 pixels
_ACTIVE_FIELD = 200.0
_NEIGHBORHOOD = 9  # pixels a side, over which quiet Sun must be quiet
_WIDEST = 4.0  # arcsec
_TOLERANCE = 0.05
_MARGIN = 3  # from a pixel that is no measurement


@dataclasses.dataclass(frozen=True)
class Agreement:
    r"""
    How well an input agrees with a result, as reduced :math:`\chi^2`; made by `forward_agreement`.

    The misfit is the difference between the input and what its instrument would have seen of the result. The numbers
    are means of the squared misfit over its squared error. A field that could be the true one has 1, since its misfit
    is the noise of the input. Less than 1 means that the noise of the input is in the result, more than 1 that the
    result contradicts the input.

    Parameters
    ----------
    quiet : `float`
        Mean over the pixels where the field is weak. NaN if there are none.
    active : `float`
        Mean over the pixels where the field is strong. NaN if there are none.
    quiet_pixels : `int`
        Number of input pixels in the mean ``quiet``.
    active_pixels : `int`
        Number of input pixels in the mean ``active``.
    noise : `~astropy.units.Quantity`
        Median of the input's noise.
    psf_fwhm : `~astropy.units.Quantity`
        Full width at half maximum, in arcsec, of the point-spread function that was assumed.
    """

    quiet: float
    active: float
    quiet_pixels: int
    active_pixels: int
    noise: u.Quantity
    psf_fwhm: u.Quantity


def quiet_pixels(data: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Find the pixels of an MDI magnetogram that show quiet Sun."""
    smooth = np.abs(scipy.ndimage.uniform_filter(data, 3))
    return valid & (scipy.ndimage.maximum_filter(smooth, _NEIGHBORHOOD) < _QUIET_FIELD)


def forward_agreement(high: GenericMap, low: GenericMap, *, psf_fwhm: u.Quantity | None = None) -> Agreement:
    """
    Compare what the low-resolution instrument would have seen of a result with what it did see, the input.

    Parameters
    ----------
    high : `sunpy.map.GenericMap`
        A result on the grid exactly four times finer than that of its input (``plate_scale=None``).
    low : `sunpy.map.GenericMap`
        The input.
    psf_fwhm : `~astropy.units.Quantity`, optional
        Full width at half maximum of the instrument's point-spread function in arcsec. It is not known for a frame, so
        the default is the width with the least misfit.

    Returns
    -------
    `Agreement`
        The comparison. It takes the error of the misfit from `sunpy_magsr.instrument.Instrument` and leaves out
        pixels within 3 pixels of one that is no measurement.

    Raises
    ------
    ValueError
        If ``low`` cannot be read, or the grids do not fit.
    """
    magnetogram = prepare(low)
    expected = tuple(FACTOR * side for side in magnetogram.data.shape)
    if high.data.shape != expected:
        msg = f"high must be on the x4 grid of low (plate_scale=None), of shape {expected}, got {high.data.shape}."
        raise ValueError(msg)
    measured = magnetogram.valid & np.isfinite(high.data[::FACTOR, ::FACTOR])
    valid = scipy.ndimage.binary_erosion(measured, iterations=_MARGIN, border_value=1)
    pixel = angular_scale(magnetogram.plate_scale)[0]
    field = np.nan_to_num(high.data)
    if high.meta.get("magsrcal") == "hmi" and magnetogram.instrument == "MDI":
        field = field / to_hmi(np.ones_like(field), magnetogram.data)
    instrument = instrument_of(magnetogram)
    error = instrument.misfit_error(magnetogram.data)
    active = valid & (np.abs(scipy.ndimage.uniform_filter(magnetogram.data, 3)) > _ACTIVE_FIELD)
    quiet = quiet_pixels(magnetogram.data, valid)

    def misfit(fwhm: float) -> np.ndarray:
        seen = degrade(field, psf_fwhm=FACTOR * fwhm / pixel)
        return ((magnetogram.data - seen) / error) ** 2

    if psf_fwhm is None:
        where = active if active.any() else valid
        options = {"bounds": (0, _WIDEST), "method": "bounded", "options": {"xatol": _TOLERANCE}}
        fwhm = scipy.optimize.minimize_scalar(lambda width: misfit(width)[where].mean(), **options).x
    else:
        fwhm = psf_fwhm.to_value(u.arcsec)
    found = misfit(fwhm)
    of_quiet, of_active = (float(found[where].mean()) if where.any() else np.nan for where in (quiet, active))
    noise = float(np.median(instrument.noise[valid])) * u.G
    return Agreement(of_quiet, of_active, int(quiet.sum()), int(active.sum()), noise, fwhm * u.arcsec)
