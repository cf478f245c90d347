"""Make a high-resolution field agree with the low-resolution input."""

import functools
import math

import numpy as np
import scipy.ndimage

from sunpy_magsr.backends.interpolation import bicubic
from sunpy_magsr.forward_model import MDI_GAIN, degrade, misfit_error

__all__ = ["check", "enforcer", "exact", "within_noise"]

_KINDS = ("exact", "noise")
# Of the misfit's square over the noise's variance, averaged over a Gaussian window of a pixel: what is too much where the
# field is far above the noise, and where it is not and a window of nothing but noise often exceeds 1.
_WINDOW = 1.0
_TOO_MUCH = 1.0
_TOO_MUCH_IN_NOISE = 2.0
_SIGNAL_TO_NOISE = 4.0  # of the mean field strength over a window of two pixels: where the one limit becomes the other
_LARGE = 8.0  # pixels
_LEAST_SHARE = 0.1
_PRIOR = 10.0  # pixels that are off by their noise: what half of each image counts
_PASSES = 2
_ROUNDS = 3


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
    rows, columns = low.shape
    factor = high.shape[0] // rows
    correction = low - degrade(high, factor=factor)
    return (high.reshape(rows, factor, columns, factor) + correction[:, None, :, None]).reshape(high.shape)


def within_noise(high, low, noise, *, psf_fwhm, gain=1.0, valid=None):
    r"""
    Change the result where the instrument would not have seen the input, within its noise.

    The misfit :math:`d - \langle P * B \rangle` of a field that could be the true one is noise: its square over the
    variance, averaged over a few pixels, is about 1. Where it is clearly more, the misfit is scaled down and the
    difference given to the field, interpolated between the input's pixels (the discrepancy principle, Morozov 1966, Soviet
    Mathematics Doklady 7, 414). What is left of it on scales where the noise averages out (a Gaussian window of 8 pixels,
    in which 28 times less of the noise is left) is given back everywhere, so that net flux is kept.

    The width of the point-spread function need not be known: between the sharpest and the widest that it may have, the
    mixture of the two is taken that fits best in a Gaussian window of 8 pixels around each pixel.

    Parameters
    ----------
    high : `numpy.ndarray`
        Gauss ``[f y, f x]``.
    low : `numpy.ndarray`
        Gauss ``[y, x]``.
    noise : `numpy.ndarray`
        Standard deviation in Gauss, ``[y, x]``: of the noise and of what else the forward model is off by.
    psf_fwhm : `tuple` of `float`
        Width of the sharpest and of the widest point-spread function in input pixels; may be equal.
    gain : `float`
        What the input's instrument reads for 1 G of the result's.
    valid : `numpy.ndarray`, optional
        bool ``[y, x]``: the pixels that are measurements. All by default.

    Returns
    -------
    `numpy.ndarray`
        float32 like ``high``.
    """
    factor = high.shape[0] // low.shape[0]
    valid = np.ones(low.shape, dtype=bool) if valid is None else valid
    widths = sorted(set(psf_fwhm))
    images = [degrade(high, factor=factor, psf_fwhm=factor * width, gain=gain) for width in widths]
    shares = _shares(images, low, noise, valid)
    misfit = np.where(valid, low - sum(share * image for share, image in zip(shares, images, strict=True)), 0)
    strength = scipy.ndimage.gaussian_filter(np.where(valid, np.abs(low), 0), 2) / noise
    most = _TOO_MUCH + (_TOO_MUCH_IN_NOISE - _TOO_MUCH) / (1 + (strength / _SIGNAL_TO_NOISE) ** 4)
    kernels = [_response(factor, width) for width in widths]

    def seen(change):
        return sum(share * _seen_of_interpolated(change, kernel) for share, kernel in zip(shares, kernels, strict=True))

    change = np.zeros_like(low)
    for _ in range(_PASSES):
        left = misfit - seen(change)
        chi_squared = scipy.ndimage.gaussian_filter((left / noise) ** 2, _WINDOW)
        wanted = left * (1 - np.sqrt(most / np.maximum(chi_squared, most)))
        step = np.zeros_like(low)
        for _ in range(_ROUNDS):
            step += wanted - seen(step)
        change += step
    left = np.where(valid, misfit - seen(change), 0)
    share = scipy.ndimage.gaussian_filter(valid.astype(np.float32), _LARGE)
    change += scipy.ndimage.gaussian_filter(left, _LARGE) / np.maximum(share, _LEAST_SHARE)
    return high + bicubic(change / np.float32(gain), factor)


def _shares(images, low, noise, valid):
    """Share of each of two images, ``[y, x]``, with which they fit best around each pixel; 1 of a single one."""
    if len(images) == 1:
        return [np.float32(1)]
    sharp, wide = images
    apart = np.where(valid, (wide - sharp) / noise, 0)
    window = functools.partial(scipy.ndimage.gaussian_filter, sigma=_LARGE)
    prior = _PRIOR / (2 * np.pi * _LARGE**2)
    share = (window(apart * np.where(valid, (low - sharp) / noise, 0)) + prior / 2) / (window(apart**2) + prior)
    share = np.clip(share, 0, 1)
    return [1 - share, share]


def _response(factor, psf_fwhm):
    """What the instrument sees along one axis of the interpolation of a single pixel, on its own pixels."""
    reach = 3 + 2 * math.ceil(psf_fwhm)
    pixel = np.zeros((2 * reach + 1, 1))
    pixel[reach] = 1
    return degrade(bicubic(pixel, factor), factor=factor, psf_fwhm=factor * psf_fwhm)[:, 0].astype(np.float32)


def _seen_of_interpolated(change, kernel):
    for axis in (0, 1):
        change = scipy.ndimage.correlate1d(change, kernel, axis=axis, mode="nearest")
    return change


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
        The model, for the width of the point-spread function and the scale of the result.
    kind : {"exact", "noise"}
        From `check`.

    Returns
    -------
    callable
        From and to `numpy.ndarray`, Gauss ``[f y, f x]``.
    """
    gain = MDI_GAIN if card.calibration == "hmi" and magnetogram.instrument == "MDI" else 1.0
    if kind == "exact":
        return functools.partial(exact, low=magnetogram.data / np.float32(gain))
    spread = 2 * card.psf_fwhm_spread
    widths = (max(card.psf_fwhm - spread, 0.0), card.psf_fwhm + spread)
    if magnetogram.psf_fwhm is not None:
        widths = (magnetogram.psf_fwhm, magnetogram.psf_fwhm)
    noise = misfit_error(magnetogram)
    options = {"noise": noise, "psf_fwhm": widths, "gain": gain, "valid": magnetogram.valid}
    return functools.partial(within_noise, low=magnetogram.data, **options)
