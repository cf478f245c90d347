"""Active regions: where they are, how large, and their magnetic parameters."""

import dataclasses

import astropy.units as u
import numpy as np
import scipy.ndimage
import skimage.measure
from astropy.constants import R_sun

from sunpy_magsr.metrics.flux import pixel_fluxes, relative_error
from sunpy_magsr.metrics.geometry import pixel_areas, pixel_lengths
from sunpy_magsr.metrics.options import read_option
from sunpy_magsr.prep.field import read_field, read_pair

__all__ = [
    "MSH",
    "SharpParameters",
    "active_region_area",
    "active_region_area_error",
    "active_region_mask",
    "sharp_parameters",
]

MSH = u.def_unit(
    "MSH", 2e-6 * np.pi * R_sun.to_value(u.Mm) ** 2 * u.Mm**2, doc="Millionth of the solar hemisphere, 3.04 Mm^2"
)
"""Millionth of the solar hemisphere, :math:`2 \\pi R_\\odot^2 10^{-6}`, 3.04 Mm^2."""

_THRESHOLD = 100 * u.G
_SMOOTHING = 4 * u.arcsec
_MIN_AREA = 10 * u.Mm**2
_FWHM_TO_SIGMA = 1 / np.sqrt(8 * np.log(2))


@dataclasses.dataclass(frozen=True)
class SharpParameters:
    r"""
    Parameters of the active regions in a field, after those of the SHARP series.

    Attributes
    ----------
    unsigned_flux : `~astropy.units.Quantity`
        Deprojected flux in the mask in Mx (USFLUX).
    area : `~astropy.units.Quantity`
        Surface area of the mask in Mm^2.
    polarity_imbalance : `float`
        :math:`(\Phi_+ - |\Phi_-|) / (\Phi_+ + |\Phi_-|)` in the mask, -1 to 1; NaN without an active region.
    inversion_line_length : `~astropy.units.Quantity`
        Length on the surface of the lines between strong fields of opposite polarity, in Mm.
    """

    unsigned_flux: u.Quantity
    area: u.Quantity
    polarity_imbalance: float
    inversion_line_length: u.Quantity


def active_region_mask(field, *, threshold=_THRESHOLD, smoothing=_SMOOTHING, min_area=_MIN_AREA, plate_scale=None):
    r"""
    Pixels of active regions.

    :math:`|B|`, smoothed with a Gaussian that leaves out missing pixels, :math:`(G * |B| w) / (G * w)` with
    :math:`w = 1` where measured, is above the threshold; connected patches (with diagonals) of less surface area than
    ``min_area`` are dropped. Smoothing, area and threshold are physical, so the mask does not depend on the grid.

    White noise of standard deviation :math:`\sigma` alone has a smoothed :math:`|B|` of :math:`\sigma \sqrt{2 / \pi}`:
    raise the threshold for the radial component from vector data, whose noise is near 100 G. Strong network may pass:
    raise ``min_area``. The projection of the field toward the limb is not corrected.

    Parameters
    ----------
    field : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        ``[y, x]``; arrays in Gauss.
    threshold : `~astropy.units.Quantity`
        Of the smoothed :math:`|B|`. Defaults to 100 G.
    smoothing : `~astropy.units.Quantity`
        Full width at half maximum of the Gaussian as an angle; 0 for none. Defaults to 4 arcsec.
    min_area : `~astropy.units.Quantity`
        Smallest patch. Defaults to 10 Mm^2.
    plate_scale : `~astropy.units.Quantity`, optional
        Of an array, which counts as lying at disk center, 1 AU away.

    Returns
    -------
    `numpy.ndarray`
        bool ``[y, x]``; false where not measured and where :math:`\mu < 0.1`.

    Raises
    ------
    ValueError
        If the field cannot be read, an array comes without a plate scale or an option has another unit.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_magsr.metrics import active_region_mask
    >>> field = np.zeros((40, 40))
    >>> field[10:30, 10:30] = 500
    >>> int(active_region_mask(field, smoothing=0 * u.arcsec, plate_scale=0.5 * u.arcsec / u.pix).sum())
    400
    """
    field = read_field(field, plate_scale=plate_scale)
    return _mask(field, pixel_areas(field), threshold, smoothing, min_area)


def active_region_area(
    field, *, threshold=_THRESHOLD, smoothing=_SMOOTHING, min_area=_MIN_AREA, plate_scale=None, unit=u.Mm**2
):
    r"""
    Surface area of active regions, :math:`\sum A_\mathrm{sky} / \mu` over `active_region_mask`.

    Parameters
    ----------
    field : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        ``[y, x]``; arrays in Gauss.
    threshold, smoothing, min_area, plate_scale
        As in `active_region_mask`.
    unit : `~astropy.units.Unit` or ``"MSH"``
        Of the result. `MSH` is the millionth of the solar hemisphere. Defaults to Mm^2.

    Returns
    -------
    `~astropy.units.Quantity`
        Corrected for foreshortening.

    Raises
    ------
    ValueError
        As `active_region_mask`, and if ``unit`` is no unit of area.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_magsr.metrics import MSH, active_region_area
    >>> field = np.full((100, 100), 500.0)
    >>> area = active_region_area(field, plate_scale=0.5 * u.arcsec / u.pix)
    >>> area
    <Quantity 1315.04967 Mm2>
    >>> area.to(MSH)
    <Quantity 432.4308719 MSH>
    """
    unit = _area_unit(unit)
    field = read_field(field, plate_scale=plate_scale)
    geometry = pixel_areas(field)
    return _area(_mask(field, geometry, threshold, smoothing, min_area), geometry).to(unit)


def active_region_area_error(
    result, truth, *, threshold=_THRESHOLD, smoothing=_SMOOTHING, min_area=_MIN_AREA, plate_scale=None
):
    r"""
    Relative error of the area of active regions, :math:`100 (A / A_0 - 1)` per cent.

    Positive where the result has more area. Both are measured over the pixels they have in common and with one
    geometry, the truth's.

    Parameters
    ----------
    result, truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Fields ``[y, x]`` on one grid; arrays in Gauss.
    threshold, smoothing, min_area, plate_scale
        As in `active_region_mask`.

    Returns
    -------
    `~astropy.units.Quantity`
        In per cent, with a sign.

    Raises
    ------
    ValueError
        As `active_region_mask`, and if the shapes differ or the truth has no active region.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_magsr.metrics import active_region_area_error
    >>> truth, result = np.zeros((40, 40)), np.zeros((40, 40))
    >>> truth[10:30, 10:30] = result[10:30, 10:35] = 500
    >>> active_region_area_error(result, truth, smoothing=0 * u.arcsec, plate_scale=0.5 * u.arcsec / u.pix)
    <Quantity 25. %>
    """
    result, truth = read_pair(result, truth, plate_scale=plate_scale)
    geometry = pixel_areas(result if truth.smap is None else truth)
    areas = (_area(_mask(field, geometry, threshold, smoothing, min_area), geometry) for field in (result, truth))
    return relative_error(*areas, "an active region")


def sharp_parameters(
    field,
    *,
    threshold=_THRESHOLD,
    smoothing=_SMOOTHING,
    min_area=_MIN_AREA,
    strong_field=150 * u.G,
    distance=_SMOOTHING,
    plate_scale=None,
):
    r"""
    Flux, area, polarity imbalance and length of strong-field inversion lines of the active regions in a field.

    The flux is USFLUX of Bobra et al. 2014 (:doi:`10.1007/s11207-014-0529-3`), :math:`\sum |B_r| A`, in
    `active_region_mask` and, from a line-of-sight field, with :math:`B_r = B / \mu`. The inversion line follows the
    idea of Schrijver 2007 (:doi:`10.1086/511857`): zero contours of the smoothed field, the segments no farther than
    ``distance`` both from pixels of the mask where the smoothed field is above ``strong_field`` and from pixels where
    it is below minus that. A segment's length is that on the surface. Distances are angles as seen, so that the same
    region on a finer grid has the same line.

    Parameters are not comparable with the SHARP keywords where the mask differs (theirs is by the disambiguation
    noise). Toward the limb the line of sight turns horizontal field into false inversion lines.

    Parameters
    ----------
    field : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        ``[y, x]``; arrays in Gauss.
    threshold, smoothing, min_area
        As in `active_region_mask`.
    strong_field : `~astropy.units.Quantity`
        What counts as strong, of the smoothed field. Defaults to 150 G.
    distance : `~astropy.units.Quantity`
        Of an inversion line from strong field, as an angle. Defaults to 4 arcsec.
    plate_scale : `~astropy.units.Quantity`, optional
        Of an array, which counts as lying at disk center, 1 AU away.

    Returns
    -------
    `SharpParameters`
        With a flux, area and length of zero where there is no active region.

    Raises
    ------
    ValueError
        As `active_region_mask`.

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
    field = read_field(field, plate_scale=plate_scale)
    strong = read_option(strong_field, u.G, "strong_field")
    reach = read_option(distance, u.arcsec, "distance")
    geometry = pixel_areas(field)
    mask = _mask(field, geometry, threshold, smoothing, min_area)
    fluxes = pixel_fluxes(field, geometry, deproject=True)[mask]
    total = np.abs(fluxes).sum()
    smooth = _smoothed(field.data, field, smoothing)
    polarities = (mask & (smooth > strong), mask & (smooth < -strong))
    return SharpParameters(
        unsigned_flux=total * u.Mx,
        area=_area(mask, geometry),
        polarity_imbalance=float(fluxes.sum() / total) if total else np.nan,
        inversion_line_length=_inversion_line_length(field, geometry, smooth, polarities, reach) * u.Mm,
    )


def _mask(field, geometry, threshold, smoothing, min_area):
    least = read_option(min_area, u.cm**2, "min_area")
    strength = _smoothed(np.abs(field.data), field, smoothing)
    area = np.nan_to_num(geometry.surface_area)
    mask = (strength > read_option(threshold, u.G, "threshold")) & (area > 0)
    patches = skimage.measure.label(mask, connectivity=2)
    return mask & (np.bincount(patches.ravel(), weights=area.ravel())[patches] >= least)


def _area(mask, geometry):
    return (geometry.surface_area[mask].sum() * u.cm**2).to(u.Mm**2)


def _area_unit(unit):
    unit = MSH if isinstance(unit, str) and unit == "MSH" else unit
    try:
        unit = u.Unit(unit)
    except (TypeError, ValueError):
        known = False
    else:
        known = unit.is_equivalent(u.Mm**2)
    if not known:
        msg = f"unit must be a unit of area or 'MSH', got {unit!r}."
        raise ValueError(msg)
    return unit


def _smoothed(values, field, smoothing):
    width = read_option(smoothing, u.arcsec, "smoothing") * _FWHM_TO_SIGMA
    sigma = [width / scale for scale in reversed(field.arcsec)]
    total, weight = (
        scipy.ndimage.gaussian_filter(part, sigma, mode="constant")
        for part in (np.nan_to_num(values), field.valid.astype(float))
    )
    return np.divide(total, weight, out=np.full(values.shape, np.nan), where=field.valid)


def _inversion_line_length(field, geometry, smooth, polarities, reach):
    if not all(polarity.any() for polarity in polarities):
        return 0.0
    scale = tuple(reversed(field.arcsec))
    away = np.maximum(*(scipy.ndimage.distance_transform_edt(~polarity, sampling=scale) for polarity in polarities))
    # height above the plane of the sky, which a heliographic grid does not have
    foreshortened = field.smap is not None and not field.is_cea
    height = geometry.mu * field.smap.rsun_meters.to_value(u.Mm) if foreshortened else np.zeros(smooth.shape)
    sides = np.array(pixel_lengths(field))[::-1]
    length = 0.0
    for line in skimage.measure.find_contours(smooth, 0.0):
        middle = (line[1:] + line[:-1]).T / 2
        near = scipy.ndimage.map_coordinates(away, middle, order=1, mode="nearest") <= reach
        rise = np.diff(scipy.ndimage.map_coordinates(height, line.T, order=1, mode="nearest"))
        length += np.sqrt(((np.diff(line, axis=0) * sides) ** 2).sum(axis=1) + rise**2)[near].sum()
    return float(length)
