"""Grids: interpolation to a finer one, resampling to another plate scale."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse

#: Pixels of the output along a pixel of the input.
FACTOR = 4

_SHARPNESS = -0.75
_REACH = 4  # pixels; beyond it, the prefilter is below 4e-4


def bicubic(field, factor):
    """
    Interpolate a field bicubically to a finer grid whose outer pixel edges are the same.

    The method is cubic convolution (Keys 1981, :doi:`10.1109/TASSP.1981.1163711`) with a = -0.75, the kernel of PyTorch
    and OpenCV. Beyond the edge, the values of the edge go on.
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
    """
    pixel = np.zeros((64, 1))
    pixel[32] = 1
    response = bicubic(pixel, factor)[:, :factor].mean(axis=1).reshape(64, factor).mean(axis=1)
    inverse = np.fft.ifftshift(np.fft.ifft(1 / np.fft.fft(np.fft.ifftshift(response))).real)
    weights = inverse[32 - _REACH : 33 + _REACH]
    return (weights / weights.sum()).astype(np.float32)


_STENCIL = 16


def refined_reference_pixel(crpix: float, factor: float, offset: float = 0.0) -> float:
    r"""
    Convert a FITS reference pixel to a grid that is finer by a factor.

    FITS pixel centers are whole numbers, so the lower edge of the first pixel is at 1/2 on both grids and
    :math:`\mathrm{crpix}' = (\mathrm{crpix} - 1/2) f + 1/2 - o` (Greisen & Calabretta 2002,
    :doi:`10.1051/0004-6361:20021326`).
    """
    return (crpix - 0.5) * factor + 0.5 - offset


def resampled_size(size: int, ratio: float) -> tuple[int, float]:
    """Compute the number of pixels along an axis after resampling, and the offset with which the centers stay together."""
    new = max(1, round(size * ratio))
    return new, (size * ratio - new) / 2


def resample(field: npt.NDArray, ratio: Sequence[float]) -> npt.NDArray:
    """
    Resample a field of flux density so that flux is conserved.

    The running integral of the field is interpolated with a local polynomial of degree 15 along each axis and its
    differences between the new pixel edges are taken, so that the flux in any block of output pixels is the
    interpolated flux of the input there. Edge values are continued outward.
    """
    rows = _resampler(field.shape[0], ratio[1])
    columns = _resampler(field.shape[1], ratio[0])
    result = columns @ (rows @ field.astype(np.float32)).T
    return np.ascontiguousarray(result.T, dtype=field.dtype)


def _resampler(size, ratio):
    """Sparse float32 matrix that takes ``size`` pixel means to the means over the new pixels."""
    new, offset = resampled_size(size, ratio)
    edges = (np.arange(new + 1) + offset) / ratio
    first = np.floor(edges).astype(int) - _STENCIL // 2 + 1
    nodes = np.arange(_STENCIL)
    distance = edges[:, None] - first[:, None] - nodes
    weights = np.empty_like(distance)
    for k in nodes:
        others = np.delete(nodes, k)
        weights[:, k] = np.prod(distance[:, others] / (k - others), axis=1)
    # The running integral at node n is the sum of the pixels below it: turn node weights into pixel weights.
    pixel_weights = weights[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
    pixels = first[:, None] + nodes[:-1]
    lowest = pixels[:, 0].min()
    span = pixels.max() + 1 - lowest
    rows = np.repeat(np.arange(new + 1), _STENCIL - 1)
    integral = scipy.sparse.csr_array((pixel_weights.ravel(), (rows, (pixels - lowest).ravel())), shape=(new + 1, span))
    between = scipy.sparse.csr_array(
        (
            np.ones(first[-1] - first[0]),
            (np.repeat(np.arange(new), np.diff(first)), np.arange(first[0], first[-1]) - lowest),
        ),
        shape=(new, span),
    )
    means = (integral[1:] - integral[:-1] + between) * ratio
    clamp = np.clip(np.arange(span) + lowest, 0, size - 1)
    gather = scipy.sparse.csr_array((np.ones(span), (np.arange(span), clamp)), shape=(span, size))
    operator = (means @ gather).tocsr()
    operator.data[np.abs(operator.data) < 1e-12] = 0
    operator.eliminate_zeros()
    return operator.astype(np.float32)
