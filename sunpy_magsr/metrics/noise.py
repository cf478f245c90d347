"""Noise of a magnetogram."""

import numpy as np

__all__ = ["quiet_noise"]

_QUIET_FIELD = 40.0
_MAD_TO_SIGMA = 1.4826
_LOWEST_NOISE = 0.5


def quiet_noise(data):
    """
    Pixel-to-pixel noise of a magnetogram where the field is weak.

    The scaled median absolute difference of horizontal neighbors, over sqrt(2), where ``|B| < 40 G``. It is the
    noise of a single pixel where the noise of neighbors is independent and the field smooth, and less in
    resampled (CEA) data: about 3 G in ``hmi.sharp_cea_720s`` line-of-sight fields, 17 G in Br.

    Parameters
    ----------
    data : `numpy.ndarray`
        Field in Gauss ``[y, x]``.

    Returns
    -------
    `float`
        In Gauss; 0.5 G if it is less, or if no pixel is quiet.
    """
    difference = np.diff(data, axis=1)
    quiet = np.isfinite(difference) & (np.abs(data[:, 1:]) < _QUIET_FIELD)
    if not quiet.any():
        return _LOWEST_NOISE
    return max(float(_MAD_TO_SIGMA * np.median(np.abs(difference[quiet])) / np.sqrt(2)), _LOWEST_NOISE)
