"""The door: a Map is read once, and what is behind works on what was found."""

import dataclasses

import astropy.units as u
import numpy as np
import sunpy.map

from sunpy_magsr.prep.disk import measured_pixels
from sunpy_magsr.prep.exposure import exposure_time
from sunpy_magsr.prep.products import Product, product_of
from sunpy_magsr.prep.units import magnetic_unit
from sunpy_magsr.prep.wcs import check_coordinates, is_helioprojective, plate_scale

__all__ = ["STRONGEST", "Reading", "read_map"]

#: Gauss. No magnetogram shows more: the strongest field that was ever measured is 8.2 kG (Castellanos Duran et al. 2020,
#: :doi:`10.3847/1538-4357/ab83f1`), and more is a number for what is missing (-32768, 1e30, infinity) or another unit.
STRONGEST = 2e4


@dataclasses.dataclass(frozen=True)
class Reading:
    """
    What a Map says, checked.

    Attributes
    ----------
    data : `numpy.ndarray`
        float64 Gauss ``[y, x]``, 0 where it is not valid.
    valid : `numpy.ndarray`
        bool ``[y, x]``: finite, below `STRONGEST`, not masked and on the disk.
    absurd : `int`
        Pixels that are on the disk and not masked, and infinite or of `STRONGEST` and more.
    plate_scale : `tuple` of `~astropy.units.Quantity`
        Along x and y, in arcsec/pix, or in deg/pix for a heliographic map.
    is_cea : `bool`
        Whether the map is in a heliographic projection.
    product : `~sunpy_magsr.prep.products.Product`
        Instrument and component.
    exposure : `float` or `None`
        Seconds over which an MDI magnetogram was averaged, if it is one and its header says.
    """

    data: np.ndarray
    valid: np.ndarray
    absurd: int
    plate_scale: tuple
    is_cea: bool
    product: Product
    exposure: float | None


def read_map(smap, *, name="smap"):
    """
    Read and check a Map, which is not changed.

    Its unit must be one of magnetic field, its numbers real, and its header must say where the pixels are, when they were
    observed and from where, in a way that sunpy makes coordinates of.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The map.
    name : `str`
        Of the argument, for messages.

    Returns
    -------
    `Reading`

    Raises
    ------
    TypeError
        If it is no Map.
    ValueError
        If it is not two-dimensional or its header or numbers are none that can be used; the message says why.
    """
    if not isinstance(smap, sunpy.map.GenericMap):
        msg = f"{name} must be a sunpy Map, got {type(smap).__name__}."
        raise TypeError(msg)
    if smap.data.ndim != 2:
        msg = f"{name} must be two-dimensional, got shape {smap.data.shape}."
        raise ValueError(msg)
    if smap.data.dtype.kind not in "iufb":
        msg = f"{name} must hold real numbers, got an array of {smap.data.dtype}."
        raise ValueError(msg)
    product = product_of(smap)
    try:
        unit = magnetic_unit(smap, name=name)
    except ValueError as error:
        if not product.refused:
            raise
        msg = f"{name} must be {product.refused}."  # says more than that its unit is that of something else
        raise ValueError(msg) from error
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
