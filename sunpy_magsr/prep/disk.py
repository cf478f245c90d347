"""Which pixels are measurements of the Sun, and what to put into the others."""

import numpy as np
import scipy.ndimage
from sunpy.map.maputils import all_coordinates_from_map

from sunpy_magsr.prep.checks import is_helioprojective

__all__ = ["fill_missing", "valid_pixels"]


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
    valid = np.isfinite(np.asarray(smap.data))
    if smap.mask is not None:
        valid &= ~np.asarray(smap.mask, dtype=bool)
    if is_helioprojective(smap):
        coordinates = all_coordinates_from_map(smap)
        distance = np.hypot(coordinates.Tx.to_value("arcsec"), coordinates.Ty.to_value("arcsec"))
        valid &= ~(distance > smap.rsun_obs.to_value("arcsec"))
    return valid


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
