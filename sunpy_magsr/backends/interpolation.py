"""Bicubic interpolation, the baseline that adds no structure."""

import numpy as np
import scipy.sparse

__all__ = ["BicubicBackend", "bicubic"]

_SHARPNESS = -0.75


def bicubic(field, factor):
    """
    Interpolate a field bicubically to a finer grid whose outer pixel edges are the same.

    The method is cubic convolution (Keys 1981, :doi:`10.1109/TASSP.1981.1163711`) with a = -0.75, the kernel of PyTorch
    and OpenCV. Beyond the edge, the values of the edge go on.

    Parameters
    ----------
    field : `numpy.ndarray`
        The field, ``[y, x]``, without NaN.
    factor : `int`
        The number of output pixels along one input pixel.

    Returns
    -------
    `numpy.ndarray`
        The interpolated field, float32 ``[factor y, factor x]``.
    """
    rows, columns = (_operator(side, factor) for side in field.shape)
    return np.ascontiguousarray((columns @ (rows @ field.astype(np.float32)).T).T)


def _operator(size, factor):
    position = (np.arange(size * factor) + 0.5) / factor - 0.5
    base = np.floor(position).astype(int)
    pixels = base[:, None] + np.arange(-1, 3)
    distance = np.abs(position[:, None] - pixels)
    a = _SHARPNESS
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    weights = np.where(distance <= 1, near, far)
    rows = np.repeat(np.arange(size * factor), 4)
    columns = np.clip(pixels, 0, size - 1).ravel()
    return scipy.sparse.csr_array((weights.ravel(), (rows, columns)), shape=(size * factor, size)).astype(np.float32)


class BicubicBackend:
    """
    Bicubic interpolation with the methods of a model.

    Parameters
    ----------
    card : `~sunpy_magsr.catalog.ModelCard`
        The facts about the interpolation.
    """

    def __init__(self, card):
        self.card = card

    def samples(self, magnetogram, **_options):
        """Yield the single result; see `sunpy_magsr.backends.base.Backend.samples`. Its options have no effect."""
        yield bicubic(magnetogram.data, self.card.factor)
