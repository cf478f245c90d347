"""Unsigned flux, and the area and flux of active regions."""

from __future__ import annotations

import contextlib

import astropy.units as u
import numpy as np
import scipy.ndimage
import skimage.measure
from astropy.constants import R_sun
from astropy.stats import gaussian_fwhm_to_sigma

from sunpy_magsr._options import read_option
from sunpy_magsr.maps.field import MINIMUM_MU, Field, FieldLike, PixelGeometry, pixel_areas, read_field, read_pair_areas


def pixel_fluxes(field: Field, geometry: PixelGeometry, *, deproject: bool) -> np.ndarray:
    r"""
    Magnetic flux through every pixel, with the sign of the field.

    The flux is :math:`B A_\mathrm{sky}`. If the field counts as radial, it is :math:`B A / \mu` with the surface area
    :math:`A`, and :math:`B A` for a Map that shows the radial component.
    """
    if not deproject:
        return field.data * geometry.sky_area
    return field.data * geometry.surface_area / (1 if field.is_radial else np.maximum(geometry.mu, MINIMUM_MU))


def unsigned_flux(
    field: FieldLike, *, threshold: u.Quantity = 0 * u.G, plate_scale: u.Quantity | None = None, deproject: bool = False
) -> u.Quantity:
    r"""
    Unsigned magnetic flux of a field.

    It is :math:`\Phi = \sum_{|B| > t} |B| A_\mathrm{sky}` with the area that a pixel covers on the plane of the sky:
    the flux along the line of sight. With ``deproject`` the field counts as radial, :math:`B_r = B / \mu`, and
    :math:`\Phi = \sum |B| A / \mu` with the surface area :math:`A = A_\mathrm{sky} / \mu`; a Map of the radial
    component needs no :math:`1 / \mu`. Pixels that are not measured carry no flux.
    ``pixel_areas`` says how areas are found.

    Without a threshold most of the flux may be noise: white Gaussian noise of standard deviation :math:`\sigma` alone
    has a mean :math:`|B|` of :math:`\sigma \sqrt{2 / \pi}`. State the threshold and the noise with the flux.

    Parameters
    ----------
    field : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic field ``[y, x]``; a plain array is in Gauss.
    threshold : `~astropy.units.Quantity`
        Pixels with :math:`|B|` at or below it are left out. It applies to the field as measured, also with ``deproject``.
        Defaults to 0 G.
    plate_scale : `~astropy.units.Quantity`, optional
        Size of the pixels of a plain array: one number, or ``(x, y)``, in arcsec/pix, or in deg/pix for a heliographic
        (CEA) grid. A Map knows its own.
        An array counts as lying at disk center, 1 AU away.
    deproject : `bool`
        Whether the field counts as radial. Pixels with :math:`\mu < 0.1` are then left out. Defaults to `False`.

    Returns
    -------
    `~astropy.units.Quantity`
        Unsigned flux in Mx.

    Raises
    ------
    ValueError
        If the field cannot be read, an array comes without a plate scale, or the threshold is negative or no field.

    Examples
    --------
    A field of 1000 G over 10 Mm^2:

    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_magsr.metrics import unsigned_flux
    >>> side = (np.sqrt(0.1) * u.Mm / u.au * u.rad).to(u.arcsec) / u.pix
    >>> unsigned_flux(np.full((10, 10), 1000.0), plate_scale=side)
    <Quantity 1.e+20 Mx>
    """
    measured = read_field(field, plate_scale=plate_scale)
    return _total(measured, pixel_areas(measured), threshold, deproject)


def unsigned_flux_error(
    result: FieldLike,
    truth: FieldLike,
    *,
    threshold: u.Quantity = 0 * u.G,
    plate_scale: u.Quantity | None = None,
    deproject: bool = False,
) -> u.Quantity:
    r"""
    Relative error of the unsigned flux of a result, :math:`100 (\Phi / \Phi_0 - 1)` per cent.

    It is positive where the result has more flux than the truth. Both fluxes are measured over the pixels that both
    fields have and with the same areas, those of the truth. Noise counts as flux (see `unsigned_flux`): with no
    threshold a smoother result has less flux even where every structure is right.

    Parameters
    ----------
    result : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic field that is compared with the truth, ``[y, x]``; a plain array is in Gauss.
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        True magnetic field on the same grid. A pixel that is missing in one of the two fields is left out of both.
    threshold : `~astropy.units.Quantity`
        Pixels with :math:`|B|` at or below it are left out. It applies to the field as measured, also with ``deproject``.
        Defaults to 0 G.
    plate_scale : `~astropy.units.Quantity`, optional
        Size of the pixels of a plain array: one number, or ``(x, y)``, in arcsec/pix, or in deg/pix for a heliographic
        (CEA) grid. A Map knows its own.
        An array counts as lying at disk center, 1 AU away.
    deproject : `bool`
        Whether the field counts as radial. Pixels with :math:`\mu < 0.1` are then left out. Defaults to `False`.

    Returns
    -------
    `~astropy.units.Quantity`
        The error in per cent, with its sign.

    Raises
    ------
    ValueError
        As for `unsigned_flux`, and if the shapes differ or the truth has no flux above the threshold.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_magsr.metrics import unsigned_flux_error
    >>> unsigned_flux_error([[110.0, -110.0]], [[100.0, -100.0]], plate_scale=2 * u.arcsec / u.pix)
    <Quantity 10. %>
    """
    pair, geometry = read_pair_areas(result, truth, plate_scale=plate_scale)
    flux, true_flux = (_total(field, geometry, threshold, deproject) for field in pair)
    return relative_error(flux, true_flux, "flux")


def relative_error(result: u.Quantity, truth: u.Quantity, what: str) -> u.Quantity:
    r"""Relative error of a value :math:`a` whose true value is :math:`a_0`, :math:`100 (a / a_0 - 1)` per cent."""
    if truth == 0:
        msg = f"truth must have {what} above the threshold, got {truth}."
        raise ValueError(msg)
    return ((result / truth).to_value("") - 1) * 100 * u.percent


def _total(field: Field, geometry: PixelGeometry, threshold: u.Quantity, deproject: bool) -> u.Quantity:
    strong = np.abs(field.data) > read_option(threshold, u.G, "threshold")
    return np.nansum(np.abs(pixel_fluxes(field, geometry, deproject=deproject)[strong])) * u.Mx


THRESHOLD = 100 * u.G
SMOOTHING = 4 * u.arcsec
MIN_AREA = 10 * u.Mm**2


def mask_of(
    field: Field, geometry: PixelGeometry, threshold: u.Quantity, smoothing: u.Quantity, min_area: u.Quantity
) -> np.ndarray:
    """Find the pixels of active regions in a field that has been read; see `~sunpy_magsr.metrics.active_region_mask`."""
    least = read_option(min_area, u.cm**2, "min_area")
    strength = smooth_field(np.abs(field.data), field, smoothing)
    area = np.nan_to_num(geometry.surface_area)
    mask = (strength > read_option(threshold, u.G, "threshold")) & (area > 0)
    patches = skimage.measure.label(mask, connectivity=2)
    return mask & (np.bincount(patches.ravel(), weights=area.ravel())[patches] >= least)


def area_of_mask(mask: np.ndarray, geometry: PixelGeometry) -> u.Quantity:
    """Surface area of the pixels of a mask."""
    return (geometry.surface_area[mask].sum() * u.cm**2).to(u.Mm**2)


def smooth_field(values: np.ndarray, field: Field, smoothing: u.Quantity) -> np.ndarray:
    """Smooth values on the grid of a field with a Gaussian that leaves out missing pixels."""
    width = read_option(smoothing, u.arcsec, "smoothing") * gaussian_fwhm_to_sigma
    sigma = [width / scale for scale in reversed(field.arcsec)]
    total, weight = (
        scipy.ndimage.gaussian_filter(part, sigma, mode="constant")
        for part in (np.nan_to_num(values), field.valid.astype(float))
    )
    return np.divide(total, weight, out=np.full(values.shape, np.nan), where=field.valid)


MSH = u.def_unit(
    "MSH", 2e-6 * np.pi * R_sun.to_value(u.Mm) ** 2 * u.Mm**2, doc="Millionth of the solar hemisphere, 3.04 Mm^2"
)
"""Millionth of the solar hemisphere, :math:`2 \\pi R_\\odot^2 10^{-6}`, 3.04 Mm^2."""


def active_region_mask(
    field: FieldLike,
    *,
    threshold: u.Quantity = THRESHOLD,
    smoothing: u.Quantity = SMOOTHING,
    min_area: u.Quantity = MIN_AREA,
    plate_scale: u.Quantity | None = None,
) -> np.ndarray:
    r"""
    Find the pixels of active regions.

    :math:`|B|` is smoothed with a Gaussian :math:`G` that leaves out missing pixels, :math:`(G * |B| w) / (G * w)` with
    :math:`w = 1` where the field is measured and 0 elsewhere. Pixels where the result is above the threshold form
    patches (pixels that touch at a corner are connected), and patches with less surface area than ``min_area`` are
    dropped. Smoothing, area and threshold are physical quantities, so the mask does not depend on the size of the
    pixels.

    White noise of standard deviation :math:`\sigma` alone has a smoothed :math:`|B|` of :math:`\sigma \sqrt{2 / \pi}`:
    raise the threshold for the radial component from vector data, whose noise is near 100 G. Where strong network is
    taken for an active region, raise ``min_area``. The projection of the field toward the limb is not corrected.

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
    plate_scale : `~astropy.units.Quantity`, optional
        Size of the pixels of a plain array: one number, or ``(x, y)``, in arcsec/pix, or in deg/pix for a heliographic
        (CEA) grid. A Map knows its own.
        An array counts as lying at disk center, 1 AU away.

    Returns
    -------
    `numpy.ndarray`
        Whether each pixel belongs to an active region, bool ``[y, x]``. It is false where the field is not measured and
        where :math:`\mu < 0.1`.

    Raises
    ------
    ValueError
        If the field cannot be read, an array comes without a plate scale, or an option has another unit or is negative.

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
    measured = read_field(field, plate_scale=plate_scale)
    return mask_of(measured, pixel_areas(measured), threshold, smoothing, min_area)


def active_region_area(
    field: FieldLike,
    *,
    threshold: u.Quantity = THRESHOLD,
    smoothing: u.Quantity = SMOOTHING,
    min_area: u.Quantity = MIN_AREA,
    plate_scale: u.Quantity | None = None,
    unit: u.UnitBase | str = u.Mm**2,
) -> u.Quantity:
    r"""
    Surface area of active regions, :math:`\sum A_\mathrm{sky} / \mu` over `active_region_mask`.

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
    plate_scale : `~astropy.units.Quantity`, optional
        Size of the pixels of a plain array: one number, or ``(x, y)``, in arcsec/pix, or in deg/pix for a heliographic
        (CEA) grid. A Map knows its own.
        An array counts as lying at disk center, 1 AU away.
    unit : `~astropy.units.Unit` or ``"MSH"``
        Unit of the result. ``"MSH"`` is `MSH`, the millionth of the solar hemisphere. Defaults to Mm^2.

    Returns
    -------
    `~astropy.units.Quantity`
        The area on the solar surface, so it is corrected for foreshortening.

    Raises
    ------
    ValueError
        As for `active_region_mask`, and if ``unit`` is no unit of area.

    Examples
    --------
    A square with sides of 50 arcsec:

    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_magsr.metrics import active_region_area
    >>> from sunpy_magsr.metrics.flux import MSH
    >>> field = np.full((100, 100), 500.0)
    >>> area = active_region_area(field, plate_scale=0.5 * u.arcsec / u.pix)
    >>> area
    <Quantity 1315.04967 Mm2>
    >>> area.to(MSH)
    <Quantity 432.4308719 MSH>
    """
    wanted = _area_unit(unit)
    measured = read_field(field, plate_scale=plate_scale)
    geometry = pixel_areas(measured)
    return area_of_mask(mask_of(measured, geometry, threshold, smoothing, min_area), geometry).to(wanted)


def active_region_area_error(
    result: FieldLike,
    truth: FieldLike,
    *,
    threshold: u.Quantity = THRESHOLD,
    smoothing: u.Quantity = SMOOTHING,
    min_area: u.Quantity = MIN_AREA,
    plate_scale: u.Quantity | None = None,
) -> u.Quantity:
    """
    Relative error of the area of a result's active regions, :math:`100 (A / A_0 - 1)` per cent.

    It is positive where the active regions of the result are larger than those of the truth. Both areas are measured
    over the pixels that both fields have, with the areas of the truth's pixels.

    Parameters
    ----------
    result : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic field that is compared with the truth, ``[y, x]``; a plain array is in Gauss.
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        True magnetic field on the same grid. A pixel that is missing in one of the two fields is left out of both.
    threshold : `~astropy.units.Quantity`
        Pixels belong to an active region where the smoothed :math:`|B|` is above it. Defaults to 100 G.
    smoothing : `~astropy.units.Quantity`
        Full width at half maximum, as an angle, of the Gaussian that smooths :math:`|B|`; 0 for none. Defaults to
        4 arcsec.
    min_area : `~astropy.units.Quantity`
        Area on the solar surface of the smallest patch that is kept. Defaults to 10 Mm^2.
    plate_scale : `~astropy.units.Quantity`, optional
        Size of the pixels of a plain array: one number, or ``(x, y)``, in arcsec/pix, or in deg/pix for a heliographic
        (CEA) grid. A Map knows its own.
        An array counts as lying at disk center, 1 AU away.

    Returns
    -------
    `~astropy.units.Quantity`
        The error in per cent, negative where the result has less area.

    Raises
    ------
    ValueError
        As for `active_region_mask`, and if the shapes differ or the truth has no active region.

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
    pair, geometry = read_pair_areas(result, truth, plate_scale=plate_scale)
    area, true_area = (
        area_of_mask(mask_of(field, geometry, threshold, smoothing, min_area), geometry) for field in pair
    )
    return relative_error(area, true_area, "an active region")


def _area_unit(unit: u.UnitBase | str) -> u.UnitBase:
    with contextlib.suppress(TypeError, ValueError):
        known = MSH if unit == "MSH" else u.Unit(unit)
        if known.is_equivalent(u.Mm**2):
            return known
    msg = f"unit must be a unit of area or 'MSH', got {unit!r}."
    raise ValueError(msg)
