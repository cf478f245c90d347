"""Spectra by wavelength: segments of a field, their Fourier modes, and means over rings."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import astropy.units as u
import numpy as np
import scipy.fft
import scipy.ndimage
import scipy.signal

from sunpy_magsr.maps.field import Field

Scale: TypeAlias = u.Quantity | None
Side: TypeAlias = u.Quantity | float | None
Window: TypeAlias = str | tuple[Any, ...]


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

    labels: np.ndarray
    wavenumber: np.ndarray
    area: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """Number of Fourier modes in each ring, conjugates counted twice."""
        return np.bincount(self.labels.ravel(), minlength=len(self.wavenumber) + 1)[1:]

    def mean(self, plane: np.ndarray) -> np.ndarray:
        """Average over each ring."""
        total = np.bincount(self.labels.ravel(), weights=plane.ravel(), minlength=len(self.wavenumber) + 1)[1:]
        return total / self.sizes


def make_rings(shape: tuple[int, ...], scales: tuple[float, ...], band: tuple[float, float] | None = None) -> Rings:
    """
    Divide the wavenumber plane into rings.

    The rings are one mode wide. They reach from the lowest wavenumber to the Nyquist wavenumber of the coarser axis, so
    the corners of the plane are left out.
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
    starts: Sequence[np.ndarray], windows: Sequence[np.ndarray], share: np.ndarray
) -> np.ndarray:
    r"""
    Mean correlation of the periodograms of all pairs of segments, for modes that are 0 to 4 apart along each axis.

    In a white Gaussian field, the periodograms of two segments with windows :math:`v, w` have the correlation
    :math:`|\sum v w e^{2 \pi i d x / N}|^2 / (\sum w^2)^2` at modes :math:`d` apart. At ``[0, 0]`` the mean is the
    inverse of the effective number of segments of Welch 1967 (:doi:`10.1109/TAU.1967.1161901`).
    """
    along_y, along_x = (_correlation(*pair) for pair in zip(starts, windows, strict=True))
    root = np.sqrt(share)
    total = np.einsum("yx,dyv,vw,ewx->de", root, along_y, root, along_x, optimize=True)
    return total / share.sum() ** 2


def count_modes(rings: Rings, correlation: np.ndarray) -> np.ndarray:
    r"""
    Count the independent modes in each ring: the inverse of the relative variance of the mean power.

    With the ``correlation`` :math:`\rho_d` and the number :math:`C_d` of pairs of modes :math:`d` apart in a ring of
    :math:`M` modes, it is :math:`M^2 / (2 \sum_d \rho_d C_d)`. The 2 is there because half of the modes are conjugates.
    """
    labels, total = rings.labels, np.zeros(len(rings.wavenumber))
    for (dy, dx), rho in np.ndenumerate(correlation):
        both = labels[labels == np.roll(labels, (dy, dx), axis=(0, 1))]
        mirrored = (1 + (dy > 0)) * (1 + (dx > 0))
        total += mirrored * rho * np.bincount(both, minlength=len(total) + 1)[1:]
    return rings.sizes**2 / (2 * total)


def _correlation(starts: np.ndarray, window: np.ndarray) -> np.ndarray:
    pixels = len(window)
    neighbors = min(_NEIGHBORS, (pixels - 1) // 2) + 1
    lags = np.abs(starts[:, None] - starts)
    result = np.zeros((neighbors, *lags.shape))
    for lag in np.unique(lags[lags < pixels]):
        overlap = np.fft.fft(window[lag:] * window[: pixels - lag], pixels)[:neighbors]
        result[:, lags == lag] = (np.abs(overlap) ** 2 / (window @ window) ** 2)[:, None]
    return result


# Wavenumbers are ratios of floats: a bin on the edge of a band must not depend on the last digit.


def in_arcsec(value: u.Quantity | float, name: str) -> float:
    """Give a positive length on the sky as a number of arcsec."""
    try:
        number = float(u.Quantity(value, u.arcsec).value)
    except (TypeError, ValueError):  # a unit that does not fit is a TypeError of astropy
        number = np.nan
    if not (np.isfinite(number) and number > 0):
        msg = f"{name} must be a positive number or Quantity in arcsec, got {value!r}."
        raise ValueError(msg)
    return number


@dataclasses.dataclass(frozen=True)
class Spectrum:
    r"""
    A quantity as a function of wavenumber, averaged over rings of the wavenumber plane.

    Parameters
    ----------
    wavenumber : `~astropy.units.Quantity`
        Wavenumber at the center of each ring in cycles per arcsec, ascending.
    value : `~astropy.units.Quantity` or `numpy.ndarray`
        The quantity in each ring: a power in G2 arcsec2, or a plain number such as a coherence.
    error : `~astropy.units.Quantity` or `numpy.ndarray`
        Standard deviation of the value, in the same unit.
    n_modes : `numpy.ndarray`
        Number of independent Fourier modes in each ring over all segments. A mode and its conjugate count once, and
        modes that the window or the overlap of segments makes depend on each other count for less. A power has the
        relative error ``n_modes**-0.5`` in a Gaussian field with the same statistics everywhere.
    area : `~astropy.units.Quantity`, optional
        Area of each ring in arcsec-2, measured by the Fourier modes inside. By default
        :math:`2 \pi k \, \Delta k`.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_magsr.spectral import Spectrum
    >>> spectrum = Spectrum([0.25, 0.5] / u.arcsec, np.array([0.9, 0.1]), np.array([0.1, 0.1]), np.array([10, 30]))
    >>> spectrum.wavelength
    <Quantity [4., 2.] arcsec>
    >>> spectrum.band(5, 1)
    0.3
    """

    wavenumber: u.Quantity
    value: u.Quantity | np.ndarray
    error: u.Quantity | np.ndarray
    n_modes: np.ndarray
    area: u.Quantity | None = None

    @property
    def wavelength(self) -> u.Quantity:
        """Wavelength of each ring in arcsec, descending."""
        return (1 / self.wavenumber).to(u.arcsec)

    def band(self, longest: u.Quantity | float, shortest: u.Quantity | float) -> Any:
        """
        Mean over a band of wavelengths, weighted by the number of modes.

        Parameters
        ----------
        longest : `~astropy.units.Quantity` or `float`
            Longest wavelength of the band in arcsec, which is not part of it.
        shortest : `~astropy.units.Quantity` or `float`
            Shortest wavelength of the band in arcsec, which is part of it.

        Returns
        -------
        `~astropy.units.Quantity` or `float`
            The mean, in the unit of ``value``.

        Raises
        ------
        ValueError
            If an end is not a positive angle or no ring lies in the band.
        """
        high, low = in_arcsec(longest, "longest"), in_arcsec(shortest, "shortest")
        wavelength = self.wavelength.to_value(u.arcsec)
        inside = (wavelength >= low * (1 - _ROUNDING)) & (wavelength < high * (1 - _ROUNDING))
        if not inside.any():
            msg = (
                f"longest and shortest must enclose one of the wavelengths {wavelength[-1]:.4g} to {wavelength[0]:.4g} "
                f"arcsec, got {high:.4g} and {low:.4g}."
            )
            raise ValueError(msg)
        mean = np.average(self.value[inside], weights=self.n_modes[inside])
        return mean if isinstance(mean, u.Quantity) else mean.item()

    def integral(self) -> Any:
        """
        Integral over the wavenumber plane inside the Nyquist circle.

        Returns
        -------
        `~astropy.units.Quantity`
            The integral. For a power spectrum it is the variance of the field in G2, without the part in the corners of
            the plane.
        """
        area = self.area
        if area is None:
            area = 2 * np.pi * self.wavenumber * np.gradient(self.wavenumber)
        return (self.value * area).sum()


_LARGEST = 256
_SMALLEST = 8
# With 4 a spectrum as k^-5 doubles below 2 arcsec beside a limb or a hole; more costs area.
_TAPER = 8


@dataclasses.dataclass(frozen=True)
class Moments:
    """
    Second moments of Fourier modes in rings.

    Parameters
    ----------
    rings : ``Rings``
        The rings.
    mean : `numpy.ndarray`
        Mean products of modes in G2 arcsec2 ``[product, ring]``: the power of one field, or of two fields the power of
        each and Re F G*.
    spread : `numpy.ndarray`
        Standard deviation of ``mean`` from the scatter between segments. NaN with less than two independent segments.
    n_modes : `numpy.ndarray`
        Number of independent modes in each ring.
    """

    rings: Rings
    mean: np.ndarray
    spread: np.ndarray
    n_modes: np.ndarray


def ring_moments(
    fields: Sequence[Field], *, segment: Side = None, window: Window = "hann", band: tuple[float, float] | None = None
) -> Moments:
    r"""
    Average products of Fourier modes over segments and rings.

    A segment has the weights :math:`w`, window times mask, and the transform :math:`F = \sum w (B - \bar B) e^{-2 \pi i
    k x}` with :math:`\bar B = \sum w B / \sum w`. Its power is :math:`|F|^2 \Delta x \Delta y / \sum w^2`. The mask is 0
    where there is no measurement and rises to 1 over 8 pixels beside it as :math:`\sin^2`: a sharp edge would
    scatter the power of large scales over all wavenumbers. In averages over segments, each counts with its
    :math:`\sum w^2`.
    """
    first = fields[0]
    scales = first.arcsec[::-1]
    if not np.allclose(fields[-1].arcsec[::-1], scales, rtol=0.01):
        msg = f"result must have the plate scale of truth, {fields[-1].arcsec} arcsec/pix, got {first.arcsec}."
        raise ValueError(msg)
    shape = _segment_shape(first.data.shape, scales, segment)
    windows = [_window(window, pixels) for pixels in shape]
    starts = [_starts(*sizes) for sizes in zip(first.data.shape, shape, strict=True)]
    rings = make_rings(shape, scales, band)
    share, products = _segment_products(fields, starts, windows, rings)
    if not len(products):
        msg = (
            f"segment must leave a square of {shape[1]} x {shape[0]} pixels with half of its window on measured "
            f"pixels, got none; choose a smaller one than {shape[0] * scales[0]:.4g} arcsec."
        )
        raise ValueError(msg)
    weights = share[share > 0]
    mean = np.average(products, axis=0, weights=weights)
    correlation = correlation_of_segments(starts, windows, share)
    independent = 1 / correlation[0, 0]
    spread = np.full_like(mean, np.nan)
    if independent >= 2:
        scatter = np.average((products - mean) ** 2, axis=0, weights=weights)
        spread = np.sqrt(scatter / (independent - 1))
    return Moments(rings, mean, spread, count_modes(rings, correlation))


def _segment_products(
    fields: Sequence[Field], starts: list[np.ndarray], windows: list[np.ndarray], rings: Rings
) -> tuple[np.ndarray, np.ndarray]:
    """Share of the window's energy on measured pixels ``[row, column]``, and products ``[segment, product, ring]``."""
    full, mask = np.outer(*windows), _mask(fields[0].valid)
    energy, cell = (full**2).sum(), math.prod(fields[0].arcsec)
    data = [np.where(field.valid, field.data, 0.0) for field in fields]
    pairs = [(0, 0)] if len(fields) == 1 else [(0, 0), (1, 1), (0, 1)]
    share, products = np.zeros([len(start) for start in starts]), []
    for row, top in enumerate(starts[0]):
        for column, left in enumerate(starts[1]):
            box = (slice(top, top + full.shape[0]), slice(left, left + full.shape[1]))
            weights = full * mask[box]
            measured = (weights**2).sum()
            if measured < 0.5 * energy:
                continue
            share[row, column] = measured / energy
            modes = [scipy.fft.fft2(weights * (one[box] - np.average(one[box], weights=weights))) for one in data]
            products.append([rings.mean((modes[i] * modes[j].conj()).real) * (cell / measured) for i, j in pairs])
    return share, np.array(products)


def _segment_shape(shape: tuple[int, ...], scales: tuple[float, ...], segment: Side) -> tuple[int, ...]:
    if segment is None:
        length = min(*(pixels * scale for pixels, scale in zip(shape, scales, strict=True)), _LARGEST * min(scales))
        pixels = tuple(int(length / scale + 1e-6) for scale in scales)
    else:
        length = in_arcsec(segment, "segment")
        pixels = tuple(round(length / scale) for scale in scales)
    if min(pixels) < _SMALLEST or pixels[0] > shape[0] or pixels[1] > shape[1]:
        msg = (
            f"segment must have at least {_SMALLEST} pixels and fit in the field of {shape[1]} x {shape[0]} pixels, "
            f"got {length:.4g} arcsec, that is {pixels[1]} x {pixels[0]} pixels."
        )
        raise ValueError(msg)
    return pixels


def _window(name: Window, pixels: int) -> np.ndarray:
    try:
        return scipy.signal.get_window(name, pixels)
    except (TypeError, ValueError):
        msg = f"window must be one that scipy.signal.get_window knows, got {name!r}."
        raise ValueError(msg) from None


def _starts(size: int, pixels: int) -> np.ndarray:
    return np.unique([*range(0, size - pixels + 1, max(pixels // 2, 1)), size - pixels])


def _mask(valid: np.ndarray) -> np.ndarray:
    if valid.all():
        return np.ones(valid.shape)
    distance = scipy.ndimage.distance_transform_edt(valid)
    return np.sin(np.pi / 2 * np.minimum(distance / (_TAPER + 1), 1)) ** 2
