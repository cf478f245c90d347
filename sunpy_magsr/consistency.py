"""Make a high-resolution field agree with the low-resolution input."""

import numpy as np

from sunpy_magsr.forward_model import degrade

__all__ = ["check", "enforce", "exact"]


def exact(high, low):
    """
    Shift every block of the result to the input's value there.

    Parameters
    ----------
    high : `numpy.ndarray`
        Gauss ``[f y, f x]``.
    low : `numpy.ndarray`
        Gauss ``[y, x]``.

    Returns
    -------
    `numpy.ndarray`
        float32 like ``high``, with ``degrade(result) == low`` to rounding.
    """
    factor = high.shape[0] // low.shape[0]
    correction = low - degrade(high, factor=factor)
    return high + np.repeat(np.repeat(correction, factor, axis=0), factor, axis=1)


def check(kind):
    """
    Return the name of a consistency if this version has it.

    Parameters
    ----------
    kind : `str`
        ``"exact"``.

    Returns
    -------
    `str`
        The same.

    Raises
    ------
    ValueError
        For any other; ``"noise"`` needs a forward model with the instrument's noise, which no model here carries.
    """
    if kind == "noise":
        msg = "consistency='noise' needs a model with an instrument's noise model; use 'exact' or None with this one."
        raise ValueError(msg)
    if kind not in _KINDS:
        msg = f"consistency must be None or one of {', '.join(map(repr, _KINDS))}, got {kind!r}."
        raise ValueError(msg)
    return kind


def enforce(high, low, kind):
    """
    Apply a consistency that `check` has passed; arrays as for `exact`.

    Parameters
    ----------
    high, low : `numpy.ndarray`
        Gauss, ``[f y, f x]`` and ``[y, x]``.
    kind : {"exact"}
        Which.

    Returns
    -------
    `numpy.ndarray`
        Like ``high``.
    """
    return _KINDS[kind](high, low)


_KINDS = {"exact": exact}
