"""Reading of the options that the metrics share."""

from __future__ import annotations

import astropy.units as u
import numpy as np

__all__ = ["read_option"]


def read_option(value: u.Quantity, unit: u.UnitBase, name: str, *, zero: bool = True) -> float:
    """
    Check a scalar option and give its number in a unit.

    Parameters
    ----------
    value : `~astropy.units.Quantity`
        The option: a scalar that is finite and not negative.
    unit : `~astropy.units.Unit`
        The unit of the number.
    name : `str`
        What the message of an error calls the option.
    zero : `bool`
        Whether 0 is allowed. Defaults to `True`.

    Returns
    -------
    `float`
        The number in ``unit``.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    kind = "non-negative" if zero else "positive"
    msg = f"{name} must be a {kind} Quantity in {unit}, got {value!r}."
    if not (isinstance(value, u.Quantity) and value.isscalar and value.unit.is_equivalent(unit)):
        raise ValueError(msg)
    number = float(value.to_value(unit))
    if not np.isfinite(number) or number < 0 or (number == 0 and not zero):
        raise ValueError(msg)
    return number
