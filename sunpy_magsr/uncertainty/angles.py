"""Angles on a map, in pixels."""

import astropy.units as u

from sunpy_magsr.prep.wcs import plate_scale

__all__ = ["angle_in_pixels", "arcsec_per_pixel"]

_ARCSEC_PER_DEGREE = 0.5 / 0.03  # of heliographic maps: HMI's pixel at disk center


def arcsec_per_pixel(smap):
    """
    Plate scale along x and y, for heliographic maps that at disk center.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The map.

    Returns
    -------
    `tuple` of `float`
    """
    scales = plate_scale(smap)
    factor = _ARCSEC_PER_DEGREE if scales[0].unit == u.deg / u.pix else 1.0
    return tuple(factor * scale.value for scale in scales)


def angle_in_pixels(smap, angle, *, name):
    """
    An angle in pixels.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The map.
    angle : `~astropy.units.Quantity`
        As seen from the Earth, also for heliographic maps.
    name : `str`
        Of the argument, for the error.

    Returns
    -------
    `tuple` of `float`
        Along y and x, as arrays are indexed.

    Raises
    ------
    ValueError
        If it is not a positive angle.
    """
    is_angle = isinstance(angle, u.Quantity) and angle.isscalar and angle.unit.is_equivalent(u.arcsec)
    if not is_angle or not angle > 0:
        msg = f"{name} must be a positive angle such as 4 * u.arcsec, got {angle!r}."
        raise ValueError(msg)
    return tuple(angle.to_value(u.arcsec) / scale for scale in reversed(arcsec_per_pixel(smap)))
