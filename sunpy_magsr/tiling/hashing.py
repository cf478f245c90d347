"""Random numbers that are a function of whole numbers, such as a place, a time and a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["hashed", "normal_numbers", "uniform_numbers"]

_GOLDEN = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio, the step of SplitMix64
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def hashed(*numbers: int | npt.NDArray[np.integer]) -> npt.NDArray[np.uint64]:
    """
    Mix whole numbers into one number of 64 bits, which looks random and is the same on every machine.

    Each number is added in turn and mixed with the finalizer of SplitMix64 (Steele, Lea & Flood 2014,
    :doi:`10.1145/2714064.2660195`).

    Parameters
    ----------
    *numbers : `int` or `numpy.ndarray` of integers
        Whole numbers, or arrays of them whose shapes broadcast. Their order matters.

    Returns
    -------
    `numpy.ndarray`
        The mixed numbers, uint64. They have the broadcast shape, with at least one dimension.

    Examples
    --------
    >>> from sunpy_magsr.tiling.hashing import hashed
    >>> hashed(3, 4) == hashed(3, 4), hashed(3, 4) == hashed(4, 3)
    (array([ True]), array([False]))
    """
    result = np.zeros(1, np.uint64)
    for number in numbers:
        whole = np.uint64(number % 2**64) if isinstance(number, int) else np.asarray(number).astype(np.uint64)
        result = _mixed(result * np.uint64(3) + whole + np.uint64(_GOLDEN))
    return result


def uniform_numbers(keys: npt.NDArray[np.uint64], number: int) -> npt.NDArray[np.float64]:
    """
    Compute a uniform random number for each key, above 0 and below 1.

    Parameters
    ----------
    keys : `numpy.ndarray`
        Numbers that `hashed` returned.
    number : `int`
        Index of the random number. For another index, each key has another number.

    Returns
    -------
    `numpy.ndarray`
        The random numbers, float64, of the shape of ``keys``.
    """
    raw = _mixed(keys + np.uint64((number + 1) * _GOLDEN % 2**64)) >> np.uint64(11)
    return (raw + 0.5) * 2.0**-53


def normal_numbers(keys: npt.NDArray[np.uint64], count: int) -> npt.NDArray[np.float32]:
    """
    Compute normal random numbers of zero mean and unit variance for each key.

    Parameters
    ----------
    keys : `numpy.ndarray`
        Numbers ``[y, x]`` that `hashed` returned.
    count : `int`
        How many random numbers each key gets. They are independent of each other.

    Returns
    -------
    `numpy.ndarray`
        The random numbers ``[count, y, x]``, float32.
    """
    return np.stack([ndtri(uniform_numbers(keys, number)).astype(np.float32) for number in range(count)])


def _mixed(number):
    number = (number ^ (number >> np.uint64(30))) * _FIRST
    number = (number ^ (number >> np.uint64(27))) * _SECOND
    return number ^ (number >> np.uint64(31))
