"""The array form of a magnetogram Map."""

import dataclasses
import math

import astropy.units as u
import numpy as np

from sunpy_magsr.prep.checks import check_component, check_magnetogram
from sunpy_magsr.prep.disk import fill_missing
from sunpy_magsr.prep.reading import read_map

__all__ = ["Magnetogram", "prepare"]

# A place in the fraction of a pixel that no instrument's CRPIX is likely to sit at, so that rounding is stable.
_ANCHOR = 0.3137


@dataclasses.dataclass(frozen=True, kw_only=True)
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
    component : `str`
        Of the field; one of `~sunpy_magsr.prep.products.COMPONENTS`.
    is_guess : `bool`
        Whether neither the user nor the header says the component.
    absurd : `int`
        Pixels on the disk that are infinite or stronger than any field, which are not valid.
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
    component: str = "los"
    is_guess: bool = False
    absurd: int = 0
    exposure: float | None = None
    psf_fwhm: float | None = None
    noise: np.ndarray | None = None

    @property
    def is_radial(self):
        """Whether the field is a component of the vector field rather than the line-of-sight one."""
        return self.component != "los"


def prepare(smap, *, component=None):
    """
    Check a Map and turn it into a `Magnetogram`. The Map is not changed.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        A line-of-sight or radial magnetogram.
    component : {"los", "br", "bp", "bt", None}
        What it shows, if the header does not say.

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
    reading = read_map(smap)
    check_magnetogram(smap, reading)
    reference = [float(axis.to_value(u.pix)) for axis in smap.reference_pixel]
    return Magnetogram(
        data=fill_missing(reading.data.astype(np.float32), reading.valid),
        valid=reading.valid,
        origin=tuple(-math.floor(pixel + _ANCHOR) for pixel in reversed(reference)),
        plate_scale=reading.plate_scale,
        is_cea=reading.is_cea,
        instrument=reading.product.instrument,
        component=check_component(component, reading.product),
        is_guess=component is None and not reading.product.told,
        absurd=reading.absurd,
        exposure=reading.exposure,
    )
