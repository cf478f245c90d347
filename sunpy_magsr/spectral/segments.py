"""Shared windowing: overlapping segments, their Fourier transforms averaged over rings."""

import dataclasses

import numpy as np
import scipy.fft
import scipy.ndimage
import scipy.signal

from sunpy_magsr.spectral.modes import Rings, correlation_of_segments, count_modes, make_rings
from sunpy_magsr.spectral.spectrum import in_arcsec

__all__ = ["Moments", "ring_moments"]

_LARGEST = 256
_SMALLEST = 8
# With 4 a spectrum as k^-5 doubles below 2 arcsec beside a limb or a hole; more costs area.
_TAPER = 8


@dataclasses.dataclass(frozen=True)
class Moments:
    """
    Second moments of the Fourier modes in rings.

    Attributes
    ----------
    rings : `~sunpy_magsr.spectral.modes.Rings`
        Where.
    mean : `numpy.ndarray`
        G2 arcsec2 ``[product, ring]``: of one field its power; of two the power of each and Re F G*.
    spread : `numpy.ndarray`
        Standard deviation of ``mean`` from the scatter between segments; NaN with less than two independent ones.
    n_modes : `numpy.ndarray`
        Independent modes per ring.
    """

    rings: Rings
    mean: np.ndarray
    spread: np.ndarray
    n_modes: np.ndarray


def ring_moments(fields, *, segment=None, window="hann", band=None):
    r"""
    Average products of Fourier modes over segments and rings.

    A segment has weights :math:`w` = window times mask and the transform :math:`F = \sum w (B - \bar B) e^{-2 \pi i
    k x}`, :math:`\bar B = \sum w B / \sum w`; its power is :math:`|F|^2 \Delta x \Delta y / \sum w^2`. The mask is 0
    where there is no measurement and rises to 1 over 8 pixels beside it as :math:`\sin^2`: a sharp edge would
    scatter the power of large scales over all wavenumbers. Segments weigh as their :math:`\sum w^2`.

    Parameters
    ----------
    fields : sequence of `~sunpy_magsr.prep.field.Field`
        One, or two on the same grid with the same missing pixels.
    segment : `~astropy.units.Quantity` or `float`, optional
        Side of the segments in arcsec. Defaults to the largest square in the field, at most 256 pixels.
    window : `str` or `tuple`
        Of `scipy.signal.get_window`.
    band : `tuple` of `float`, optional
        Longest and shortest wavelength in arcsec of one single ring; without it the rings are one mode wide.

    Returns
    -------
    `Moments`

    Raises
    ------
    ValueError
        If segment or window are not valid, or no segment has half of the energy of its window on measured pixels.
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
    full = np.outer(*windows)
    energy, cell = (full**2).sum(), scales[0] * scales[1]
    mask = _mask(first.valid)
    data = [np.where(field.valid, field.data, 0.0) for field in fields]
    pairs = [(0, 0)] if len(fields) == 1 else [(0, 0), (1, 1), (0, 1)]

    share, products = np.zeros([len(start) for start in starts]), []
    for (row, column), _ in np.ndenumerate(share):
        box = tuple(
            slice(start[number], start[number] + pixels)
            for start, number, pixels in zip(starts, (row, column), shape, strict=True)
        )
        weights = full * mask[box]
        measured = (weights**2).sum()
        if measured < 0.5 * energy:
            continue
        share[row, column] = measured / energy
        modes = [scipy.fft.fft2(weights * (one[box] - np.average(one[box], weights=weights))) for one in data]
        products.append([rings.mean((modes[i] * modes[j].conj()).real) * (cell / measured) for i, j in pairs])
    if not products:
        msg = (
            f"segment must leave a square of {shape[1]} x {shape[0]} pixels with half of its window on measured "
            f"pixels, got none; choose a smaller one than {shape[0] * scales[0]:.4g} arcsec."
        )
        raise ValueError(msg)

    products, weights = np.array(products), share[share > 0]
    mean = np.average(products, axis=0, weights=weights)
    correlation = correlation_of_segments(starts, windows, share)
    independent = 1 / correlation[0, 0]
    spread = np.full_like(mean, np.nan)
    if independent >= 2:
        scatter = np.average((products - mean) ** 2, axis=0, weights=weights)
        spread = np.sqrt(scatter / (independent - 1))
    return Moments(rings, mean, spread, count_modes(rings, correlation))


def _segment_shape(shape, scales, segment):
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


def _window(name, pixels):
    try:
        return scipy.signal.get_window(name, pixels)
    except (TypeError, ValueError):
        msg = f"window must be one that scipy.signal.get_window knows, got {name!r}."
        raise ValueError(msg) from None


def _starts(size, pixels):
    return np.unique([*range(0, size - pixels + 1, max(pixels // 2, 1)), size - pixels])


def _mask(valid):
    if valid.all():
        return np.ones(valid.shape)
    distance = scipy.ndimage.distance_transform_edt(valid)
    return np.sin(np.pi / 2 * np.minimum(distance / (_TAPER + 1), 1)) ** 2
