"""Which pixels are measurements of the Sun, where they are on the disk, and how the others are filled."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.ndimage
from sunpy.map import GenericMap
from sunpy.map.maputils import all_coordinates_from_map

from sunpy_magsr.maps.wcs import is_helioprojective


def measured_pixels(smap: GenericMap) -> np.ndarray:
    """
    Find the pixels that are on the Sun and not masked, whatever value they have.

    In a helioprojective map a pixel is on the Sun if its center is on the disk of radius ``smap.rsun_obs``.
    """
    measured = ~np.ma.getmaskarray(smap.data)
    if smap.mask is not None:
        measured &= ~np.asarray(smap.mask, dtype=bool)
    if is_helioprojective(smap):
        coordinates = all_coordinates_from_map(smap)
        distance = np.hypot(coordinates.Tx.to_value("arcsec"), coordinates.Ty.to_value("arcsec"))
        measured &= ~(distance > smap.rsun_obs.to_value("arcsec"))
    return measured


def valid_pixels(smap: GenericMap) -> np.ndarray:
    """
    Find the pixels that are measurements of the Sun.

    They are the `measured_pixels` that are finite. Zero is a measurement.
    """
    return measured_pixels(smap) & np.isfinite(np.asarray(np.ma.getdata(smap.data)))


def heliocentric_cosine(smap: GenericMap) -> np.ndarray:
    r"""
    Compute the cosine of the angle between the line of sight and the normal of the surface, :math:`\mu`.

    It is 1 at disk center, 0 at the limb and NaN where the observer does not see the Sun. In a helioprojective map
    :math:`\mu^2 = 1 - \sin^2 \rho / \sin^2 \rho_\odot` at the elongation :math:`\rho`. In a heliographic map it follows
    from the angle between a pixel and the place on the Sun below the observer, who is at a finite distance.
    """
    pixels = all_coordinates_from_map(smap)
    with np.errstate(invalid="ignore"):
        if is_helioprojective(smap):
            elongation = np.arccos(np.clip(np.cos(pixels.Tx) * np.cos(pixels.Ty), -1, 1))
            return np.sqrt(1 - (np.sin(elongation) / np.sin(smap.rsun_obs)).to_value("") ** 2)
        observer = smap.observer_coordinate.transform_to(smap.coordinate_frame)
        cosine = sphere_cosine(pixels.lat, observer.lat, pixels.lon - observer.lon).to_value("")
        distance = (smap.observer_coordinate.radius / smap.rsun_meters).to_value("")
        mu = (distance * cosine - 1) / np.sqrt(distance**2 - 2 * distance * cosine + 1)
        return np.where(mu < 0, np.nan, mu)


def limb_cosine(smap: GenericMap) -> np.ndarray:
    """Give the `heliocentric_cosine` as float32."""
    return heliocentric_cosine(smap).astype(np.float32)


def sphere_cosine(latitude: Any, other: Any, away: Any) -> Any:
    """Compute the cosine of the angle between two places on a sphere, from latitudes and the difference of longitudes."""
    return np.sin(latitude) * np.sin(other) + np.cos(latitude) * np.cos(other) * np.cos(away)


def fill_missing(data: npt.NDArray, valid: np.ndarray) -> npt.NDArray:
    """Give every pixel that is not valid the value of the nearest valid one."""
    if valid.all():
        return data.copy()
    nearest = scipy.ndimage.distance_transform_edt(~valid, return_distances=False, return_indices=True)
    return data[tuple(nearest)]
