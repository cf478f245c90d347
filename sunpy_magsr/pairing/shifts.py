"""Shifts that are left between a magnetogram and what is expected of it, measured in small neighborhoods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from skimage.filters import window
from skimage.registration import phase_cross_correlation

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["LEAST_CORRELATION", "common_shift", "local_shifts"]

_SIDE = 48  # pixels of a neighborhood
_UPSAMPLING = 100  # the shift is found to a hundredth of a pixel
_LEAST_SHARE = 0.9  # of a neighborhood that must be measured
#: Neighborhoods whose correlation is lower are not used, as their shifts are not reliable.
LEAST_CORRELATION = 0.2


def common_shift(
    reading: npt.NDArray, expected: npt.NDArray, valid: npt.NDArray[np.bool_], *, largest: int
) -> npt.NDArray[np.float64]:
    """
    Measure the shift of a whole image, to a whole pixel.

    Parameters
    ----------
    reading : `numpy.ndarray`
        Image in Gauss ``[y, x]`` whose shift is measured.
    expected : `numpy.ndarray`
        Image in Gauss ``[y, x]`` without the shift.
    valid : `numpy.ndarray`
        Pixels in which both images are known, bool ``[y, x]``.
    largest : `int`
        Largest shift in pixels along each axis that is tried.

    Returns
    -------
    `numpy.ndarray`
        Pixels along y and x by which the reading is displaced.
    """
    spectra = [np.fft.rfft2(np.where(valid, np.clip(one, -500, 500), 0)) for one in (reading, expected)]
    product = np.fft.irfft2(spectra[0] * spectra[1].conj(), s=valid.shape)
    near = np.arange(-largest, largest + 1)
    peak = product[np.ix_(near, near)]
    return np.array([near[one] for one in np.unravel_index(np.argmax(peak), peak.shape)], dtype=float)


def local_shifts(
    reading: npt.NDArray, expected: npt.NDArray, valid: npt.NDArray[np.bool_], *, side: int = _SIDE
) -> dict[str, npt.NDArray]:
    """
    Measure the shifts of small neighborhoods, to a fraction of a pixel.

    The neighborhoods are squares that overlap by half. The shift of each is the place of the maximum of the
    cross-correlation under a Hann window, found by upsampled Fourier transforms (Guizar-Sicairos et al. 2008,
    :doi:`10.1364/OL.33.000156`; `skimage.registration.phase_cross_correlation`). The window moves the maximum towards
    zero, so a large shift must be removed and the rest be measured again.

    Parameters
    ----------
    reading, expected, valid : `numpy.ndarray`
        The two images and where both are known, as for `common_shift`.
    side : `int`
        Side of a neighborhood in pixels. Defaults to 48.

    Returns
    -------
    `dict`
        Arrays with one number for each neighborhood: the pixel of its middle (``y`` and ``x``), the pixels by which the
        reading is displaced (``dy`` and ``dx``), the ``correlation`` of the two images, and the ``error``: the standard
        deviation of what the best fit leaves, divided by the root of the summed squares of the gradient. This is the
        standard error of the shift in pixels up to a factor.
    """
    taper = window("hann", (side, side)).astype(np.float32)
    rows = []
    for y in range(0, reading.shape[0] - side + 1, side // 2):
        for x in range(0, reading.shape[1] - side + 1, side // 2):
            part = (slice(y, y + side), slice(x, x + side))
            known = valid[part]
            if known.mean() < _LEAST_SHARE:
                continue
            middle = {"y": y + (side - 1) / 2, "x": x + (side - 1) / 2}
            rows.append(middle | _shift(reading[part], expected[part], known * taper))
    return {name: np.array([row[name] for row in rows]) for name in ("y", "x", "dy", "dx", "correlation", "error")}


def _shift(reading, expected, weight):
    """Shift of one neighborhood, with the correlation and the error."""
    one, two = (weight * (field - np.average(field, weights=weight)) for field in (reading, expected))
    norm = np.sqrt((one**2).sum() * (two**2).sum())
    if norm == 0:
        return {"dy": 0.0, "dx": 0.0, "correlation": 0.0, "error": np.inf}
    (dy, dx), *_ = phase_cross_correlation(one, two, upsample_factor=_UPSAMPLING, normalization=None)
    correlation = float((one * two).sum() / norm)
    slope = (one * two).sum() / (two**2).sum()
    left = (one - slope * two).std()
    gradient = np.sqrt(np.mean([(np.gradient(slope * two, axis=axis) ** 2).sum() for axis in (0, 1)]))
    return {"dy": dy, "dx": dx, "correlation": correlation, "error": float(left / gradient) if gradient else np.inf}
