"""Measurements whose intervals are calibrated."""

import functools

import astropy.units as u
import numpy as np

from sunpy_magsr import metrics

__all__ = ["QUANTITIES", "error_floor", "quantity_named"]

_SHARED_ERROR = 0.005


def inversion_line_length(field, **options):
    """Length of the inversion lines between strong fields; see `~sunpy_magsr.metrics.sharp_parameters`."""
    return metrics.sharp_parameters(field, **options).inversion_line_length


def sharp_flux(field, **options):
    """Deprojected unsigned flux of active regions; see `~sunpy_magsr.metrics.sharp_parameters`."""
    return metrics.sharp_parameters(field, **options).unsigned_flux


#: By name, what `~sunpy_magsr.uncertainty.Ensemble.propagate` knows by its name and models may carry a calibration for:
#: unsigned flux of all pixels and of those above 100 G, area of active regions, their deprojected flux as in SHARP's
#: USFLUX, and the length of strong-field inversion lines.
QUANTITIES = {
    "unsigned_flux": metrics.unsigned_flux,
    "strong_flux": functools.partial(metrics.unsigned_flux, threshold=100 * u.G),
    "active_region_area": metrics.active_region_area,
    "sharp_flux": sharp_flux,
    "inversion_line_length": inversion_line_length,
}


def quantity_named(func):
    """
    A measurement and its name.

    Parameters
    ----------
    func : `str` or callable
        One of `QUANTITIES`, by name or itself, or any other function.

    Returns
    -------
    name : `str` or `None`
        `None` of another function.
    func : callable

    Raises
    ------
    ValueError
        For a name that is not there.
    """
    if isinstance(func, str):
        if func not in QUANTITIES:
            msg = f"func must be a function or one of {', '.join(QUANTITIES)}, got {func!r}."
            raise ValueError(msg)
        return func, QUANTITIES[func]
    return next((name for name, known in QUANTITIES.items() if known is func), None), func


def error_floor(mean, std):
    """
    Standard deviation of a quantity with what members have in common: half a per cent of the value.

    Parameters
    ----------
    mean, std : `float`, `~astropy.units.Quantity` or `numpy.ndarray`
        Over the members.

    Returns
    -------
    `float`, `~astropy.units.Quantity` or `numpy.ndarray`
        Of the same kind.
    """
    return np.sqrt(std**2 + (_SHARED_ERROR * mean) ** 2)
