"""The step that makes a high-resolution field agree with the low-resolution input."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import scipy.ndimage

from sunpy_magsr.instrument import degrade, instrument_of
from sunpy_magsr.maps import Magnetogram
from sunpy_magsr.maps.grid import bicubic, prefilter
from sunpy_magsr.store.card import ModelCard

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


def exact(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """
    Correct a field so that its mean over every block is the value of the input pixel there.

    The correction is interpolated between the input pixels, after a filter that keeps its block means, so it leaves no
    steps at the borders of blocks.
    """
    rows, columns = low.shape
    factor = high.shape[0] // rows
    correction = _filter(low - degrade(high, factor=factor), prefilter(factor))
    high = high + bicubic(correction, factor)
    left = low - degrade(high, factor=factor)  # rounding, and the edges, where the interpolation repeats the last pixel
    return (high.reshape(rows, factor, columns, factor) + left[:, None, :, None]).reshape(high.shape)


def match_within_noise(
    high: np.ndarray,
    low: np.ndarray,
    noise: np.ndarray,
    *,
    psf_fwhm: tuple[float, float],
    gain: float = 1.0,
    valid: np.ndarray | None = None,
) -> np.ndarray:
    r"""
    Change a field where what the instrument would see of it differs from the input by more than the noise.

    If the field could be the true one, the misfit :math:`d - \langle P * B \rangle` between the input and what the
    instrument would see is noise: its square over the variance of the noise, averaged over a few pixels, is about 1.
    Where the average is clearly larger, the misfit is reduced to what is allowed. For this, the difference is
    interpolated between the input pixels and added to the field (the discrepancy principle, Morozov 1966, Soviet
    Mathematics Doklady 7, 414). The misfit that is left on scales where the noise averages out (a Gaussian window of 8
    pixels, which reduces the noise by a factor of 28) is added to the field everywhere, so that the net flux is kept.

    The width of the point-spread function need not be known. If its smallest and its largest value are given, the
    images for both are mixed so that they fit best in a Gaussian window of 8 pixels around each pixel.
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
        return sum(share * _filter(change, kernel) for share, kernel in zip(shares, kernels, strict=True))

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
    """The share of each image, ``[y, x]``, with which their mixture fits best around each pixel."""
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
    """How the instrument sees a single interpolated pixel, along one axis and on its own pixels."""
    reach = 3 + 2 * math.ceil(psf_fwhm)
    pixel = np.zeros((2 * reach + 1, 1))
    pixel[reach] = 1
    return degrade(bicubic(pixel, factor), factor=factor, psf_fwhm=factor * psf_fwhm)[:, 0].astype(np.float32)


def _filter(field, kernel):
    for axis in (0, 1):
        field = scipy.ndimage.correlate1d(field, kernel, axis=axis, mode="nearest")
    return field


def check(kind: str | None, card: ModelCard) -> str:
    """Check which consistency the user asks for."""
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


def enforcer(magnetogram: Magnetogram, card: ModelCard, kind: str) -> Callable[[np.ndarray], np.ndarray]:
    """Make the function that changes samples so that they agree with their input."""
    instrument = instrument_of(magnetogram, card)
    if kind == "exact":
        return functools.partial(exact, low=magnetogram.data / np.float32(instrument.gain))
    return functools.partial(
        match_within_noise,
        low=magnetogram.data,
        noise=instrument.misfit_error(magnetogram.data),
        psf_fwhm=instrument.widths,
        gain=instrument.gain,
        valid=magnetogram.valid,
    )
