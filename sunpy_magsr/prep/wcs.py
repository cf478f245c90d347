"""What a Map's header says about its pixels, in whichever of the FITS ways."""

import astropy.units as u
import numpy as np

__all__ = ["CD_CARDS", "check_coordinates", "linear_transformation", "plate_scale", "unread_roll"]

CD_CARDS = ("cd1_1", "cd1_2", "cd2_1", "cd2_2")


def check_coordinates(smap):
    """
    Raise if a Map's header does not say where its pixels are, when they were observed and from where.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The map.

    Raises
    ------
    ValueError
        With what sunpy or astropy say of it, as they read most of a header at its first use alone.
    """
    try:
        corner = smap.wcs.pixel_to_world_values(0, 0)
        transformation = linear_transformation(smap)
        numbers = [*corner, *transformation.flat, *(axis.value for axis in smap.reference_pixel)]
        place = smap.observer_coordinate
        numbers += [smap.rsun_obs.value, place.lon.value, place.lat.value, place.radius.value]
        is_sound = bool(np.isfinite(numbers).all()) and np.linalg.det(transformation) != 0 and smap.rsun_obs.value > 0
        why = "it has a number that is none or out of range (plate scale, rotation, reference point, observer or RSUN_OBS)"
    except Exception as error:
        why = " ".join(str(error).split()) or type(error).__name__
        msg = f"smap must have a header from which sunpy makes coordinates, got one of which it says: {why}"
        raise ValueError(msg) from error
    if not is_sound:
        msg = f"smap must have a header from which sunpy makes coordinates, got one that does not do: {why}."
        raise ValueError(msg)


def linear_transformation(smap):
    """
    Matrix from pixels to intermediate world coordinates, whichever of CDELT, PC, CD and CROTA2 the header holds.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The map.

    Returns
    -------
    `numpy.ndarray`
        ``[world, pixel]`` in ``smap.spatial_units`` a pixel.
    """
    scales = [scale.to_value(unit / u.pix) for scale, unit in zip(smap.scale, smap.spatial_units, strict=True)]
    return np.array(scales)[:, None] * np.asarray(smap.rotation_matrix)


def plate_scale(smap):
    """
    Plate scale along the two pixel axes.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The map.

    Returns
    -------
    `tuple` of `~astropy.units.Quantity`
        Along x and y, positive.
    """
    lengths = np.hypot(*linear_transformation(smap))
    return tuple(length * unit / u.pix for length, unit in zip(lengths, smap.spatial_units, strict=True))


def unread_roll(smap):
    """
    Roll of an early MDI header that sunpy does not read.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The map.

    Returns
    -------
    `float` or `None`
        CROTA2 in degrees that follows from SOLAR_P0, where no card says it in a way that sunpy reads.
    """
    angle = smap.meta.get("solar_p0")
    read = ("crota2", "pc1_1", "pc1_2", "pc2_1", "pc2_2", *CD_CARDS)
    if not angle or any(card in smap.meta for card in read):
        return None
    return -float(angle)
