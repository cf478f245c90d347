"""Noise of the high-resolution instrument."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["BOTH_CAMERAS", "earlier_noise"]

#: Decimal year (2016 April 13) from which HMI's 720 s series combine both cameras and have less noise (Hoeksema et al.
#: 2018, :doi:`10.1007/s11207-018-1259-8`).
BOTH_CAMERAS = 2016.28
# Power of the additional noise before that date, by wavenumber in cycles per pixel of 0.03 degrees: the difference between
# quiet windows in SHARP patches of 2011 and 2012 and those of 2025, in G^2 (the variance of a white field of that power).
# The noise of those years has 2.3 times the power of today's at all wavenumbers; below 0.25 the power of the Sun covers it.
_WAVENUMBER = (0.0, 0.094, 0.156, 0.219, 0.281, 0.344, 0.406, 0.469, 0.531, 0.594, 0.72)
_POWER = (7.5, 7.5, 7.0, 7.0, 5.6, 3.9, 2.1, 1.0, 0.55, 0.22, 0.0)


def earlier_noise(shape: tuple[int, int], *, seed: int) -> npt.NDArray[np.float64]:
    """
    Draw noise that makes an HMI patch of today as noisy as one from before `BOTH_CAMERAS`.

    Parameters
    ----------
    shape : `tuple` of `int`
        Number of rows and columns, of pixels of 0.03 degrees (0.5 arcsec).
    seed : `int`
        Seed of the random numbers.

    Returns
    -------
    `numpy.ndarray`
        Line-of-sight noise in Gauss ``[y, x]``.

    Examples
    --------
    >>> from sunpy_magsr.forward_model.hmi import earlier_noise
    >>> round(float(earlier_noise((200, 200), seed=1).std()), 1)
    1.8
    """
    wavenumber = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1]))
    white = np.fft.fft2(np.random.default_rng(seed).standard_normal(shape))
    return np.fft.ifft2(white * np.sqrt(np.interp(wavenumber, _WAVENUMBER, _POWER))).real
