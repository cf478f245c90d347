"""Angles on a map, in pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u

from sunpy_magsr.prep.wcs import angular_scale, plate_scale

if TYPE_CHECKING:
    from sunpy.map import GenericMap

__all__ = ["angle_in_pixels", "arcsec_per_pixel"]


def arcsec_per_pixel(smap: GenericMap) -> tuple[float, ...]:
    """
    Give the plate scale as seen from the Earth.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        A map in helioprojective coordinates, or in heliographic coordinates with pixels of equal size in degrees
        (CEA).

    Returns
    -------
    `tuple` of `float`
        Arcsec in a pixel along x and y. For heliographic maps these are the values at disk center.
    """
    return angular_scale(plate_scale(smap))


def angle_in_pixels(smap: GenericMap, angle: u.Quantity, *, name: str) -> tuple[float, ...]:
    """
    Convert an angle to pixels.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        A map in helioprojective or heliographic coordinates.
    angle : `~astropy.units.Quantity`
        An angle as seen from the Earth, also for heliographic maps.
    name : `str`
        Name of the argument that holds the angle, for the error.

    Returns
    -------
    `tuple` of `float`
        Pixels along y and x, in the order in which arrays are indexed.

    Raises
    ------
    ValueError
        If ``angle`` is not a positive angle.
    """
    is_angle = isinstance(angle, u.Quantity) and angle.isscalar and angle.unit.is_equivalent(u.arcsec)
    if not is_angle or not angle > 0:
        msg = f"{name} must be a positive angle such as 4 * u.arcsec, got {angle!r}."
        raise ValueError(msg)
    return tuple(angle.to_value(u.arcsec) / scale for scale in reversed(arcsec_per_pixel(smap)))
