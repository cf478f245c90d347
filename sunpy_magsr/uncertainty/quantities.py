"""Measurements whose intervals are calibrated."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from sunpy_magsr import metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from sunpy.map import GenericMap

__all__ = ["QUANTITIES", "error_floor", "quantity_named"]

_SHARED_ERROR = 0.005


def inversion_line_length(field: GenericMap, **options: Any) -> u.Quantity:
    """Length of the inversion lines between strong fields; see `~sunpy_magsr.metrics.sharp_parameters`."""
    return metrics.sharp_parameters(field, **options).inversion_line_length


def sharp_flux(field: GenericMap, **options: Any) -> u.Quantity:
    """Deprojected unsigned flux of active regions; see `~sunpy_magsr.metrics.sharp_parameters`."""
    return metrics.sharp_parameters(field, **options).unsigned_flux


#: Measurements that `~sunpy_magsr.uncertainty.Ensemble.propagate` knows by name, and that a model may have a calibration for:
#: the unsigned flux of all pixels and of those above 100 G, the area of active regions, their deprojected flux as in SHARP's
#: USFLUX, and the length of inversion lines between strong fields.
QUANTITIES: dict[str, Callable[..., Any]] = {
    "unsigned_flux": metrics.unsigned_flux,
    "strong_flux": functools.partial(metrics.unsigned_flux, threshold=100 * u.G),
    "active_region_area": metrics.active_region_area,
    "sharp_flux": sharp_flux,
    "inversion_line_length": inversion_line_length,
}


def quantity_named(func: str | Callable[..., Any]) -> tuple[str | None, Callable[..., Any]]:
    """
    Find a measurement and its name.

    Parameters
    ----------
    func : `str` or callable
        The name of one of the `QUANTITIES`, or any function.

    Returns
    -------
    name : `str` or `None`
        The name. `None` if the function is not one of the `QUANTITIES`.
    func : callable
        The function.

    Raises
    ------
    ValueError
        If there is no such name.
    """
    if isinstance(func, str):
        if func not in QUANTITIES:
            msg = f"func must be a function or one of {', '.join(QUANTITIES)}, got {func!r}."
            raise ValueError(msg)
        return func, QUANTITIES[func]
    return next((name for name, known in QUANTITIES.items() if known is func), None), func


def error_floor(mean: Any, std: Any) -> Any:
    """
    Add the error that all members share, half a per cent of the value, to their standard deviation.

    Parameters
    ----------
    mean : `float`, `~astropy.units.Quantity` or `numpy.ndarray`
        Mean of a quantity over the members.
    std : `float`, `~astropy.units.Quantity` or `numpy.ndarray`
        Standard deviation of the quantity over the members.

    Returns
    -------
    `float`, `~astropy.units.Quantity` or `numpy.ndarray`
        The root of the sum of both squares.
    """
    return np.sqrt(std**2 + (_SHARED_ERROR * mean) ** 2)
