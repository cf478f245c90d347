"""The measurements that `~sunpy_magsr.uncertainty.Ensemble.propagate` knows by name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import astropy.units as u
import numpy as np
from sunpy.map import GenericMap

from sunpy_magsr import metrics

_SHARED_ERROR = 0.005


def _sharp_parameter(name: str, field: GenericMap, **options: Any) -> u.Quantity:
    return getattr(metrics.sharp_parameters(field, **options), name)


#: Measurements that `~sunpy_magsr.uncertainty.Ensemble.propagate` knows by name, and that a model may have a calibration for:
#: the unsigned flux of all pixels and of those above 100 G, the area of active regions, their deprojected flux as in SHARP's
#: USFLUX, and the length of inversion lines between strong fields.
QUANTITIES: dict[str, Callable[..., Any]] = {
    "unsigned_flux": metrics.unsigned_flux,
    "strong_flux": functools.partial(metrics.unsigned_flux, threshold=100 * u.G),
    "active_region_area": metrics.active_region_area,
    "sharp_flux": functools.partial(_sharp_parameter, "unsigned_flux"),
    "inversion_line_length": functools.partial(_sharp_parameter, "inversion_line_length"),
}


def find_quantity(func: str | Callable[..., Any]) -> tuple[str | None, Callable[..., Any]]:
    """Find a measurement and its name."""
    if isinstance(func, str):
        if func not in QUANTITIES:
            msg = f"func must be a function or one of {', '.join(QUANTITIES)}, got {func!r}."
            raise ValueError(msg)
        return func, QUANTITIES[func]
    return next((name for name, known in QUANTITIES.items() if known is func), None), func


def add_shared_error(mean: Any, std: Any) -> Any:
    """Add the error that all members share, half a per cent of the value, to their standard deviation."""
    return np.sqrt(std**2 + (_SHARED_ERROR * mean) ** 2)
