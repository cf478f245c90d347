"""Power spectra of small windows of a frame, and whether its noise is white."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import numpy.typing as npt
import scipy.ndimage
from numpy.lib.stride_tricks import sliding_window_view

from sunpy_magsr.instrument.gain import MDI_GAIN

#: Whiteness of the noise of an MDI frame (`noise_whiteness`) below which it was interpolated.
LEAST_WHITENESS = 0.6

_SIZE, _STEP = 32, 16  # pixels: side of the windows, and their distance
_SMOOTHING = 2.5  # pixels: so much smoothed, the field depends little on the blur and the noise of the frame
_SPOT = 400.0  # Gauss of the smoothed field on HMI's scale: no such window is network

# For the whiteness: windows with at most so many times the power in LOW as in MIDDLE, how many and which share of all are
# needed, and the Sun's power in MIDDLE and CORNER relative to that in LOW with a blur of 2 arcsec.
_CLEAN, _FEWEST_CLEAN, _SHARE_CLEAN = 3.5, 8, 0.05
_SUN_MIDDLE, _SUN_CORNER = 0.02, 0.004

# Edges of the bands of spatial frequency in cycles per pixel. Below them, spectra differ most from place to place.
_BANDS = np.array([9, 12, 15, 18, 21, 24, 27, 30, 33, 36, 40, 44, 48, 53, 58, 64, 71]) / 100
_AXIS = np.sin(np.pi * (np.arange(_SIZE) + 0.5) / _SIZE) ** 2
_TAPER = np.outer(_AXIS, _AXIS)
_FREQUENCY = np.hypot(np.fft.fftfreq(_SIZE)[:, None], np.fft.rfftfreq(_SIZE)[None])
_TIMES = np.where(np.arange(_SIZE // 2 + 1) % (_SIZE // 2), 2.0, 1.0)  # for the half of the plane that rfft2 leaves out
_IN_BAND = np.stack(
    [(_TIMES * ((low <= _FREQUENCY) & (high > _FREQUENCY))).ravel() for low, high in itertools.pairwise(_BANDS)], axis=1
)
#: Number of Fourier coefficients in each band.
BAND_MODES = _IN_BAND.sum(0)
_MEAN_OVER_BAND = _IN_BAND / BAND_MODES
#: Mean frequency of each band in cycles per pixel.
BAND_FREQUENCY = _FREQUENCY.ravel() @ _MEAN_OVER_BAND
#: Bands from 0.09 to 0.21, from 0.40 to 0.48, and from 0.58 to 0.71 cycles per pixel, the corner of the spectrum.
LOW, MIDDLE, CORNER = slice(0, 4), slice(10, 12), slice(14, 16)


@dataclasses.dataclass(frozen=True)
class Windows:
    """
    Spectra of the windows of a frame, on HMI's scale.

    Parameters
    ----------
    power : `numpy.ndarray`
        Mean power in each of the bands `BANDS` in Gauss squared ``[window, band]``. That of white noise is its variance.
    strength : `numpy.ndarray`
        Mean of the smoothed unsigned field in Gauss ``[window]``.
    place : `numpy.ndarray`
        Row and column of the middle ``[window, 2]``.
    mu : `numpy.ndarray`
        Least cosine of the heliocentric angle ``[window]``.
    """

    power: np.ndarray
    strength: np.ndarray
    place: np.ndarray
    mu: np.ndarray


def window_spectra(
    data: npt.NDArray, valid: np.ndarray, mu: npt.NDArray, *, gain: float = 1.0, least_mu: float = 0.5
) -> Windows:
    """Compute the power spectra of all windows of 32 x 32 pixels without spots and bad pixels. Neighbors overlap by half."""
    if min(data.shape) < _SIZE:
        return Windows(np.zeros((0, len(BAND_MODES))), np.zeros(0), np.zeros((0, 2), dtype=int), np.zeros(0))
    inside = valid & np.isfinite(data) & (np.nan_to_num(mu) >= least_mu)
    field = np.where(inside, data, 0).astype(np.float32) / np.float32(gain)
    smooth = np.abs(scipy.ndimage.gaussian_filter(field, _SMOOTHING))
    usable = _windows(inside).all((2, 3)) & (_windows(smooth).max((2, 3)) < _SPOT)
    taper, weight = _TAPER.astype(np.float32), _TAPER.sum()
    cut = _windows(field)[usable]
    cut = (cut - ((cut * taper).sum((1, 2), keepdims=True) / np.float32(weight))) * taper
    power = np.abs(np.fft.rfft2(cut)) ** 2 / (_TAPER**2).sum()
    return Windows(
        power=power.reshape(len(cut), _FREQUENCY.size) @ _MEAN_OVER_BAND,
        strength=(_windows(smooth)[usable] * taper).sum((1, 2)) / weight,
        place=np.argwhere(usable) * _STEP + _SIZE // 2,
        mu=_windows(np.asarray(mu))[usable].min((1, 2)).astype(float) if usable.any() else np.zeros(0),
    )


def noise_whiteness(data: npt.NDArray, valid: np.ndarray) -> float:
    """
    Measure whether the noise of an MDI frame is as strong at the shortest wavelengths as at longer ones.

    It is the ratio of the noise's power between 0.58 and 0.71 cycles per pixel (the corner of the spectrum, wavelengths near
    two pixels along both axes) to that between 0.40 and 0.48. Only windows are used in which the noise is not much weaker
    than the Sun, whose small share is subtracted. In native frames of MDI it is 0.9; every interpolation between pixels
    makes it smaller: a rotation by Maps' ``rotate`` to 0.1 to 0.5.
    """
    power = window_spectra(data, valid, np.ones(data.shape), gain=MDI_GAIN).power
    low, middle, corner = (
        np.average(power[:, part], weights=BAND_MODES[part], axis=1) for part in (LOW, MIDDLE, CORNER)
    )
    clean = low < _CLEAN * middle
    if clean.sum() < max(_FEWEST_CLEAN, _SHARE_CLEAN * len(power)):
        return math.nan
    low, middle, corner = low[clean].mean(), middle[clean].mean(), corner[clean].mean()
    sun = low - middle
    return float((corner - _SUN_CORNER * sun) / (middle - _SUN_MIDDLE * sun))


def is_interpolated(data: npt.NDArray, valid: np.ndarray) -> bool | None:
    """
    Tell whether an MDI frame was rotated or otherwise interpolated between pixels, from its noise alone.

    The `noise_whiteness` is compared with 0.6.

    Parameters
    ----------
    data : `numpy.ndarray`
        Magnetogram of MDI in Gauss ``[y, x]``.
    valid : `numpy.ndarray`
        Pixels that are measurements, bool ``[y, x]``.

    Returns
    -------
    `bool` or `None`
        Whether it was; nothing if the noise is too weak to tell.
    """
    ratio = noise_whiteness(data, valid)
    return None if math.isnan(ratio) else ratio < LEAST_WHITENESS


def _windows(image):
    """All windows of an image ``[row, column, y, x]``, without a copy."""
    return sliding_window_view(image, (_SIZE, _SIZE))[::_STEP, ::_STEP]
