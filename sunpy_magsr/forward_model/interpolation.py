"""Bicubic interpolation to a finer grid, and the prefilter with which it keeps the means over blocks."""

import functools

import numpy as np
import scipy.sparse

__all__ = ["bicubic", "prefilter"]

_SHARPNESS = -0.75
_REACH = 6  # pixels; beyond it, the prefilter is below 1e-4


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


@functools.cache
def prefilter(factor):
    """
    Make the filter after which bicubic interpolation keeps the values as the means over blocks of output pixels.

    The means of an interpolated field are smoother than the field: its response is 0.64 at the Nyquist frequency of an
    axis for a factor of 4. This filter is the inverse of that response, as the prefilter of a spline is (Unser 1999,
    :doi:`10.1109/79.799930`).

    Parameters
    ----------
    factor : `int`
        The number of output pixels along one input pixel.

    Returns
    -------
    `numpy.ndarray`
        The weights along one axis, float32 ``[13]``; they add up to 1.
    """
    pixel = np.zeros((64, 1))
    pixel[32] = 1
    response = bicubic(pixel, factor)[:, :factor].mean(axis=1).reshape(64, factor).mean(axis=1)
    inverse = np.fft.ifftshift(np.fft.ifft(1 / np.fft.fft(np.fft.ifftshift(response))).real)
    weights = inverse[32 - _REACH : 33 + _REACH]
    return (weights / weights.sum()).astype(np.float32)
