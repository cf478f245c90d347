"""Magnetic parameters of active regions, after those of the SHARP series."""

from __future__ import annotations

import dataclasses

import astropy.units as u
import numpy as np
import scipy.ndimage
import skimage.measure

from sunpy_magsr._options import read_option
from sunpy_magsr.maps.field import Field, FieldLike, PixelGeometry, pixel_areas, pixel_lengths, read_field
from sunpy_magsr.metrics.flux import MIN_AREA, SMOOTHING, THRESHOLD, area_of_mask, mask_of, pixel_fluxes, smooth_field


@dataclasses.dataclass(frozen=True)
class SharpParameters:
    r"""
    Parameters of all active regions in a field; made by `sharp_parameters`.

    Parameters
    ----------
    unsigned_flux : `~astropy.units.Quantity`
        Unsigned flux of the radial field in the mask, in Mx (SHARP's USFLUX).
    area : `~astropy.units.Quantity`
        Surface area of the mask in Mm^2.
    polarity_imbalance : `float`
        :math:`(\Phi_+ - |\Phi_-|) / (\Phi_+ + |\Phi_-|)` in the mask, from -1 to 1. NaN without an active region.
    inversion_line_length : `~astropy.units.Quantity`
        Length, on the surface, of the lines between strong fields of opposite polarity, in Mm.
    """

    unsigned_flux: u.Quantity
    area: u.Quantity
    polarity_imbalance: float
    inversion_line_length: u.Quantity


def sharp_parameters(
    field: FieldLike,
    *,
    threshold: u.Quantity = THRESHOLD,
    smoothing: u.Quantity = SMOOTHING,
    min_area: u.Quantity = MIN_AREA,
    strong_field: u.Quantity = 150 * u.G,
    distance: u.Quantity = SMOOTHING,
    plate_scale: u.Quantity | None = None,
) -> SharpParameters:
    r"""
    Measure flux, area, polarity imbalance and length of inversion lines of the active regions in a field.

    The flux is USFLUX of Bobra et al. 2014 (:doi:`10.1007/s11207-014-0529-3`), :math:`\sum |B_r| A` over
    `active_region_mask`. Of a line-of-sight field it takes :math:`B_r = B / \mu`.

    The inversion line follows the idea of Schrijver 2007 (:doi:`10.1086/511857`). It consists of those segments of the
    zero contours of the smoothed field that are near strong field of both polarities: no farther than ``distance``
    from a pixel of the mask where the smoothed field is above ``strong_field``, and no farther than that from one where
    it is below minus ``strong_field``. The length of a segment is that on the surface. The distances are angles as
    seen, so that the same region on a finer grid has the same line.

    The numbers cannot be compared with the SHARP keywords where the masks differ (that of SHARP is made with the noise
    of the disambiguation). Toward the limb, horizontal field along the line of sight makes false inversion lines.

    Parameters
    ----------
    field : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic field ``[y, x]``; a plain array is in Gauss.
    threshold : `~astropy.units.Quantity`
        Pixels belong to an active region where the smoothed :math:`|B|` is above it. Defaults to 100 G.
    smoothing : `~astropy.units.Quantity`
        Full width at half maximum, as an angle, of the Gaussian that smooths :math:`|B|`; 0 for none. Defaults to
        4 arcsec.
    min_area : `~astropy.units.Quantity`
        Area on the solar surface of the smallest patch that is kept. Defaults to 10 Mm^2.
    strong_field : `~astropy.units.Quantity`
        The smoothed field is strong above it. Defaults to 150 G.
    distance : `~astropy.units.Quantity`
        Largest distance of an inversion line from strong field, as an angle. Defaults to 4 arcsec.
    plate_scale : `~astropy.units.Quantity`, optional
        Size of the pixels of a plain array: one number, or ``(x, y)``, in arcsec/pix, or in deg/pix for a heliographic
        (CEA) grid. A Map knows its own.
        An array counts as lying at disk center, 1 AU away.

    Returns
    -------
    `SharpParameters`
        The four parameters. Flux, area and length are zero where there is no active region.

    Raises
    ------
    ValueError
        As for `active_region_mask`.

    Examples
    --------
    A bipole with a straight inversion line across 99 pixels of 0.5 arcsec:

    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_magsr.metrics import sharp_parameters
    >>> field = np.full((100, 100), 500.0)
    >>> field[:, 50:] = -500
    >>> found = sharp_parameters(field, plate_scale=0.5 * u.arcsec / u.pix)
    >>> found.inversion_line_length
    <Quantity 35.90091172 Mm>
    >>> found.polarity_imbalance
    0.0
    """
    measured = read_field(field, plate_scale=plate_scale)
    strong = read_option(strong_field, u.G, "strong_field")
    reach = read_option(distance, u.arcsec, "distance")
    geometry = pixel_areas(measured)
    mask = mask_of(measured, geometry, threshold, smoothing, min_area)
    fluxes = pixel_fluxes(measured, geometry, deproject=True)[mask]
    total = np.abs(fluxes).sum()
    smooth = smooth_field(measured.data, measured, smoothing)
    polarities = (mask & (smooth > strong), mask & (smooth < -strong))
    return SharpParameters(
        unsigned_flux=total * u.Mx,
        area=area_of_mask(mask, geometry),
        polarity_imbalance=float(fluxes.sum() / total) if total else np.nan,
        inversion_line_length=_inversion_line_length(measured, geometry, smooth, polarities, reach) * u.Mm,
    )


def _inversion_line_length(
    field: Field, geometry: PixelGeometry, smooth: np.ndarray, polarities: tuple[np.ndarray, np.ndarray], reach: float
) -> float:
    if not all(polarity.any() for polarity in polarities):
        return 0.0
    scale = tuple(reversed(field.arcsec))
    away = np.maximum(*(scipy.ndimage.distance_transform_edt(~polarity, sampling=scale) for polarity in polarities))
    # height above the plane of the sky, which a heliographic grid does not have
    height = np.zeros(smooth.shape)
    if field.smap is not None and not field.is_cea:
        height = geometry.mu * field.smap.rsun_meters.to_value(u.Mm)
    sides = np.array(pixel_lengths(field))[::-1]
    length = 0.0
    for line in skimage.measure.find_contours(smooth, 0.0):
        middle = (line[1:] + line[:-1]).T / 2
        near = scipy.ndimage.map_coordinates(away, middle, order=1, mode="nearest") <= reach
        rise = np.diff(scipy.ndimage.map_coordinates(height, line.T, order=1, mode="nearest"))
        length += np.sqrt(((np.diff(line, axis=0) * sides) ** 2).sum(axis=1) + rise**2)[near].sum()
    return float(length)
