"""Reading of the options that the metrics share."""

import astropy.units as u
import numpy as np

__all__ = ["read_option"]


def read_option(value, unit, name, *, zero=True):
    """
    Number in a unit of a scalar option.

    Parameters
    ----------
    value : `~astropy.units.Quantity`
        Scalar, finite and not negative.
    unit : `~astropy.units.Unit`
        What to convert to.
    name : `str`
        Of the argument, for messages.
    zero : `bool`
        Whether 0 is allowed. Defaults to `True`.

    Returns
    -------
    `float`
        In ``unit``.

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
