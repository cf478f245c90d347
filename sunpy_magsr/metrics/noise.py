"""Noise of a magnetogram."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["quiet_noise"]

_QUIET_FIELD = 40.0
_MAD_TO_SIGMA = 1.4826
_LOWEST_NOISE = 0.5


def quiet_noise(data: npt.NDArray[np.floating]) -> float:
    """
    Noise from pixel to pixel of a magnetogram where the field is weak.

    It is the median absolute difference of horizontal neighbors where ``|B| < 40 G``, scaled to the standard deviation
    of a normal distribution and divided by sqrt(2). Where the noise of neighbors is independent and the field is
    smooth, this is the noise of a single pixel. In resampled (CEA) data it is less: about 3 G in the line-of-sight
    fields of ``hmi.sharp_cea_720s`` and 17 G in their Br.

    Parameters
    ----------
    data : `numpy.ndarray`
        Magnetic field in Gauss ``[y, x]``; NaN where it is not measured.

    Returns
    -------
    `float`
        The noise in Gauss. It is 0.5 G at least, and 0.5 G if no pixel is quiet.
    """
    difference = np.diff(data, axis=1)
    quiet = np.isfinite(difference) & (np.abs(data[:, 1:]) < _QUIET_FIELD)
    if not quiet.any():
        return _LOWEST_NOISE
    return max(float(_MAD_TO_SIGMA * np.median(np.abs(difference[quiet])) / np.sqrt(2)), _LOWEST_NOISE)
