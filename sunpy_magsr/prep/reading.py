"""Reading of Maps: each is checked here once, and the rest of the package works with the result."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from sunpy_magsr.prep.disk import measured_pixels
from sunpy_magsr.prep.exposure import exposure_time
from sunpy_magsr.prep.header import plain_header
from sunpy_magsr.prep.products import Product, product_of
from sunpy_magsr.prep.units import magnetic_unit
from sunpy_magsr.prep.wcs import check_coordinates, is_helioprojective, plate_scale

if TYPE_CHECKING:
    import numpy.typing as npt
    from sunpy.map import GenericMap

__all__ = ["STRONGEST", "Reading", "read_map"]

#: Field strength in Gauss that no magnetogram reaches: the strongest field that was ever measured is 8.2 kG (Castellanos
#: Duran et al. 2020, :doi:`10.3847/1538-4357/ab83f1`). Larger numbers stand for missing data (-32768, 1e30, infinity) or are
#: in another unit.
STRONGEST = 2e4


@dataclasses.dataclass(frozen=True)
class Reading:
    """
    What was read from a Map.

    Parameters
    ----------
    data : `numpy.ndarray`
        Magnetic field in Gauss ``[y, x]``, float64. Pixels that are not valid are 0, whatever
        value the Map has there.
    valid : `numpy.ndarray`
        Valid pixels, bool ``[y, x]``. They are on the disk and not masked, and their values are finite and below
        `STRONGEST`.
    absurd : `int`
        Number of pixels on the disk that are not masked and are infinite or not below `STRONGEST`.
    plate_scale : `tuple` of `~astropy.units.Quantity`
        Plate scale along x and y in arcsec/pix, or in deg/pix for a heliographic map.
    is_cea : `bool`
        Whether the map is in a heliographic projection.
    product : `~sunpy_magsr.prep.products.Product`
        Instrument and component of the field.
    exposure : `float` or `None`
        Seconds over which an MDI magnetogram was averaged. `None` for other instruments, or if the header does not say it.
    """

    data: npt.NDArray[np.float64]
    valid: npt.NDArray[np.bool_]
    absurd: int
    plate_scale: tuple[u.Quantity, u.Quantity]
    is_cea: bool
    product: Product
    exposure: float | None


def read_map(smap: GenericMap, *, name: str = "smap") -> Reading:
    """
    Read the magnetic field of a Map and check its header.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        Two-dimensional map of real numbers in a unit of magnetic field. From its header sunpy must be able to compute where
        the pixels are, when they were observed and from where. The map is not changed.
    name : `str`
        Name of the argument in error messages. Defaults to ``"smap"``.

    Returns
    -------
    `Reading`
        Field, valid pixels, plate scale, instrument and component.

    Raises
    ------
    TypeError
        If ``smap`` is not a Map.
    ValueError
        If the Map is not two-dimensional, or its header or its numbers cannot be used; the message says why.
    """
    smap, _ = plain_header(smap, name=name)
    if smap.data.ndim != 2:
        msg = f"{name} must be two-dimensional, got shape {smap.data.shape}."
        raise ValueError(msg)
    if smap.data.dtype.kind not in "iufb":
        msg = f"{name} must hold real numbers, got an array of {smap.data.dtype}."
        raise ValueError(msg)
    product = product_of(smap)
    unit = _unit(smap, product, name)
    check_coordinates(smap, name=name)
    values = np.asarray(np.ma.getdata(smap.data))
    with np.errstate(over="ignore", invalid="ignore"):
        data = values.astype(np.float64) * unit.to(u.G)
        is_number, below = ~np.isnan(data), np.abs(data) < STRONGEST
    here = measured_pixels(smap)
    valid = here & below
    absurd = int((here & is_number & ~below).sum())
    if absurd and absurd >= valid.sum():
        msg = (
            f"{name} must hold a field below {STRONGEST:g} G, got {absurd} pixels of more with its unit {str(unit)!r} and "
            f"{valid.sum()} of less; its BUNIT may be that of another field."
        )
        raise ValueError(msg)
    is_cea = not is_helioprojective(smap)
    scale_unit = u.deg / u.pix if is_cea else u.arcsec / u.pix
    return Reading(
        data=np.where(valid, data, 0.0),
        valid=valid,
        absurd=absurd,
        plate_scale=tuple(scale.to(scale_unit) for scale in plate_scale(smap)),
        is_cea=is_cea,
        product=product,
        exposure=exposure_time(smap, name=name) if product.instrument == "MDI" else None,
    )


def _unit(smap, product, name):
    """Unit of the map. If the product is refused, the message says so, which is more than that its unit is wrong."""
    try:
        return magnetic_unit(smap, name=name)
    except ValueError as error:
        if not product.refused:
            raise
        msg = f"{name} must be {product.refused}."
        raise ValueError(msg) from error
