"""The array form of a magnetogram Map."""

import dataclasses
import math

import astropy.units as u
import numpy as np

from sunpy_magsr.prep.checks import check_magnetogram, instrument_of, is_helioprojective
from sunpy_magsr.prep.disk import fill_missing, valid_pixels
from sunpy_magsr.prep.exposure import exposure_time
from sunpy_magsr.prep.units import magnetic_unit
from sunpy_magsr.prep.wcs import plate_scale

__all__ = ["Magnetogram", "is_radial", "prepare"]

# A place in the fraction of a pixel that no instrument's CRPIX is likely to sit at, so that rounding is stable.
_ANCHOR = 0.3137


@dataclasses.dataclass(frozen=True)
class Magnetogram:
    """
    What a model needs to know of a Map.

    Attributes
    ----------
    data : `numpy.ndarray`
        float32 Gauss ``[y, x]``; pixels that are no measurement hold the nearest measured value.
    valid : `numpy.ndarray`
        bool ``[y, x]``: the pixels that are measurements.
    origin : `tuple` of `int`
        Pixel ``(y, x)`` of the lower left corner, counted from the pixel of the WCS reference point: cutouts of
        one frame agree on it.
    plate_scale : `tuple` of `~astropy.units.Quantity`
        Along x and y.
    is_cea : `bool`
        Whether the map is in a heliographic projection, with a plate scale in degrees.
    instrument : `str`
        ``"MDI"``, ``"HMI"`` or what the header says.
    is_radial : `bool`
        Whether the field is a component of the vector field rather than the line-of-sight one.
    exposure : `float` or `None`
        Seconds over which an MDI magnetogram was averaged.
    psf_fwhm : `float` or `None`
        Full width at half maximum of the point-spread function in pixels, if the user knows it.
    noise : `numpy.ndarray` or `None`
        Standard deviation in Gauss ``[y, x]``, if it was estimated before.
    """

    data: np.ndarray
    valid: np.ndarray
    origin: tuple
    plate_scale: tuple
    is_cea: bool
    instrument: str
    is_radial: bool
    exposure: float | None = None
    psf_fwhm: float | None = None
    noise: np.ndarray | None = None


def prepare(smap):
    """
    Check a Map and turn it into a `Magnetogram`. The Map is not changed.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        A line-of-sight or radial magnetogram.

    Returns
    -------
    `Magnetogram`
        Its array form.

    Raises
    ------
    TypeError
        If ``smap`` is not a Map.
    ValueError
        If it is not a magnetogram that can be super-resolved; the message says why.
    """
    check_magnetogram(smap)
    unit = magnetic_unit(smap)
    valid = valid_pixels(smap)
    if not valid.any():
        msg = "smap must have a valid pixel on the disk, got none (all NaN, masked or off the disk)."
        raise ValueError(msg)
    data = np.where(valid, np.asarray(smap.data), 0).astype(np.float32) * np.float32(unit.to(u.G))
    is_cea = not is_helioprojective(smap)
    scale_unit = u.deg / u.pix if is_cea else u.arcsec / u.pix
    reference = [float(axis.to_value(u.pix)) for axis in smap.reference_pixel]
    return Magnetogram(
        data=fill_missing(data, valid),
        valid=valid,
        origin=tuple(-math.floor(pixel + _ANCHOR) for pixel in reversed(reference)),
        plate_scale=tuple(scale.to(scale_unit) for scale in plate_scale(smap)),
        is_cea=is_cea,
        instrument=instrument_of(smap),
        is_radial=is_radial(smap),
        exposure=exposure_time(smap) if instrument_of(smap) == "MDI" else None,
    )


def is_radial(smap):
    """Whether a Map shows a component of the vector field rather than the field along the line of sight."""
    segment = str(smap.meta.get("drms_id") or "").lower()
    content = str(smap.meta.get("content") or "").lower()
    return segment.endswith((":br", ":bp", ":bt")) or "radial" in content or " br " in f" {content} "
