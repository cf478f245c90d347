"""Rings of the wavenumber plane and the number of independent modes in them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = ["Rings", "correlation_of_segments", "count_modes", "make_rings"]

_NEIGHBORS = 4
_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True)
class Rings:
    """
    Rings of Fourier modes of a segment.

    Parameters
    ----------
    labels : `numpy.ndarray`
        The number of the ring, from 1, in which each mode lies, int ``[ky, kx]`` in the order of `numpy.fft.fft2`. It
        is 0 for modes outside of all rings.
    wavenumber : `numpy.ndarray`
        Wavenumber at the center of each ring, in cycles per arcsec.
    area : `numpy.ndarray`
        Area of each ring in arcsec-2: its number of modes times the area of one.
    """

    labels: npt.NDArray[np.intp]
    wavenumber: npt.NDArray[np.floating]
    area: npt.NDArray[np.floating]

    @property
    def sizes(self) -> npt.NDArray[np.intp]:
        """Number of Fourier modes in each ring, conjugates counted twice."""
        return np.bincount(self.labels.ravel(), minlength=len(self.wavenumber) + 1)[1:]

    def mean(self, plane: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """
        Average over each ring.

        Parameters
        ----------
        plane : `numpy.ndarray`
            Real numbers of all modes, ``[ky, kx]``.

        Returns
        -------
        `numpy.ndarray`
            One mean for each ring.
        """
        total = np.bincount(self.labels.ravel(), weights=plane.ravel(), minlength=len(self.wavenumber) + 1)[1:]
        return total / self.sizes


def make_rings(shape: tuple[int, ...], scales: tuple[float, ...], band: tuple[float, float] | None = None) -> Rings:
    """
    Divide the wavenumber plane into rings.

    The rings are one mode wide. They reach from the lowest wavenumber to the Nyquist wavenumber of the coarser axis, so
    the corners of the plane are left out.

    Parameters
    ----------
    shape : `tuple` of `int`
        Number of pixels of a segment, ``(y, x)``.
    scales : `tuple` of `float`
        Size of a pixel in arcsec, ``(y, x)``.
    band : `tuple` of `float`, optional
        Longest and shortest wavelength in arcsec of one single ring, which is then the only one.

    Returns
    -------
    `Rings`
        The rings.

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


def correlation_of_segments(
    starts: Sequence[npt.NDArray[np.intp]],
    windows: Sequence[npt.NDArray[np.float64]],
    share: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    r"""
    Mean correlation of the periodograms of all pairs of segments, for modes that are 0 to 4 apart along each axis.

    In a white Gaussian field, the periodograms of two segments with windows :math:`v, w` have the correlation
    :math:`|\sum v w e^{2 \pi i d x / N}|^2 / (\sum w^2)^2` at modes :math:`d` apart. At ``[0, 0]`` the mean is the
    inverse of the effective number of segments of Welch 1967 (:doi:`10.1109/TAU.1967.1161901`).

    Parameters
    ----------
    starts : `list` of `numpy.ndarray`
        First row of each row of segments, and first column of each column of them.
    windows : `list` of `numpy.ndarray`
        The windows along y and along x.
    share : `numpy.ndarray`
        Share of the window's energy on measured pixels, ``[row, column]``, and 0 for segments that are left out. A
        segment that is half measured counts for half of one.

    Returns
    -------
    `numpy.ndarray`
        The mean correlation, ``[dy, dx]``.
    """
    along_y, along_x = (_correlation(*pair) for pair in zip(starts, windows, strict=True))
    root = np.sqrt(share)
    total = np.einsum("yx,dyv,vw,ewx->de", root, along_y, root, along_x, optimize=True)
    return total / share.sum() ** 2


def count_modes(rings: Rings, correlation: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    r"""
    Count the independent modes in each ring: the inverse of the relative variance of the mean power.

    With the ``correlation`` :math:`\rho_d` and the number :math:`C_d` of pairs of modes :math:`d` apart in a ring of
    :math:`M` modes, it is :math:`M^2 / (2 \sum_d \rho_d C_d)`. The 2 is there because half of the modes are conjugates.

    Parameters
    ----------
    rings : `Rings`
        The rings.
    correlation : `numpy.ndarray`
        What `correlation_of_segments` gives.

    Returns
    -------
    `numpy.ndarray`
        The number for each ring, float.
    """
    labels, total = rings.labels, np.zeros(len(rings.wavenumber))
    for (dy, dx), rho in np.ndenumerate(correlation):
        both = labels[labels == np.roll(labels, (dy, dx), axis=(0, 1))]
        mirrored = (1 + (dy > 0)) * (1 + (dx > 0))
        total += mirrored * rho * np.bincount(both, minlength=len(total) + 1)[1:]
    return rings.sizes**2 / (2 * total)


def _correlation(starts: npt.NDArray[np.intp], window: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    pixels = len(window)
    neighbors = min(_NEIGHBORS, (pixels - 1) // 2) + 1
    lags = np.abs(starts[:, None] - starts)
    result = np.zeros((neighbors, *lags.shape))
    for lag in np.unique(lags[lags < pixels]):
        overlap = np.fft.fft(window[lag:] * window[: pixels - lag], pixels)[:neighbors]
        result[:, lags == lag] = (np.abs(overlap) ** 2 / (window @ window) ** 2)[:, None]
    return result
