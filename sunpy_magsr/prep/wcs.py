"""What a Map's header says about its pixels, in whichever of the FITS ways."""

import astropy.units as u
import numpy as np

__all__ = ["CD_CARDS", "linear_transformation", "plate_scale", "unread_roll"]

CD_CARDS = ("cd1_1", "cd1_2", "cd2_1", "cd2_2")


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
    return np.array([scale.value for scale in smap.scale])[:, None] * np.asarray(smap.rotation_matrix)


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
