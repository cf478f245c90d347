"""From a Map to the float array that a model is given, with what is known of it."""

from __future__ import annotations

import dataclasses
import math

import astropy.units as u
import numpy as np
from sunpy.map import GenericMap

from sunpy_magsr.maps.disk import fill_missing, measured_pixels
from sunpy_magsr.maps.header import COMPONENTS, Product, exposure_time, magnetic_unit, plain_header, product_of
from sunpy_magsr.maps.wcs import check_coordinates, is_helioprojective, plate_scale

#: Field strength in Gauss that no magnetogram reaches: the strongest field that was ever measured is 8.2 kG (Castellanos
#: Duran et al. 2020, :doi:`10.3847/1538-4357/ab83f1`). Larger numbers stand for missing data (-32768, 1e30, infinity) or are
#: in another unit.
STRONGEST = 2e4


@dataclasses.dataclass(frozen=True)
class Reading:
    """
    What was read from a Map.

    Parameters
    ----------
    data : `numpy.ndarray`
        Magnetic field in Gauss ``[y, x]``, float64. Pixels that are not valid are 0, whatever
        value the Map has there.
    valid : `numpy.ndarray`
        Valid pixels, bool ``[y, x]``. They are on the disk and not masked, and their values are finite and below
        `STRONGEST`.
    absurd : `int`
        Number of pixels on the disk that are not masked and are infinite or not below `STRONGEST`.
    plate_scale : `tuple` of `~astropy.units.Quantity`
        Plate scale along x and y in arcsec/pix, or in deg/pix for a heliographic map.
    is_cea : `bool`
        Whether the map is in a heliographic projection.
    product : ``Product``
        Instrument and component of the field.
    exposure : `float` or `None`
        Seconds over which an MDI magnetogram was averaged. `None` for other instruments, or if the header does not say it.
    """

    data: np.ndarray
    valid: np.ndarray
    absurd: int
    plate_scale: tuple[u.Quantity, u.Quantity]
    is_cea: bool
    product: Product
    exposure: float | None


def read_map(smap: GenericMap, *, name: str = "smap") -> Reading:
    """Read the magnetic field of a Map and check its header."""
    smap, _ = plain_header(smap, name=name)
    if smap.data.ndim != 2:
        msg = f"{name} must be two-dimensional, got shape {smap.data.shape}."
        raise ValueError(msg)
    if smap.data.dtype.kind not in "iufb":
        msg = f"{name} must hold real numbers, got an array of {smap.data.dtype}."
        raise ValueError(msg)
    product = product_of(smap)
    unit = _unit(smap, product, name)
    check_coordinates(smap, name=name)
    values = np.asarray(np.ma.getdata(smap.data))
    with np.errstate(over="ignore", invalid="ignore"):
        data = values.astype(np.float64) * unit.to(u.G)
        is_number, below = ~np.isnan(data), np.abs(data) < STRONGEST
    here = measured_pixels(smap)
    valid = here & below
    absurd = int((here & is_number & ~below).sum())
    if absurd and absurd >= valid.sum():
        msg = (
            f"{name} must hold a field below {STRONGEST:g} G, got {absurd} pixels of more with its unit {str(unit)!r} and "
            f"{valid.sum()} of less; its BUNIT may be that of another field."
        )
        raise ValueError(msg)
    is_cea = not is_helioprojective(smap)
    scale_unit = u.deg / u.pix if is_cea else u.arcsec / u.pix
    return Reading(
        data=np.where(valid, data, 0.0),
        valid=valid,
        absurd=absurd,
        plate_scale=tuple(scale.to(scale_unit) for scale in plate_scale(smap)),
        is_cea=is_cea,
        product=product,
        exposure=exposure_time(smap, name=name) if product.instrument == "MDI" else None,
    )


def _unit(smap, product, name):
    """Unit of the map. If the product is refused, the message says so, which is more than that its unit is wrong."""
    try:
        return magnetic_unit(smap, name=name)
    except ValueError as error:
        if not product.refused:
            raise
        msg = f"{name} must be {product.refused}."
        raise ValueError(msg) from error


#: Smallest number of rows or columns of an input.
MINIMUM_SIDE = 16
_FAINT = 1e-3  # of the largest value
_UNIPOLAR_SIDE = 32  # pixels; a smaller cutout may lie within a sunspot
_PROVENANCE = "magsrver"


def check_magnetogram(smap: GenericMap, reading: Reading) -> None:
    """Raise an error if a Map that could be read cannot be super-resolved."""
    if min(smap.data.shape) < MINIMUM_SIDE:
        msg = f"smap must be at least {MINIMUM_SIDE} x {MINIMUM_SIDE} pixels, got shape {smap.data.shape}."
        raise ValueError(msg)
    if _PROVENANCE in smap.meta:
        msg = (
            "smap must be an observation, got a map that was already super-resolved "
            f"(MAGSRVER = {smap.meta[_PROVENANCE]})."
        )
        raise ValueError(msg)
    if reading.product.refused:
        msg = f"smap must be {reading.product.refused}."
        raise ValueError(msg)
    if smap.data.dtype.kind == "b" or smap.data.dtype == "uint8" or any(key.startswith("hv_") for key in smap.meta):
        msg = "smap must hold measured values, got an 8-bit picture (of Helioviewer or another browser), whose gray is no field."
        raise ValueError(msg)
    if not reading.valid.any():
        msg = "smap must have a valid pixel on the disk, got none (all NaN, masked or off the disk)."
        raise ValueError(msg)
    values = reading.data[reading.valid]
    if min(smap.data.shape) < _UNIPOLAR_SIDE:
        return
    # A source on an empty field and a field of one value pass, as people try such fields.
    if 0 <= values.min() < values.max() and np.median(values) > _FAINT * values.max():
        msg = (
            "smap must be a signed component of the field, got no pixel below 0: field strengths, errors and bitmaps "
            "cannot be super-resolved."
        )
        raise ValueError(msg)


def check_component(component: str | None, product: Product) -> str:
    """Decide which component of the field a map shows, from what the user and the header say."""
    if component is not None and component not in COMPONENTS:
        msg = f"component must be None or one of {', '.join(map(repr, COMPONENTS))}, got {component!r}."
        raise ValueError(msg)
    if component and product.component and component != product.component:
        msg = f"component must be that of the header of smap, {product.component!r}, or None, got {component!r}."
        raise ValueError(msg)
    return component or product.component or "los"


# A place in the fraction of a pixel that no instrument's CRPIX is likely to sit at, so that rounding is stable.
_ANCHOR = 0.3137


@dataclasses.dataclass(frozen=True)
class Blur:
    """
    Blur of a frame, from `~sunpy_magsr.instrument.measure_blur`.

    Parameters
    ----------
    fwhm : `float`
        Full width at half maximum of the frame's Gaussian point-spread function relative to HMI's, in arcsec, without the
        averaging over the frame's pixels. NaN if it could not be measured and no prior was given.
    error : `float`
        Its standard error in arcsec. Infinite if ``fwhm`` is NaN.
    windows : `int`
        Number of windows of network that were used.
    noise : `float`
        Standard deviation of the noise of a pixel in these windows in Gauss, on the frame's scale. NaN if not measured.
    origin : {"measured", "combined", "prior", "unknown", "told"}
        From where ``fwhm`` is: the frame, the frame and the prior, the prior alone, nowhere, or the user.
    """

    fwhm: float
    error: float
    windows: int
    noise: float
    origin: str


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
        Name of the instrument, such as ``"MDI"`` or ``"HMI"``; see ``Product``.
    component : `str`
        Component of the field, one of ``COMPONENTS``. Defaults to ``"los"``.
    is_guess : `bool`
        Whether neither the user nor the header says the component. Defaults to `False`.
    absurd : `int`
        Number of pixels on the disk that are infinite or stronger than any field. They are not valid. Defaults to 0.
    exposure : `float` or `None`
        Seconds over which an MDI magnetogram was averaged, if they are known.
    blur : `~sunpy_magsr.instrument.Blur` or `None`
        Width of the point-spread function, if the user gives it or it was measured on the frame.
    noise : `numpy.ndarray` or `None`
        Standard deviation of each pixel's noise in Gauss ``[y, x]``, if it was estimated before.
    """

    data: np.ndarray
    valid: np.ndarray
    origin: tuple[int, ...]
    plate_scale: tuple[u.Quantity, u.Quantity]
    is_cea: bool
    instrument: str
    component: str = "los"
    is_guess: bool = False
    absurd: int = 0
    exposure: float | None = None
    blur: Blur | None = None
    noise: np.ndarray | None = None

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
