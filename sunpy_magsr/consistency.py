"""Make a high-resolution field agree with the low-resolution input."""

import functools

import numpy as np
import scipy.ndimage

from sunpy_magsr.forward_model import degrade, input_noise

__all__ = ["check", "enforcer", "exact", "within_noise"]

_KINDS = ("exact", "noise")
_ROUNDS = 4
_NEIGHBORHOOD = 1.5  # input pixels, standard deviation of the window in which a misfit is judged


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


def within_noise(high, low, noise, *, psf_fwhm):
    r"""
    Change the result where the instrument would not have seen the input, within its noise.

    The misfit :math:`d - \langle P * B \rangle` of a field that could be the true one is noise: its square over the
    variance, averaged over a few pixels, is 1. Where it is more, the misfit is scaled down to that and the difference
    given to the field (the discrepancy principle, Morozov 1966); where it is not, nothing is changed.

    Parameters
    ----------
    high : `numpy.ndarray`
        Gauss ``[f y, f x]``.
    low : `numpy.ndarray`
        Gauss ``[y, x]``.
    noise : `numpy.ndarray`
        Standard deviation in Gauss, ``[y, x]``.
    psf_fwhm : `float`
        Width of the point-spread function in input pixels.

    Returns
    -------
    `numpy.ndarray`
        float32 like ``high``.
    """
    factor = high.shape[0] // low.shape[0]
    seen = functools.partial(degrade, factor=factor, psf_fwhm=factor * psf_fwhm)
    misfit = low - seen(high)
    chi_squared = scipy.ndimage.gaussian_filter((misfit / noise) ** 2, _NEIGHBORHOOD)
    wanted = misfit * (1 - 1 / np.sqrt(np.maximum(chi_squared, 1)))
    if not wanted.any():
        return high
    change = np.zeros_like(high)
    for _ in range(_ROUNDS):
        left = (wanted - seen(change)).astype(np.float32)
        change += np.repeat(np.repeat(left, factor, axis=0), factor, axis=1)
    return high + change


def check(kind, card):
    """
    Return the consistency that is asked for, or the model's own.

    Parameters
    ----------
    kind : {"exact", "noise", None}
        What is asked for.
    card : `~sunpy_magsr.catalog.ModelCard`
        The model.

    Returns
    -------
    `str`
        Not `None`.

    Raises
    ------
    ValueError
        For any other, and for ``"noise"`` with a model that knows no instrument's noise.
    """
    kind = kind or card.consistency
    if kind not in _KINDS:
        msg = f"consistency must be None or one of {', '.join(map(repr, _KINDS))}, got {kind!r}."
        raise ValueError(msg)
    if kind == "noise" and card.consistency != "noise":
        msg = (
            "consistency='noise' needs a model with an instrument's noise model, such as 'default+mdi'; use 'exact' or "
            f"None with {card.name!r}."
        )
        raise ValueError(msg)
    return kind


def enforcer(magnetogram, card, kind):
    """
    The function that makes samples agree with their input.

    Parameters
    ----------
    magnetogram : `~sunpy_magsr.prep.Magnetogram`
        The input.
    card : `~sunpy_magsr.catalog.ModelCard`
        The model, for the width of the point-spread function.
    kind : {"exact", "noise"}
        From `check`.

    Returns
    -------
    callable
        From and to `numpy.ndarray`, Gauss ``[f y, f x]``.
    """
    if kind == "exact":
        return functools.partial(exact, low=magnetogram.data)
    noise = input_noise(magnetogram)
    return functools.partial(within_noise, low=magnetogram.data, noise=noise, psf_fwhm=card.psf_fwhm)
