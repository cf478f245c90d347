"""Down to which scale the members of an ensemble agree, place by place."""

from __future__ import annotations

from typing import TypeAlias

import astropy.units as u
import numpy as np
from astropy.stats import gaussian_fwhm_to_sigma
from scipy.ndimage import gaussian_filter
from sunpy.map import GenericMap

from sunpy_magsr.maps.wcs import angular_scale, plate_scale
from sunpy_magsr.metrics.ensemble import Draws
from sunpy_magsr.uncertainty.ensemble import Ensemble, check_ensemble
from sunpy_magsr.uncertainty.members import release
from sunpy_magsr.uncertainty.pictures import angle_in_pixels

_Array: TypeAlias = np.ndarray


#: Wavelengths of the bands in pixels, from long to short.
WAVELENGTHS = np.geomspace(48, 2.5, 12)
# A difference of Gaussians of widths s and 1.6 s is nearly a Laplacian (Marr & Hildreth 1980). Waves of 5.72 s pass it best.
_WIDTHS = (1 / 5.72, 1.6 / 5.72)


def real_scale_map(ensemble: Ensemble, *, threshold: float = 0.5, window: u.Quantity = 23.5 * u.arcsec) -> GenericMap:
    r"""
    Map the wavelength down to which the members agree, in the neighborhood of each pixel.

    Every member is split into bands of about half an octave by differences of Gaussians (Marr & Hildreth 1980,
    :doi:`10.1098/rspb.1980.0020`). In a window around each pixel, :math:`\overline{P}` is the mean power of the S members in
    a band, and :math:`P_m` is the power of their mean. The share of the power that all members have in common is

    .. math:: \rho = \frac{P_m - v \overline{P}}{(1 - v) \overline{P}},

    with the variance v of the mean of S members over that of a member (1/S for independent members, less for antithetic
    pairs, ``Draws``). It is 1 where all members are equal and 0 where they share nothing, for
    any S. The result is the longest wavelength
    at which it falls below the threshold, interpolated in the logarithm of the wavelength. If the truth is like one more
    member, the coherence of the truth with the mean of many members has fallen to the threshold there. If the ensemble has a
    calibration, deviations from the mean are first multiplied by the factors of 68 % intervals.

    Parameters
    ----------
    ensemble : `~sunpy_magsr.uncertainty.Ensemble`
        The ensemble, with its members.
    threshold : `float`
        Share of the power, between 0 and 1. Defaults to 0.5.
    window : `~astropy.units.Quantity`
        Full width at half maximum of the Gaussian window, in arcsec. The default of 23.5 arcsec is 47 pixels of HMI.

    Returns
    -------
    `sunpy.map.GenericMap`
        The wavelength in arcsec, NaN where nothing was measured. It is from 2.5 to 48 pixels. At 2.5 pixels the members
        agree at all scales, and at 48 pixels they agree at none.

    Raises
    ------
    TypeError
        If ``ensemble`` is not an Ensemble.
    ValueError
        If the members were not kept, or ``threshold`` or ``window`` is wrong.

    Notes
    -----
    The value of a neighborhood does not tell whether a single feature in it is real. The members of one model can agree
    and all be wrong. For 16 members of a full disk, the computation takes four minutes and 2.8 GiB.
    """
    check_ensemble(ensemble)
    if not 0 < threshold < 1:
        msg = f"threshold must be between 0 and 1, got {threshold!r}."
        raise ValueError(msg)
    mean = ensemble.mean()
    sigma = tuple(gaussian_fwhm_to_sigma * pixels for pixels in angle_in_pixels(mean, window, name="window"))
    factors: np.float32 | np.ndarray = np.float32(1)
    if ensemble.strata is not None:
        factors = ensemble.facts.calibrations["pixel"].factor(0.68)[ensemble.strata]
    result = angular_scale(plate_scale(mean))[0] * shared_wavelength(
        ensemble.members, mean.data, factors, threshold, sigma, draws=ensemble.draws
    )
    result[np.isnan(mean.data)] = np.nan
    header = {**mean.meta, "bunit": "arcsec", "magsrsta": "real scale"}
    return type(mean)(result.astype(np.float32), header, mask=mean.mask)


def shared_wavelength(
    members: _Array,
    mean: _Array,
    factors: np.floating | _Array,
    threshold: float,
    sigma: float | tuple[float, ...],
    *,
    draws: Draws,
) -> np.ndarray:
    """Find the wavelength at which the power that members share falls below a threshold; see `real_scale_map`."""
    known = np.isfinite(mean)
    result = np.full(mean.shape, WAVELENGTHS[-1], np.float32)
    is_found = np.zeros(mean.shape, dtype=bool)
    before: _Array = np.empty(0)
    for at, wavelength in enumerate(WAVELENGTHS):
        shared = _shared_power(
            members, np.where(known, mean, 0), factors, wavelength, sigma, of_noise=draws.mean_variance
        )
        falls = (shared < threshold) & ~is_found
        found = np.full(falls.sum(), np.log(wavelength))
        if at:
            share = (before[falls] - threshold) / np.maximum(before[falls] - shared[falls], 1e-9)
            longer = np.log(WAVELENGTHS[at - 1])
            found = longer + share * (found - longer)
        result[falls] = np.exp(found)
        is_found |= falls
        before = shared
        if is_found[known].all():
            break
    return result


def _shared_power(
    members: _Array,
    mean: _Array,
    factors: np.floating | _Array,
    wavelength: float,
    sigma: float | tuple[float, ...],
    *,
    of_noise: float,
) -> _Array:
    """Share of the power in a band that all members have in common; ``of_noise`` is left of their noise in the mean."""
    size = len(members)
    power: _Array | float = 0.0
    for member in members:
        deviation = np.nan_to_num(np.asarray(member, dtype=np.float32) - mean)
        power = power + band(mean + factors * deviation, wavelength) ** 2 / size
        release(members)
    of_mean = gaussian_filter(band(mean, wavelength) ** 2, sigma)
    power = gaussian_filter(power, sigma)
    return (of_mean - of_noise * power) / ((1 - of_noise) * np.maximum(power, 1e-12))


def band(field: _Array, wavelength: float) -> _Array:
    """Filter a field so that waves of about one wavelength remain, by a difference of Gaussians."""
    narrow, wide = (gaussian_filter(field, width * wavelength) for width in _WIDTHS)
    return narrow - wide
