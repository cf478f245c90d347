"""The array form of a magnetogram Map."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from sunpy_magsr.prep.checks import check_component, check_magnetogram
from sunpy_magsr.prep.disk import fill_missing
from sunpy_magsr.prep.reading import read_map

if TYPE_CHECKING:
    import numpy.typing as npt
    from sunpy.map import GenericMap

    from sunpy_magsr.forward_model import Blur

__all__ = ["Magnetogram", "prepare"]

# A place in the fraction of a pixel that no instrument's CRPIX is likely to sit at, so that rounding is stable.
_ANCHOR = 0.3137


@dataclasses.dataclass(frozen=True, kw_only=True)
class Magnetogram:
    """
    What a model needs to know about a Map.

    Parameters
    ----------
    data : `numpy.ndarray`
        Magnetic field in Gauss ``[y, x]``, float32. Pixels that are no measurements hold the nearest measured value.
    valid : `numpy.ndarray`
        Pixels that are measurements, bool ``[y, x]``.
    origin : `tuple` of `int`
        Position ``(y, x)`` of the lower left pixel relative to the pixel of the WCS reference point. By it, cutouts of one
        frame agree on the number of each pixel.
    plate_scale : `tuple` of `~astropy.units.Quantity`
        Plate scale along x and y.
    is_cea : `bool`
        Whether the map is in a heliographic projection, with a plate scale in degrees.
    instrument : `str`
        Name of the instrument, such as ``"MDI"`` or ``"HMI"``; see `~sunpy_magsr.prep.products.Product`.
    component : `str`
        Component of the field, one of `~sunpy_magsr.prep.products.COMPONENTS`. Defaults to ``"los"``.
    is_guess : `bool`
        Whether neither the user nor the header says the component. Defaults to `False`.
    absurd : `int`
        Number of pixels on the disk that are infinite or stronger than any field. They are not valid. Defaults to 0.
    exposure : `float` or `None`
        Seconds over which an MDI magnetogram was averaged, if they are known.
    blur : `~sunpy_magsr.forward_model.Blur` or `None`
        Width of the point-spread function, if the user gives it or it was measured on the frame.
    noise : `numpy.ndarray` or `None`
        Standard deviation of each pixel's noise in Gauss ``[y, x]``, if it was estimated before.
    """

    data: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
    origin: tuple[int, ...]
    plate_scale: tuple[u.Quantity, u.Quantity]
    is_cea: bool
    instrument: str
    component: str = "los"
    is_guess: bool = False
    absurd: int = 0
    exposure: float | None = None
    blur: Blur | None = None
    noise: npt.NDArray[np.float32] | None = None

    @property
    def is_radial(self) -> bool:
        """Whether the field is a component of the vector field rather than the line-of-sight one."""
        return self.component != "los"


def prepare(smap: GenericMap, *, component: str | None = None) -> Magnetogram:
    """
    Check a Map and turn it into a `Magnetogram`. The Map is not changed.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        A magnetogram that shows the line of sight or another component of the field.
    component : {"los", "br", "bp", "bt", None}
        Component that it shows, if the header does not say it.

    Returns
    -------
    `Magnetogram`
        The array form of the Map.

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
