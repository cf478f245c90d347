"""Fields cut into overlapping segments, and the products of their Fourier modes averaged over rings."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
import scipy.fft
import scipy.ndimage
import scipy.signal

from sunpy_magsr._fields import PLATE_SCALE, described_with
from sunpy_magsr.spectral.modes import Rings, correlation_of_segments, count_modes, make_rings
from sunpy_magsr.spectral.spectrum import in_arcsec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, TypeAlias

    import astropy.units as u
    import numpy.typing as npt

    from sunpy_magsr.prep.field import Field

    # The types of the parameters in `SEGMENTATION`.
    Scale: TypeAlias = u.Quantity | None
    Side: TypeAlias = u.Quantity | float | None
    Window: TypeAlias = str | tuple[Any, ...]

__all__ = ["SEGMENTATION", "SEGMENTS", "Moments", "ring_moments"]

#: What docstrings say of the segments that a field is cut into.
SEGMENTS = """\
segment : `~astropy.units.Quantity` or `float`, optional
    Side of the segments in arcsec. Defaults to the largest square that fits in the field, at most 256 pixels.
window : `str` or `tuple`
    Window of a segment, as `scipy.signal.get_window` takes it; "boxcar" for none. Defaults to "hann".
"""
SEGMENTATION = PLATE_SCALE + SEGMENTS

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
    rings : `~sunpy_magsr.spectral.modes.Rings`
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
    mean: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]
    n_modes: npt.NDArray[np.float64]


@described_with(segments=SEGMENTS)
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

    Parameters
    ----------
    fields : sequence of `~sunpy_magsr.prep.field.Field`
        One field, or two on the same grid with the same missing pixels.
    {segments}
    band : `tuple` of `float`, optional
        Longest and shortest wavelength in arcsec of one single ring. By default there are many rings, one mode wide.

    Returns
    -------
    `Moments`
        The averages in each ring.

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
    fields: Sequence[Field],
    starts: list[npt.NDArray[np.intp]],
    windows: list[npt.NDArray[np.float64]],
    rings: Rings,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
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


def _window(name: Window, pixels: int) -> npt.NDArray[np.float64]:
    try:
        return scipy.signal.get_window(name, pixels)
    except (TypeError, ValueError):
        msg = f"window must be one that scipy.signal.get_window knows, got {name!r}."
        raise ValueError(msg) from None


def _starts(size: int, pixels: int) -> npt.NDArray[np.intp]:
    return np.unique([*range(0, size - pixels + 1, max(pixels // 2, 1)), size - pixels])


def _mask(valid: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    if valid.all():
        return np.ones(valid.shape)
    distance = scipy.ndimage.distance_transform_edt(valid)
    return np.sin(np.pi / 2 * np.minimum(distance / (_TAPER + 1), 1)) ** 2
