"""Rings of the wavenumber plane and the number of independent modes in them."""

import dataclasses

import numpy as np

__all__ = ["Rings", "correlation_of_segments", "count_modes", "make_rings"]

_NEIGHBORS = 4
_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True)
class Rings:
    """
    Rings of Fourier modes of a segment.

    Attributes
    ----------
    labels : `numpy.ndarray`
        int ``[ky, kx]`` in the order of `numpy.fft.fft2`: the ring from 1, 0 outside of all.
    wavenumber : `numpy.ndarray`
        Centers in cycles per arcsec.
    area : `numpy.ndarray`
        Number of modes times the area of one, arcsec-2.
    """

    labels: np.ndarray
    wavenumber: np.ndarray
    area: np.ndarray

    @property
    def sizes(self):
        """Number of Fourier modes per ring, conjugates counted twice."""
        return np.bincount(self.labels.ravel(), minlength=len(self.wavenumber) + 1)[1:]

    def mean(self, plane):
        """Mean of a real ``[ky, kx]`` over each ring."""
        total = np.bincount(self.labels.ravel(), weights=plane.ravel(), minlength=len(self.wavenumber) + 1)[1:]
        return total / self.sizes


def make_rings(shape, scales, band=None):
    """
    Rings one mode wide from the lowest wavenumber to the Nyquist one of the coarser axis, without the corners.

    Parameters
    ----------
    shape : `tuple` of `int`
        Pixels ``(y, x)`` of the segments.
    scales : `tuple` of `float`
        Arcsec ``(y, x)`` of a pixel.
    band : `tuple` of `float`, optional
        Longest and shortest wavelength in arcsec of one single ring.

    Returns
    -------
    `Rings`

    Raises
    ------
    ValueError
        If the band ends below the Nyquist wavelength or holds no mode.
    """
    ky, kx = (np.fft.fftfreq(pixels, scale) for pixels, scale in zip(shape, scales, strict=True))
    k = np.hypot(ky[:, None], kx)
    nyquist = 0.5 / max(scales)
    sides = [pixels * scale for pixels, scale in zip(shape, scales, strict=True)]
    if band is None:
        width = 1 / min(sides)
        wavenumber = width * np.arange(1, int(nyquist / width + _ROUNDING) + 1)
        labels = np.rint(k / width).astype(int)
        labels[(labels > len(wavenumber)) | (k > nyquist * (1 + _ROUNDING))] = 0
    else:
        low, high = 1 / band[0], 1 / band[1]
        labels = ((k > low * (1 + _ROUNDING)) & (k <= high * (1 + _ROUNDING))).astype(int)
        if high > nyquist * (1 + _ROUNDING) or not labels.any():
            msg = (
                f"band must hold wavelengths between the Nyquist one, {1 / nyquist:.4g} arcsec, and the segment's "
                f"{min(sides):.4g} arcsec, longest first, got {band[0]:.4g} and {band[1]:.4g}."
            )
            raise ValueError(msg)
        wavenumber = np.array([(low + high) / 2])
    sizes = np.bincount(labels.ravel(), minlength=len(wavenumber) + 1)[1:]
    return Rings(labels, wavenumber, sizes / (sides[0] * sides[1]))


def correlation_of_segments(starts, windows, share):
    r"""
    Mean correlation of the periodograms of all pairs of segments, for modes apart by 0 to 4 along each axis.

    Two segments with windows :math:`v, w` have periodograms correlated by :math:`|\sum v w e^{2 \pi i d x / N}|^2 /
    (\sum w^2)^2` at modes :math:`d` apart in a white Gaussian field. At ``[0, 0]`` the mean is the inverse of the
    effective number of segments of Welch 1967 (:doi:`10.1109/TAU.1967.1161901`).

    Parameters
    ----------
    starts : `list` of `numpy.ndarray`
        First row, first column of the segments.
    windows : `list` of `numpy.ndarray`
        Along y, along x.
    share : `numpy.ndarray`
        Share of the window's energy ``[row, column]`` on measured pixels, 0 for segments left out. A segment
        half measured counts for half of one.

    Returns
    -------
    `numpy.ndarray`
        ``[dy, dx]``.
    """
    along_y, along_x = (_correlation(*pair) for pair in zip(starts, windows, strict=True))
    root = np.sqrt(share)
    total = np.einsum("yx,dyv,vw,ewx->de", root, along_y, root, along_x, optimize=True)
    return total / share.sum() ** 2


def count_modes(rings, correlation):
    r"""
    Independent modes per ring: the inverse of the relative variance of the mean power.

    With :math:`\rho_d` the ``correlation`` and :math:`C_d` the pairs of modes :math:`d` apart in a ring of
    :math:`M`, it is :math:`M^2 / (2 \sum_d \rho_d C_d)`; the 2 is for conjugates.

    Parameters
    ----------
    rings : `Rings`
        The rings.
    correlation : `numpy.ndarray`
        From `correlation_of_segments`.

    Returns
    -------
    `numpy.ndarray`
        float, one per ring.
    """
    labels, total = rings.labels, np.zeros(len(rings.wavenumber))
    for (dy, dx), rho in np.ndenumerate(correlation):
        both = labels[labels == np.roll(labels, (dy, dx), axis=(0, 1))]
        mirrored = (1 + (dy > 0)) * (1 + (dx > 0))
        total += mirrored * rho * np.bincount(both, minlength=len(total) + 1)[1:]
    return rings.sizes**2 / (2 * total)


def _correlation(starts, window):
    pixels = len(window)
    neighbors = min(_NEIGHBORS, (pixels - 1) // 2) + 1
    lags = np.abs(starts[:, None] - starts)
    result = np.zeros((neighbors, *lags.shape))
    for lag in np.unique(lags[lags < pixels]):
        overlap = np.fft.fft(window[lag:] * window[: pixels - lag], pixels)[:neighbors]
        result[:, lags == lag] = (np.abs(overlap) ** 2 / (window @ window) ** 2)[:, None]
    return result
