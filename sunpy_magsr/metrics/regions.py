"""Active regions: where they are and how large."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from astropy.constants import R_sun

from sunpy_magsr._fields import described_with
from sunpy_magsr.metrics.flux import relative_error
from sunpy_magsr.metrics.geometry import pixel_areas, read_pair_areas
from sunpy_magsr.metrics.masks import MASK_TEXTS, MIN_AREA, SMOOTHING, THRESHOLD, area_of_mask, mask_of
from sunpy_magsr.prep.field import read_field

if TYPE_CHECKING:
    from typing import Any

    import numpy.typing as npt

    from sunpy_magsr._fields import FieldLike

__all__ = ["MSH", "active_region_area", "active_region_area_error", "active_region_mask"]

MSH = u.def_unit(
    "MSH", 2e-6 * np.pi * R_sun.to_value(u.Mm) ** 2 * u.Mm**2, doc="Millionth of the solar hemisphere, 3.04 Mm^2"
)
"""Millionth of the solar hemisphere, :math:`2 \\pi R_\\odot^2 10^{-6}`, 3.04 Mm^2."""


@described_with(**MASK_TEXTS)
def active_region_mask(
    field: FieldLike,
    *,
    threshold: u.Quantity = THRESHOLD,
    smoothing: u.Quantity = SMOOTHING,
    min_area: u.Quantity = MIN_AREA,
    plate_scale: u.Quantity | None = None,
) -> npt.NDArray[np.bool_]:
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
    {field}
    {mask_options}
    {plate_scale}

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


@described_with(**MASK_TEXTS)
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
    {field}
    {mask_options}
    {plate_scale}
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
    >>> from sunpy_magsr.metrics import MSH, active_region_area
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


@described_with(**MASK_TEXTS)
def active_region_area_error(
    result: FieldLike,
    truth: FieldLike,
    *,
    threshold: u.Quantity = THRESHOLD,
    smoothing: u.Quantity = SMOOTHING,
    min_area: u.Quantity = MIN_AREA,
    plate_scale: u.Quantity | None = None,
) -> u.Quantity:
    r"""
    Relative error of the area of a result's active regions, :math:`100 (A / A_0 - 1)` per cent.

    It is positive where the active regions of the result are larger than those of the truth. Both areas are measured
    over the pixels that both fields have, with the areas of the truth's pixels.

    Parameters
    ----------
    {pair}
    {mask_options}
    {plate_scale}

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


def _area_unit(unit: Any) -> u.UnitBase:
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
