"""Residual shifts between a magnetogram and what is expected of it, neighborhood by neighborhood."""

import numpy as np
from skimage.filters import window
from skimage.registration import phase_cross_correlation

__all__ = ["LEAST_CORRELATION", "common_shift", "local_shifts"]

_SIDE = 48  # pixels of a neighborhood
_UPSAMPLING = 100  # steps of a pixel
_LEAST_SHARE = 0.9  # of a neighborhood that is measured
#: Neighborhoods that are less alike say nothing of the shift.
LEAST_CORRELATION = 0.2


def common_shift(reading, expected, valid, *, largest):
    """
    Shift of a whole image, to a pixel.

    Parameters
    ----------
    reading, expected : `numpy.ndarray`
        Gauss ``[y, x]``.
    valid : `numpy.ndarray`
        bool ``[y, x]``: where both are known.
    largest : `int`
        Pixels along each axis that are tried.

    Returns
    -------
    `numpy.ndarray`
        Pixels ``(y, x)`` by which the reading is displaced, whole numbers.
    """
    spectra = [np.fft.rfft2(np.where(valid, np.clip(one, -500, 500), 0)) for one in (reading, expected)]
    product = np.fft.irfft2(spectra[0] * spectra[1].conj(), s=valid.shape)
    near = np.arange(-largest, largest + 1)
    peak = product[np.ix_(near, near)]
    return np.array([near[one] for one in np.unravel_index(np.argmax(peak), peak.shape)], dtype=float)


def local_shifts(reading, expected, valid, *, side=_SIDE):
    """
    Sub-pixel shifts of neighborhoods that overlap by half.

    Each is the peak of the cross-correlation under a Hann window, by upsampled Fourier transforms (Guizar-Sicairos et al.
    2008, :doi:`10.1364/OL.33.000156`; `skimage.registration.phase_cross_correlation`). The window draws the peak towards
    zero, so a large shift must be taken out and the rest measured again.

    Parameters
    ----------
    reading, expected : `numpy.ndarray`
        Gauss ``[y, x]``.
    valid : `numpy.ndarray`
        bool ``[y, x]``: where both are known.
    side : `int`
        Pixels of a neighborhood.

    Returns
    -------
    `dict`
        Arrays ``[n]``: ``y``, ``x``, the middle in pixels; ``dy``, ``dx``, by how many pixels the reading is displaced;
        ``correlation`` of the two, and ``scatter``, what is left when the expectation fits best, against the noise-free
        signal in the neighborhood (a standard error of the shift in pixels up to a factor).
    """
    taper = window("hann", (side, side)).astype(np.float32)
    rows = []
    for y in range(0, reading.shape[0] - side + 1, side // 2):
        for x in range(0, reading.shape[1] - side + 1, side // 2):
            part = (slice(y, y + side), slice(x, x + side))
            known = valid[part]
            if known.mean() < _LEAST_SHARE:
                continue
            rows.append(
                {
                    "y": y + (side - 1) / 2,
                    "x": x + (side - 1) / 2,
                    **_shift(reading[part], expected[part], known * taper),
                }
            )
    return {name: np.array([row[name] for row in rows]) for name in ("y", "x", "dy", "dx", "correlation", "error")}


def _shift(reading, expected, weight):
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
