"""One form for all fields: a Map, a Quantity or an array in Gauss becomes numbers with a plate scale."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
import sunpy.map

from sunpy_magsr.prep.header import plain_header
from sunpy_magsr.prep.reading import read_map
from sunpy_magsr.prep.wcs import angular_scale

if TYPE_CHECKING:
    import numpy.typing as npt
    from sunpy.map import GenericMap

    from sunpy_magsr._fields import FieldLike

__all__ = ["Field", "read_field", "read_pair"]


@dataclasses.dataclass(frozen=True)
class Field:
    """
    Magnetic field with its plate scale, for measurements.

    Parameters
    ----------
    data : `numpy.ndarray`
        Field in Gauss ``[y, x]``, float64, NaN where there is no measurement.
    plate_scale : `tuple` of `~astropy.units.Quantity` or `None`
        Plate scale along x and y in arcsec/pix, or in deg/pix of heliographic longitude and latitude. `None` if it is not
        known.
    smap : `sunpy.map.GenericMap` or `None`
        Map from which the field was read, if it was.
    is_radial : `bool`
        Whether the Map says that it shows a component of the vector field. Defaults to `False`.
    """

    data: npt.NDArray[np.float64]
    plate_scale: tuple[u.Quantity, ...] | None
    smap: GenericMap | None = None
    is_radial: bool = False

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        """Measured pixels, bool ``[y, x]``."""
        return np.isfinite(self.data)

    @property
    def is_cea(self) -> bool:
        """Whether the plate scale is in heliographic degrees."""
        return self.plate_scale is not None and self.plate_scale[0].unit == u.deg / u.pix

    @property
    def arcsec(self) -> tuple[float, ...]:
        """Plate scale along x and y as numbers in arcsec, see `~sunpy_magsr.prep.wcs.angular_scale`."""
        if self.plate_scale is None:
            msg = (
                "plate_scale must be given for an array without one, as a Quantity in arcsec/pix or deg/pix, got None."
            )
            raise ValueError(msg)
        return angular_scale(self.plate_scale)


def read_field(field: FieldLike, *, plate_scale: u.Quantity | None = None, name: str = "field") -> Field:
    """
    Read a Map, a Quantity or an array, which is not changed.

    Parameters
    ----------
    field : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Two-dimensional magnetic field. A plain array is in Gauss. Pixels that are NaN, masked or (in helioprojective Maps)
        off the disk count as not measured.
    plate_scale : `~astropy.units.Quantity`, optional
        Plate scale of a Quantity or an array: one value, or two along x and y, in arcsec/pix, or in deg/pix for
        heliographic (CEA) grids. The plate scale of a Map is read from its header.
    name : `str`
        Name of the argument in error messages. Defaults to ``"field"``.

    Returns
    -------
    `Field`
        The field in Gauss with its plate scale.

    Raises
    ------
    ValueError
        If it is not a two-dimensional magnetic field with a measured pixel, or the plate scale has another unit.
    """
    if isinstance(field, sunpy.map.GenericMap):
        field, _ = plain_header(field)
        reading = read_map(field, name=name)
        data = np.where(reading.valid, reading.data, np.nan)
        return Field(_checked(data, name), reading.plate_scale, field, reading.product.is_radial)
    if isinstance(field, u.Quantity):
        if not field.unit.is_equivalent(u.G):
            msg = f"{name} must have a unit of magnetic field, got {field.unit}."
            raise ValueError(msg)
        data = field.to_value(u.G).astype(float)
    else:
        data = np.ma.filled(np.ma.asarray(field).astype(float), np.nan)
    return Field(_checked(data, name), _scales(plate_scale))


def read_pair(result: FieldLike, truth: FieldLike, *, plate_scale: u.Quantity | None = None) -> tuple[Field, Field]:
    """
    Read two fields that are on the same grid; see `read_field`.

    Parameters
    ----------
    result, truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        The two fields, of the same shape.
    plate_scale : `~astropy.units.Quantity`, optional
        Plate scale of fields that are no Maps.

    Returns
    -------
    result, truth : `Field`
        The two fields. Both are NaN where one of them has no measurement.

    Raises
    ------
    ValueError
        If `read_field` does not accept one of them, their shapes differ, or no pixel is measured in both.
    """
    first = read_field(result, plate_scale=plate_scale, name="result")
    second = read_field(truth, plate_scale=plate_scale, name="truth")
    if first.data.shape != second.data.shape:
        msg = f"result must have the shape of truth, {second.data.shape}, got {first.data.shape}."
        raise ValueError(msg)
    both = first.valid & second.valid
    if not both.any():
        msg = "result and truth must have a measured pixel in common, got none."
        raise ValueError(msg)
    known = first.plate_scale or second.plate_scale
    first, second = (
        dataclasses.replace(one, data=np.where(both, one.data, np.nan), plate_scale=one.plate_scale or known)
        for one in (first, second)
    )
    return first, second


def _checked(data, name):
    if data.ndim != 2:
        msg = f"{name} must be two-dimensional, got shape {data.shape}."
        raise ValueError(msg)
    if not np.isfinite(data).any():
        msg = f"{name} must have a measured pixel, got none (all NaN, masked or off the disk)."
        raise ValueError(msg)
    return np.where(np.isfinite(data), data, np.nan)


def _scales(value):
    if value is None:
        return None
    message = f"plate_scale must be a positive Quantity in arcsec/pix or deg/pix, got {value!r}."
    if not isinstance(value, u.Quantity) or not value.unit.is_equivalent(u.arcsec / u.pix):
        raise ValueError(message)
    unit = u.deg / u.pix if value.unit == u.deg / u.pix else u.arcsec / u.pix
    scales = np.broadcast_to(value.to_value(unit), 2)
    if not (np.isfinite(scales).all() and (scales > 0).all()):
        raise ValueError(message)
    return tuple(scale * unit for scale in scales)
