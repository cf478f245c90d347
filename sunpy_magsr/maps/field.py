"""Fields in Gauss with the size and the place of their pixels, from Maps or arrays."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple, TypeAlias

import astropy.units as u
import numpy as np
import numpy.typing as npt
import sunpy.map
from astropy.constants import R_sun, au
from sunpy.map import GenericMap

from sunpy_magsr.maps.disk import heliocentric_cosine
from sunpy_magsr.maps.header import plain_header
from sunpy_magsr.maps.reading import read_map
from sunpy_magsr.maps.wcs import angular_scale, linear_transformation

#: What ``read_field`` reads.
FieldLike: TypeAlias = "GenericMap | u.Quantity | npt.ArrayLike"


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

    data: np.ndarray
    plate_scale: tuple[u.Quantity, ...] | None
    smap: GenericMap | None = None
    is_radial: bool = False

    @property
    def valid(self) -> np.ndarray:
        """Measured pixels, bool ``[y, x]``."""
        return np.isfinite(self.data)

    @property
    def is_cea(self) -> bool:
        """Whether the plate scale is in heliographic degrees."""
        return self.plate_scale is not None and self.plate_scale[0].unit == u.deg / u.pix

    @property
    def arcsec(self) -> tuple[float, ...]:
        """Plate scale along x and y as numbers in arcsec, see ``angular_scale``."""
        return angular_scale(_known_scale(self))


def _known_scale(field: Field) -> tuple[u.Quantity, ...]:
    if field.plate_scale is None:
        msg = "plate_scale must be given for an array, as a Quantity in arcsec/pix or deg/pix, got None."
        raise ValueError(msg)
    return field.plate_scale


def read_field(field: FieldLike, *, plate_scale: u.Quantity | None = None, name: str = "field") -> Field:
    """Read a Map, a Quantity or an array, which is not changed."""
    if isinstance(field, sunpy.map.GenericMap):
        field, _ = plain_header(field)
        reading = read_map(field, name=name)
        data = np.where(reading.valid, reading.data, np.nan)
        return Field(_check(data, name), reading.plate_scale, field, reading.product.is_radial)
    if isinstance(field, u.Quantity):
        if not field.unit.is_equivalent(u.G):
            msg = f"{name} must have a unit of magnetic field, got {field.unit}."
            raise ValueError(msg)
        data = field.to_value(u.G).astype(float)
    else:
        data = np.ma.filled(np.ma.asarray(field).astype(float), np.nan)
    return Field(_check(data, name), _scales(plate_scale))


def read_pair(result: FieldLike, truth: FieldLike, *, plate_scale: u.Quantity | None = None) -> tuple[Field, Field]:
    """Read two fields that are on the same grid; see `read_field`."""
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


def _check(data, name):
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


MINIMUM_MU = 0.1
"""Cosine of the heliocentric angle below which nothing is deprojected."""


class PixelGeometry(NamedTuple):
    """
    Areas of the pixels of a field, and how far each lies from the center of the disk.

    Parameters
    ----------
    sky_area : `numpy.ndarray`
        Area of each pixel on the plane of the sky, in cm^2 ``[y, x]``.
    surface_area : `numpy.ndarray`
        Area of each pixel on the solar surface, in cm^2 ``[y, x]``. NaN where ``mu`` is below 0.1.
    mu : `numpy.ndarray`
        Cosine of the angle between the line of sight and the normal of the surface, ``[y, x]``. It is 0 where the
        observer does not see the pixel.
    """

    sky_area: np.ndarray
    surface_area: np.ndarray
    mu: np.ndarray


def pixel_areas(field: Field) -> PixelGeometry:
    r"""
    Area of every pixel of a field, and the cosine of its heliocentric angle.

    On the plane of the sky the area is :math:`\Omega D^2`: the solid angle of the pixel times the squared distance
    from the observer to Sun center. On the surface it is :math:`\Omega D^2 / \mu`. In the equal-area projection
    (CEA; coordinates after Thompson 2006, :doi:`10.1051/0004-6361:20054262`) it is
    :math:`R_\odot^2 \Delta\phi \Delta\lambda` on the surface, and :math:`\mu` times that on the plane of the sky.

    There are three approximations. The surface counts as lying at the distance of Sun center, which makes areas of a
    plane-of-sky Map 0.9 % too large at disk center and right at the limb. A pixel has one :math:`\mu`, that of its
    center. The change of :math:`\Omega` across a gnomonic (TAN) image, below 1e-4 on the disk, is left out.
    """
    smap = field.smap
    if smap is None:
        area = float(np.prod([(length * u.Mm).to_value(u.cm) for length in pixel_lengths(field)]))
        full = np.full(field.data.shape, area)
        return PixelGeometry(full, full, np.ones(full.shape))
    if field.is_cea and not str(smap.coordinate_system.axis1).upper().endswith("CEA"):
        msg = f"field must be in the CEA projection if it is heliographic, got {smap.coordinate_system.axis1!r}."
        raise ValueError(msg)
    mu = np.nan_to_num(heliocentric_cosine(smap))
    deprojected = np.where(mu >= MINIMUM_MU, mu, np.nan)
    distance = smap.rsun_meters if field.is_cea else smap.observer_coordinate.radius
    full = np.full(mu.shape, _pixel_solid_angle(smap) * distance.to_value(u.cm) ** 2)
    if field.is_cea:
        return PixelGeometry(full * mu, np.where(np.isnan(deprojected), np.nan, full), mu)
    return PixelGeometry(full, full / deprojected, mu)


def read_pair_areas(
    result: FieldLike, truth: FieldLike, *, plate_scale: u.Quantity | None = None
) -> tuple[tuple[Field, Field], PixelGeometry]:
    """Read two fields on one grid and measure their pixels once for both."""
    fields = read_pair(result, truth, plate_scale=plate_scale)
    return fields, pixel_areas(fields[0] if fields[1].smap is None else fields[1])


def pixel_lengths(field: Field) -> tuple[float, float]:
    r"""Lengths of the sides of a pixel at disk center."""
    scales = _known_scale(field)
    if field.is_cea:
        distance = R_sun if field.smap is None else field.smap.rsun_meters
    else:
        distance = au if field.smap is None else field.smap.observer_coordinate.radius
    x, y = (float(scale.to_value(u.rad / u.pix) * distance.to_value(u.Mm)) for scale in scales)
    return x, y


def _pixel_solid_angle(smap: GenericMap) -> float:
    units = [unit.to(u.rad) for unit in smap.spatial_units]
    return float(abs(np.linalg.det(linear_transformation(smap))) * np.prod(units))
