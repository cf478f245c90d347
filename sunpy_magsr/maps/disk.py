"""Which pixels are measurements of the Sun, where they are on the disk, and how the others are filled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.ndimage
import sunpy.coordinates
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


def limb_cosine(smap: GenericMap) -> np.ndarray:
    r"""
    Compute the cosine of the heliocentric angle, :math:`\mu`: 1 at disk center, 0 at the limb.

    In a helioprojective map it is :math:`\sqrt{1 - (\rho / R)^2}` with the angular distance :math:`\rho` from disk center
    and the radius :math:`R`, ``smap.rsun_obs``. In a heliographic map the angle is that between a pixel and the place on the
    Sun below the observer.
    """
    coordinates = all_coordinates_from_map(smap)
    if is_helioprojective(smap):
        distance = np.hypot(coordinates.Tx.to_value("arcsec"), coordinates.Ty.to_value("arcsec"))
        squared = 1 - (distance / smap.rsun_obs.to_value("arcsec")) ** 2
        return np.where(squared < 0, np.nan, np.sqrt(np.abs(squared))).astype(np.float32)
    frame = sunpy.coordinates.HeliographicStonyhurst(obstime=smap.observer_coordinate.obstime)
    observer = smap.observer_coordinate.transform_to(frame)
    place = coordinates.transform_to(frame)
    cosine = np.sin(place.lat) * np.sin(observer.lat) + np.cos(place.lat) * np.cos(observer.lat) * np.cos(
        place.lon - observer.lon
    )
    cosine = cosine.to_value("")
    return np.where(cosine < 0, np.nan, cosine).astype(np.float32)


def fill_missing(data: npt.NDArray, valid: np.ndarray) -> npt.NDArray:
    """Give every pixel that is not valid the value of the nearest valid one."""
    if valid.all():
        return data.copy()
    nearest = scipy.ndimage.distance_transform_edt(~valid, return_distances=False, return_indices=True)
    return data[tuple(nearest)]
