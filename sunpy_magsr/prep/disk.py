"""Which pixels are measurements of the Sun, and what to put into the others."""

import numpy as np
import scipy.ndimage
import sunpy.coordinates
from sunpy.map.maputils import all_coordinates_from_map

from sunpy_magsr.prep.wcs import is_helioprojective

__all__ = ["fill_missing", "limb_cosine", "measured_pixels", "valid_pixels"]


def measured_pixels(smap):
    """
    Pixels that are on the Sun and not masked, whatever they hold.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The map.

    Returns
    -------
    `numpy.ndarray`
        bool ``[y, x]``.
    """
    measured = (
        ~np.ma.getmaskarray(smap.data) if isinstance(smap.data, np.ma.MaskedArray) else np.ones(smap.data.shape, bool)
    )
    if smap.mask is not None:
        measured &= ~np.asarray(smap.mask, dtype=bool)
    if is_helioprojective(smap):
        coordinates = all_coordinates_from_map(smap)
        distance = np.hypot(coordinates.Tx.to_value("arcsec"), coordinates.Ty.to_value("arcsec"))
        measured &= ~(distance > smap.rsun_obs.to_value("arcsec"))
    return measured


def valid_pixels(smap):
    """
    Pixels that are measurements of the Sun.

    Finite, not masked, and (in a helioprojective map) with their center on the disk of radius ``smap.rsun_obs``. Zero
    is a measurement.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The map.

    Returns
    -------
    `numpy.ndarray`
        bool ``[y, x]``.
    """
    return measured_pixels(smap) & np.isfinite(np.asarray(np.ma.getdata(smap.data)))


def limb_cosine(smap):
    r"""
    Cosine of the heliocentric angle, :math:`\mu`: 1 at disk center, 0 at the limb.

    In a helioprojective map :math:`\sqrt{1 - (\rho / R)^2}` with the angular distance :math:`\rho` from disk center
    and the radius ``smap.rsun_obs``; in a heliographic one the angle between a pixel and the observer's foot point.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The map.

    Returns
    -------
    `numpy.ndarray`
        float32 ``[y, x]``, NaN off the disk and on the far side.
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


def fill_missing(data, valid):
    """
    Give every pixel that is not valid the value of the nearest valid one.

    Parameters
    ----------
    data : `numpy.ndarray`
        ``[y, x]``.
    valid : `numpy.ndarray`
        bool ``[y, x]``, not all false.

    Returns
    -------
    `numpy.ndarray`
        A new array.
    """
    if valid.all():
        return data.copy()
    nearest = scipy.ndimage.distance_transform_edt(~valid, return_distances=False, return_indices=True)
    return data[tuple(nearest)]
