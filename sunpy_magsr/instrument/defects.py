"""Bad pixels, which hold numbers but no measurements: cosmic-ray hits, dead or constant pixels, saturated umbrae."""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
import numpy.typing as npt
import scipy.ndimage
from astropy.stats import gaussian_fwhm_to_sigma
from skimage.morphology import reconstruction

from sunpy_magsr.instrument.noise import input_noise
from sunpy_magsr.maps import Magnetogram
from sunpy_magsr.maps.disk import fill_missing

_RUN = 10  # pixels of one value in a line; MDI's numbers are in steps of up to 4.7 G, so some are so by chance
_BLOCK = 4  # pixels a side, likewise
_LARGEST_SHARE = 0.1  # of the pixels: a map with more of one value is made so
_SHARPEST = 1.0  # FWHM in pixels of the sharpest point-spread function that MDI may have
_SIGNAL_TO_NOISE = 10.0  # power, of the prediction from the neighbors
_THRESHOLD = 4.7  # standard deviations of the prediction's error; a hit of 8 sigma stands out so far beside noise
_UNSHARP = 2.2  # by how much a pixel may differ from its prediction, relative to the neighbors' field
_AT_LEAST = 2  # neighbors that must be as strong for a structure that optics can make
_LEAST_NOISE = 8.0  # Gauss; frames with less were interpolated, which blurs hits too, and real elements stand out of it
_IN_NOISE = 2.0  # standard deviations that such neighbors reach by noise alone
_ALONE = 1.4  # of the noise, for the mean of a hit's two neighbors along either axis: beside noise 99.9 % have less
_LEAST_BESIDE = 0.08  # of a real source, on the neighbors along either axis; 0.16 if it is as wide as a pixel
_ROUNDS = 3
_SATURATED = 1800.0  # Gauss
_DEPTH = 0.35  # of the field around


def find_bad_pixels(data: npt.NDArray, valid: np.ndarray, noise: npt.NDArray | None = None) -> np.ndarray:
    r"""
    Find pixels that cannot be measurements of the Sun.

    Three kinds of bad pixels are found, the last two only if the noise is given:

    - **Dead or constant pixels**: blocks of 4 x 4 pixels, or lines of 10, of exactly the same value.
    - **Cosmic-ray hits**: single pixels that do not fit to their neighbors. The optics spread even the smallest real source
      over several pixels, so a pixel can be predicted from its neighbors (by the linear prediction of a field that is
      smoothed by a point-spread function and a pixel). A hit differs from the prediction by more than 4.7 standard
      deviations of its error, for which the noise counts as 8 G or more, plus 2.2 times the field of the second strongest
      neighbor beyond the noise. And along at least one axis its two neighbors have almost no field of its sign.
    - **Saturated umbrae**: holes with more than 35 % less field within a field of one polarity above 1800 G. MDI makes them
      where the spectral line leaves the range of its filters (Liu et al. 2007, :doi:`10.1007/s11207-007-0316-5`).

    Parameters
    ----------
    data : `numpy.ndarray`
        Magnetogram in Gauss ``[y, x]``, without NaN.
    valid : `numpy.ndarray`
        Pixels that are measurements according to the file, bool ``[y, x]``.
    noise : `numpy.ndarray`, optional
        Standard deviation of each pixel's noise in Gauss ``[y, x]``. It may be given only for an instrument whose optics
        are not sharper than its pixels, such as MDI.

    Returns
    -------
    `numpy.ndarray`
        The bad pixels, bool ``[y, x]``.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.instrument import find_bad_pixels
    >>> data = np.random.default_rng(0).normal(0, 12, (64, 64))
    >>> data[30, 40] = 900
    >>> np.argwhere(find_bad_pixels(data, np.ones((64, 64), bool), np.full((64, 64), 12.0))).tolist()
    [[30, 40]]
    """
    bad = _constant(data, valid)
    if noise is None:
        return bad
    data = np.where(bad, fill_missing(data, valid & ~bad), data) if bad.any() else data
    for _ in range(_ROUNDS):
        found = _hits(data, noise) & valid & ~bad
        if not found.any():
            break
        bad |= found
        data = fill_missing(data, valid & ~bad)
    return bad | (_find_saturated(data) & valid)


def without_bad_pixels(magnetogram: Magnetogram) -> tuple[Magnetogram, int]:
    """
    Replace the bad pixels of a magnetogram.

    Parameters
    ----------
    magnetogram : `~sunpy_magsr.maps.Magnetogram`
        The magnetogram. Hits and saturated umbrae are searched for only if it is from MDI: in an HMI magnetogram that was
        averaged to larger pixels, a real source may fill a single pixel.

    Returns
    -------
    magnetogram : `~sunpy_magsr.maps.Magnetogram`
        The magnetogram, in which bad pixels are not valid and hold the nearest measured value. For MDI it also holds the
        noise of each pixel.
    count : `int`
        Number of pixels that were replaced.
    """
    is_mdi = magnetogram.instrument == "MDI"
    noise = input_noise(magnetogram) if is_mdi else None
    bad = find_bad_pixels(magnetogram.data, magnetogram.valid, noise)
    valid = magnetogram.valid & ~bad
    count = int(bad.sum())
    if not count or not valid.any():
        return dataclasses.replace(magnetogram, noise=noise if is_mdi else magnetogram.noise), 0
    cleaned = dataclasses.replace(magnetogram, data=fill_missing(magnetogram.data, valid), valid=valid)
    # The bad pixels had a part in the noise that was measured.
    return dataclasses.replace(cleaned, noise=input_noise(cleaned) if is_mdi else magnetogram.noise), count


def without_constant_pixels(data: npt.NDArray) -> npt.NDArray:
    """Set the dead or constant pixels of a field to NaN."""
    valid = np.isfinite(data)
    bad = find_bad_pixels(np.where(valid, data, 0), valid)
    return np.where(bad, np.nan, data).astype(data.dtype) if bad.any() else data


def _constant(data, valid):
    """Measured pixels in blocks and lines of one value."""
    bad = np.zeros(data.shape, dtype=bool)
    same = [
        valid[:, 1:] & valid[:, :-1] & (data[:, 1:] == data[:, :-1]),
        valid[1:] & valid[:-1] & (data[1:] == data[:-1]),
    ]
    if not (same[0].any() or same[1].any()):
        return bad
    for axis, equal in zip((1, 0), same, strict=True):
        length = [1, 1]
        length[axis] = _RUN - 1
        runs = scipy.ndimage.binary_opening(equal, np.ones(length))
        bad |= _either_end(runs, axis, data.shape)
    rows = scipy.ndimage.binary_opening(same[0], np.ones((_BLOCK, _BLOCK - 1)))
    columns = scipy.ndimage.binary_opening(same[1], np.ones((_BLOCK - 1, _BLOCK)))
    bad |= _either_end(rows, 1, data.shape) & _either_end(columns, 0, data.shape)
    return bad if bad.sum() <= _LARGEST_SHARE * valid.sum() else np.zeros_like(bad)


def _either_end(pairs, axis, shape):
    """Pixels that belong to a pair of neighbors along an axis."""
    found = np.zeros(shape, dtype=bool)
    lower, upper = slice(None, -1), slice(1, None)
    for part in (lower, upper):
        found[(part, slice(None)) if axis == 0 else (slice(None), part)] |= pairs
    return found


def _hits(data, noise):
    """Cosmic-ray hits: pixels that do not fit to their neighbors."""
    kernel = _prediction()
    noise = np.maximum(noise, np.float32(_LEAST_NOISE))
    residual = data - scipy.ndimage.correlate(data, kernel.astype(data.dtype), mode="nearest")
    level = noise * np.float32(math.sqrt(1 + (kernel**2).sum()))
    found = np.zeros(data.shape, dtype=bool)
    y, x = np.nonzero(np.abs(residual) > _THRESHOLD * level)
    if not len(y):
        return found
    padded = np.pad(data, 1, mode="edge")
    around = [np.abs(padded[y + j, x + i]) for j in range(3) for i in range(3) if (j, i) != (1, 1)]
    strength = np.sort(around, axis=0)[-_AT_LEAST]
    allowed = _THRESHOLD * level[y, x] + _UNSHARP * np.maximum(strength - _IN_NOISE * noise[y, x], 0)
    sign = np.sign(residual[y, x])
    pairs = [padded[y + 1, x] + padded[y + 1, x + 2], padded[y, x + 1] + padded[y + 2, x + 1]]
    beside = np.minimum(*(sign * pair / 2 for pair in pairs))
    is_alone = beside < np.maximum(_ALONE * noise[y, x], _LEAST_BESIDE * np.abs(residual[y, x]))
    is_hit = (np.abs(residual[y, x]) > allowed) & is_alone
    # Beside a hit the prediction is off: of neighbors, the one that sticks out most is taken out first.
    excess = np.zeros(data.shape, dtype=np.float32)
    excess[y[is_hit], x[is_hit]] = np.abs(residual[y, x] / allowed)[is_hit]
    found[y[is_hit], x[is_hit]] = True
    return found & (excess >= scipy.ndimage.maximum_filter(excess, 3))


@functools.cache
def _prediction():
    """Weights ``[5, 5]`` of the neighbors in the best linear prediction of a pixel."""
    y, x = (axis.ravel() for axis in np.mgrid[-2:3, -2:3])
    variance = 2 * (_SHARPEST * gaussian_fwhm_to_sigma) ** 2 + 2 / 12
    alike = _SIGNAL_TO_NOISE * np.exp(-((y[:, None] - y) ** 2 + (x[:, None] - x) ** 2) / (2 * variance))
    others = np.flatnonzero((y != 0) | (x != 0))
    middle = np.flatnonzero((y == 0) & (x == 0))[0]
    weights = np.zeros(25)
    weights[others] = np.linalg.solve(alike[np.ix_(others, others)] + np.eye(24), alike[others, middle])
    return weights.reshape(5, 5)


def _find_saturated(data):
    """Holes in very strong field of one polarity."""
    bad = np.zeros(data.shape, dtype=bool)
    for sign in (-1, 1):
        labels, count = scipy.ndimage.label(scipy.ndimage.binary_dilation(sign * data > _SATURATED, iterations=2))
        for place in scipy.ndimage.find_objects(labels, count):
            field = np.pad(np.maximum(sign * data[place], 0), 1)
            seed = np.where(np.pad(np.ones(np.array(field.shape) - 2, bool), 1), field.max(), field)
            filled = reconstruction(seed, field, method="erosion")
            hole = (filled > _SATURATED) & (field < (1 - _DEPTH) * filled)
            bad[place] |= hole[1:-1, 1:-1]
    return bad
