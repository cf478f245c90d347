"""Areas of pixels and where they lie on the Sun."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import astropy.units as u
import numpy as np
from astropy.constants import R_sun, au
from sunpy.map.maputils import all_coordinates_from_map

from sunpy_magsr._fields import PAIR, PARAMETERS, PLATE_SCALE, described_with
from sunpy_magsr.prep.field import read_pair
from sunpy_magsr.prep.wcs import linear_transformation

if TYPE_CHECKING:
    import numpy.typing as npt
    from sunpy.map import GenericMap

    from sunpy_magsr._fields import FieldLike
    from sunpy_magsr.prep.field import Field

__all__ = ["AREA_PLATE_SCALE", "MINIMUM_MU", "PixelGeometry", "pixel_areas", "pixel_lengths", "read_pair_areas"]

MINIMUM_MU = 0.1
"""Cosine of the heliocentric angle below which nothing is deprojected."""

#: What docstrings say of ``plate_scale`` where areas are measured.
AREA_PLATE_SCALE = f"{PLATE_SCALE}    An array counts as lying at disk center, 1 AU away.\n"


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

    sky_area: npt.NDArray[np.float64]
    surface_area: npt.NDArray[np.float64]
    mu: npt.NDArray[np.float64]


def pixel_areas(field: Field) -> PixelGeometry:
    r"""
    Area of every pixel of a field, and the cosine of its heliocentric angle.

    On the plane of the sky the area is :math:`\Omega D^2`: the solid angle of the pixel times the squared distance
    from the observer to Sun center. On the surface it is :math:`\Omega D^2 / \mu` with
    :math:`\mu^2 = 1 - \sin^2 \rho / \sin^2 \rho_\odot` at the elongation :math:`\rho`. In the equal-area projection
    (CEA; coordinates after Thompson 2006, :doi:`10.1051/0004-6361:20054262`) it is
    :math:`R_\odot^2 \Delta\phi \Delta\lambda` on the surface, and :math:`\mu` times that on the plane of the sky.

    There are three approximations. The surface counts as lying at the distance of Sun center, which makes areas of a
    plane-of-sky Map 0.9 % too large at disk center and right at the limb. A pixel has one :math:`\mu`, that of its
    center. The change of :math:`\Omega` across a gnomonic (TAN) image, below 1e-4 on the disk, is left out.

    Parameters
    ----------
    field : `~sunpy_magsr.prep.field.Field`
        A field with a plate scale. One without a Map counts as lying at disk center, 1 AU away.

    Returns
    -------
    `PixelGeometry`
        The areas in cm^2 and the cosines.

    Raises
    ------
    ValueError
        If the field has no plate scale, or its Map is in a heliographic projection that is not CEA.
    """
    if field.smap is not None:
        return _of_cea_map(field.smap) if field.is_cea else _of_image(field.smap)
    area = float(np.prod([(length * u.Mm).to_value(u.cm) for length in pixel_lengths(field)]))
    full = np.full(field.data.shape, area)
    return PixelGeometry(full, full, np.ones(full.shape))


@described_with(parameters=PARAMETERS + PAIR + PLATE_SCALE)
def read_pair_areas(
    result: FieldLike, truth: FieldLike, *, plate_scale: u.Quantity | None = None
) -> tuple[tuple[Field, Field], PixelGeometry]:
    """
    Read two fields on one grid and measure their pixels once for both.

    {parameters}

    Returns
    -------
    fields : `tuple` of `~sunpy_magsr.prep.field.Field`
        The result and the truth.
    geometry : `PixelGeometry`
        The pixels of the truth, or those of the result where only the result is a Map.
    """
    fields = read_pair(result, truth, plate_scale=plate_scale)
    return fields, pixel_areas(fields[0] if fields[1].smap is None else fields[1])


def pixel_lengths(field: Field) -> tuple[float, float]:
    r"""
    Lengths of the sides of a pixel at disk center.

    Parameters
    ----------
    field : `~sunpy_magsr.prep.field.Field`
        A field with a plate scale.

    Returns
    -------
    x : `float`
        Length along x in Mm: on the plane of the sky, or on the surface if the plate scale is in heliographic degrees.
    y : `float`
        Length along y, in the same way.

    Raises
    ------
    ValueError
        If the field has no plate scale.
    """
    if field.plate_scale is None:
        msg = "plate_scale must be given for an array, as a Quantity in arcsec/pix or deg/pix, got None."
        raise ValueError(msg)
    if field.is_cea:
        distance = R_sun if field.smap is None else field.smap.rsun_meters
    else:
        distance = au if field.smap is None else field.smap.observer_coordinate.radius
    x, y = (float(scale.to_value(u.rad / u.pix) * distance.to_value(u.Mm)) for scale in field.plate_scale)
    return x, y


def _of_image(smap: GenericMap) -> PixelGeometry:
    coordinates = all_coordinates_from_map(smap)
    elongation = np.arccos(np.clip(np.cos(coordinates.Tx) * np.cos(coordinates.Ty), -1, 1))
    mu = np.sqrt(np.clip(1 - (np.sin(elongation) / np.sin(smap.rsun_obs)).to_value("") ** 2, 0, None))
    distance = smap.observer_coordinate.radius.to_value(u.cm)
    sky = np.full(mu.shape, _pixel_solid_angle(smap) * distance**2)
    return PixelGeometry(sky, sky / _deprojectable(mu), mu)


def _of_cea_map(smap: GenericMap) -> PixelGeometry:
    if not str(smap.coordinate_system.axis1).upper().endswith("CEA"):
        msg = f"field must be in the CEA projection if it is heliographic, got {smap.coordinate_system.axis1!r}."
        raise ValueError(msg)
    pixels = all_coordinates_from_map(smap)
    observer = smap.observer_coordinate.transform_to(smap.coordinate_frame)
    cosine = np.sin(pixels.lat) * np.sin(observer.lat)
    cosine += np.cos(pixels.lat) * np.cos(observer.lat) * np.cos(pixels.lon - observer.lon)
    # angle at the surface between the normal and the direction to an observer at a finite distance
    distance = (smap.observer_coordinate.radius / smap.rsun_meters).to_value("")
    mu = (distance * cosine.value - 1) / np.sqrt(distance**2 - 2 * distance * cosine.value + 1)
    mu = np.clip(np.nan_to_num(mu), 0, 1)
    area = _pixel_solid_angle(smap) * smap.rsun_meters.to_value(u.cm) ** 2
    surface = np.where(np.isnan(_deprojectable(mu)), np.nan, area)
    return PixelGeometry(area * mu, surface, mu)


def _pixel_solid_angle(smap: GenericMap) -> float:
    units = [unit.to(u.rad) for unit in smap.spatial_units]
    return float(abs(np.linalg.det(linear_transformation(smap))) * np.prod(units))


def _deprojectable(mu: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(mu >= MINIMUM_MU, mu, np.nan)
