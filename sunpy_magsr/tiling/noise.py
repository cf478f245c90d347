"""Gaussian random fields that depend on the seed and the place only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["noise_field"]

_BLOCK = 32


def noise_field(
    shape: tuple[int, int, int], *, origin: tuple[int, int], seed: int, sample: int
) -> npt.NDArray[np.float32]:
    """
    Draw white Gaussian noise that is a function of the seed, the sample and the pixel.

    Two windows of one frame agree where they overlap, whatever their sizes and the order in which they are drawn. The
    numbers are those of the counter-based generator Philox4x64-10 (Salmon et al. 2011, :doi:`10.1145/2063384.2063405`),
    whose stream NumPy guarantees, converted by the inverse of the normal distribution function.

    Parameters
    ----------
    shape : `tuple` of `int`
        Numbers of channels, rows and columns of the window.
    origin : `tuple` of `int`
        Position ``(y, x)`` in the frame of the first pixel of the window. It may be negative.
    seed, sample : `int`
        Seed and number of the sample, not negative.

    Returns
    -------
    `numpy.ndarray`
        Numbers of zero mean and unit variance, float32, of the given shape.

    Examples
    --------
    >>> from sunpy_magsr.tiling import noise_field
    >>> frame = noise_field((1, 100, 100), origin=(-50, -50), seed=1, sample=0)
    >>> cutout = noise_field((1, 10, 10), origin=(0, 20), seed=1, sample=0)
    >>> bool((frame[:, 50:60, 70:80] == cutout).all())
    True
    """
    channels, *size = shape
    result = np.empty(shape, dtype=np.float32)
    first, last = origin, [start + side for start, side in zip(origin, size, strict=True)]
    for y in range(first[0] // _BLOCK, -(-last[0] // _BLOCK)):
        for x in range(first[1] // _BLOCK, -(-last[1] // _BLOCK)):
            lowest = [max(block * _BLOCK, start) for block, start in zip((y, x), first, strict=True)]
            highest = [min((block + 1) * _BLOCK, stop) for block, stop in zip((y, x), last, strict=True)]
            here, there = (
                tuple(slice(low - start, high - start) for low, high, start in zip(lowest, highest, begin, strict=True))
                for begin in (first, (y * _BLOCK, x * _BLOCK))
            )
            result[(slice(None), *here)] = _block(channels, y, x, seed, sample)[(slice(None), *there)]
    return result


def _block(channels, y, x, seed, sample):
    mask = (1 << 64) - 1
    counter = np.array([0, 0, y & mask, x & mask], dtype=np.uint64)
    generator = np.random.Philox(key=np.array([seed, sample], dtype=np.uint64), counter=counter)
    raw = generator.random_raw(channels * _BLOCK**2) >> np.uint64(11)
    return ndtri((raw + 0.5) * 2.0**-53).astype(np.float32).reshape(channels, _BLOCK, _BLOCK)
