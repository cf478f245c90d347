"""What a Map's header says about the coordinates of its pixels, in any of the forms that FITS allows."""

from __future__ import annotations

import math
import re

import astropy.units as u
import numpy as np
from astropy.constants import R_sun, au
from astropy.time import Time
from sunpy.map import GenericMap
from sunpy.time import is_time, parse_time

from sunpy_magsr.maps.header import DATE_CARDS, observation_time, product_of

#: Cards of the matrix that some headers have instead of CDELT and PC.
CD_CARDS = ("cd1_1", "cd1_2", "cd2_1", "cd2_2")
_HELIOPROJECTIVE = ("HPLN", "SOLAR")
_LATITUDE_OF = {"HPLN": "HPLT", "SOLA": "SOLA", "CRLN": "CRLT", "HGLN": "HGLT"}
_NUMBER_CARDS = re.compile(
    r"(crpix|crval|cdelt|crota)[12]|(pc|cd)[12]_[12]|pv[12]_\d+|lonpole|latpole|rsun_obs|rsun_ref|dsun_obs|fndlmb(mi|ma)|semidiam"
)
_DISTORTED = ("a_order", "b_order", "cpdis1", "cpdis2", "cqdis1", "cqdis2", "d2imdis1", "d2imdis2")
# Smallest and largest plate scale, in arcsec or degrees a pixel: from a tenth of that of any telescope to the whole Sun on a
# few pixels.
_SKY_SCALES = (1e-3, 1e3)
_HELIOGRAPHIC_SCALES = (1e-4, 30.0)
_NEAREST, _FARTHEST = 1.5, 20000.0  # solar radii of the observer from the center of the Sun; the second is 93 au
_RADII = 0.1  # by which RSUN_OBS may differ from what the observer's distance says, relative
_FIRST_YEAR = 1960  # of UTC
_LARGEST_LATITUDE = 90.0
_TURN = 360.0
_LONGEST = 400  # characters of a message


def check_coordinates(smap: GenericMap, *, name: str = "smap") -> None:
    """
    Raise an error if a Map's header does not say where its pixels are, when they were observed and from where.

    sunpy and astropy read most of a header only when its coordinates are used. So the coordinates are computed here, at the
    corners and at the center with their derivatives.
    """
    try:
        wrong = _wrong(smap)
    except Exception as error:
        why = " ".join(str(error).split())[:_LONGEST] or type(error).__name__
        msg = f"{name} must have a header from which sunpy makes coordinates, got one of which it says: {why}"
        raise ValueError(msg) from error
    if wrong:
        msg = f"{name} must have {wrong[:_LONGEST]}"
        raise ValueError(msg)


def _wrong(smap):
    """What a header must have but does not have, in words; `None` if nothing is wrong."""
    checks = (_wrong_cards, _wrong_units, _wrong_axes, _wrong_numbers, _wrong_scale, _wrong_observer, _wrong_date)
    return next((wrong for check in checks if (wrong := check(smap))), None)


def _wrong_axes(smap):
    first, second = (str(axis).upper() for axis in smap.coordinate_system)
    if first[:4] not in _LATITUDE_OF:
        return f"a helioprojective or heliographic WCS, got CTYPE1 = {smap.coordinate_system.axis1!r}."
    if second[:4] != _LATITUDE_OF[first[:4]] or second[5:] != first[5:]:
        return f"longitude and latitude of one frame and projection for its axes, got CTYPE1 = {first!r} and CTYPE2 = {second!r}."
    if "SIP" in first or any(card in smap.meta for card in _DISTORTED):
        return f"a WCS without distortion, which sunpy does not read, got CTYPE1 = {smap.meta.get('ctype1')!r} with its tables."
    return None


def _wrong_cards(smap):
    for card, value in smap.meta.items():
        is_number = isinstance(value, (int, float))
        is_wrong = is_number and abs(value) == np.inf  # which no FITS file holds
        if is_wrong or (_NUMBER_CARDS.fullmatch(card) and not (is_number and np.isfinite(value))):
            return f"a finite number in {card.upper()}, got {value!r:.80}."
    if not abs(unread_roll(smap) or 0) <= _TURN:
        return f"an angle in degrees in SOLAR_P0, got {smap.meta['solar_p0']!r}."
    radius = smap.meta.get("rsun_ref", R_sun.value)
    if not abs(radius / R_sun.value - 1) <= _RADII:
        return f"a radius of the Sun in meters in RSUN_REF, within {_RADII:.0%} of {R_sun.value:.4g}, got {radius!r}."
    return None


def _wrong_units(smap):
    try:
        units = smap.spatial_units
    except (AttributeError, TypeError, ValueError):
        units = ()
    if not units or not all(isinstance(unit, u.UnitBase) and unit.is_equivalent(u.deg) for unit in units):
        found = " and ".join(f"{card.upper()} = {smap.meta.get(card)!r:.40}" for card in ("cunit1", "cunit2"))
        return f"axes in units of angle such as arcsec or deg, got {found}."
    return None


def _wrong_numbers(smap):
    rows, columns = smap.data.shape
    x, y = np.array([(0, 0), (columns - 1, 0), (0, rows - 1), (columns - 1, rows - 1), (columns / 2, rows / 2)]).T
    transformation, local = linear_transformation(smap), jacobian(smap, columns / 2, rows / 2)
    for what, numbers in {
        "a finite reference pixel (CRPIX)": [axis.to_value(u.pix) for axis in smap.reference_pixel],
        "a finite plate scale and rotation (CDELT, PC, CD, CROTA2)": transformation,
        "finite coordinates at its corners (CTYPE, CRVAL, LONPOLE, PV)": smap.wcs.pixel_to_world_values(x, y),
        "finite coordinates about its center (CTYPE, CRVAL, LONPOLE, PV)": local,
    }.items():
        if not np.isfinite(numbers).all():
            return f"{what}, got {np.ravel(numbers).tolist()}."
    volumes = np.linalg.det(transformation), np.linalg.det(local)
    if 0 in volumes or np.sign(volumes[0]) != np.sign(volumes[1]):
        return f"a plate scale and rotation that can be undone (CDELT, PC, CD, CROTA2), got {transformation.tolist()}."
    return None


def _wrong_scale(smap):
    sky = is_helioprojective(smap)
    unit, (lowest, highest) = (u.arcsec, _SKY_SCALES) if sky else (u.deg, _HELIOGRAPHIC_SCALES)
    scales = [scale.to_value(unit / u.pix) for scale in plate_scale(smap)]
    if not all(lowest <= scale <= highest for scale in scales):
        return f"a plate scale of {lowest:g} to {highest:g} {unit}/pix, got {' and '.join(f'{scale:.4g}' for scale in scales)}."
    latitude = smap.reference_coordinate.spherical.lat.to_value("deg")
    if not abs(latitude) <= _LARGEST_LATITUDE:
        return f"a latitude of its reference point (CRVAL2) within 90 degrees, got {latitude:g}."
    return None


def _wrong_observer(smap):
    place = smap.observer_coordinate
    distance = place.radius.to_value(R_sun)
    if not (np.isfinite([place.lon.value, place.lat.value]).all() and _NEAREST < distance < _FARTHEST):
        return f"an observer outside the Sun (DSUN_OBS, HGLN_OBS, HGLT_OBS), got one {distance:.4g} solar radii from its center."
    radius, expected = smap.rsun_obs.to_value("arcsec"), np.rad2deg(np.arcsin(1 / distance)) * 3600
    if is_helioprojective(smap) and not abs(radius / expected - 1) <= _RADII:
        return (
            f"a radius of the Sun (RSUN_OBS, R_SUN, SOLAR_R) as its observer sees it, {expected:.4g} arcsec within "
            f"{_RADII:.0%}, got {radius:.4g}."
        )
    return None


def _wrong_date(smap):
    now = Time.now()
    said = [card for card in DATE_CARDS if smap.meta.get(card)]
    if said and abs((smap.date - now).to_value("day")) < 1:  # which sunpy takes for want of another
        read = [
            card
            for card in said
            if is_time(smap.meta[card]) and abs((parse_time(smap.meta[card]) - now).to_value("day")) < 2
        ]
        if not read:
            name = type(smap).__name__
            return f"a date that {name} reads, as in 2010-07-14T12:48:00, got {said[0].upper()} = {smap.meta[said[0]]!r:.80}."
    for what, date in (("date (DATE-OBS)", smap.date), ("time of observation (T_OBS)", observation_time(smap))):
        if not _FIRST_YEAR <= date.decimalyear <= Time.now().decimalyear + 1:
            return f"a {what} between {_FIRST_YEAR} and now, got {date.isot}."
    return None


def is_helioprojective(smap: GenericMap) -> bool:
    """Find out whether a map is in helioprojective coordinates."""
    return str(smap.coordinate_system.axis1).upper().startswith(_HELIOPROJECTIVE)


def jacobian(smap: GenericMap, x: float, y: float) -> np.ndarray:
    """Compute the derivatives of a Map's coordinates at a place."""
    step = 0.5
    ends = np.array(
        [smap.wcs.pixel_to_world_values(x + dx, y + dy) for dx, dy in ((step, 0), (-step, 0), (0, step), (0, -step))]
    )
    units = [u.Unit(unit).to(u.deg) for unit in smap.wcs.world_axis_units]
    steps = np.stack([ends[0] - ends[1], ends[2] - ends[3]], axis=1) * np.array(units)[:, None]
    steps[0] = (steps[0] + 180) % 360 - 180  # a longitude may pass its end
    return steps


def linear_transformation(smap: GenericMap) -> np.ndarray:
    """Compute the matrix from pixels to intermediate world coordinates."""
    scales = [scale.to_value(unit / u.pix) for scale, unit in zip(smap.scale, smap.spatial_units, strict=True)]
    return np.array(scales)[:, None] * np.asarray(smap.rotation_matrix)


def plate_scale(smap: GenericMap) -> tuple[u.Quantity, u.Quantity]:
    """Compute the plate scale along the two axes of the pixels, also for a rotated map."""
    x, y = np.hypot(*linear_transformation(smap))
    return x * smap.spatial_units[0] / u.pix, y * smap.spatial_units[1] / u.pix


def angular_scale(scales: tuple[u.Quantity, ...]) -> tuple[float, ...]:
    """
    Convert plate scales to arcsec a pixel, also those of heliographic maps.

    A heliographic degree counts as what it subtends at disk center from 1 au, 16.8 arcsec. So 0.03 deg are 0.505 arcsec.
    """
    if scales[0].unit != u.deg / u.pix:
        return tuple(float(scale.to_value(u.arcsec / u.pix)) for scale in scales)
    distance = float(R_sun / (au - R_sun))
    return tuple(float(scale.to_value(u.arcsec / u.pix)) * distance for scale in scales)


def unread_roll(smap: GenericMap) -> float | None:
    """
    Find the roll that an early MDI header holds in SOLAR_P0, a card which sunpy does not read.

    Other instruments have another angle in that card: in headers of Solar Orbiter it comes from an ephemeris, and does not
    describe the image.
    """
    angle = smap.meta.get("solar_p0")
    read = ("crota2", "pc1_1", "pc1_2", "pc2_1", "pc2_2", *CD_CARDS)
    if not angle or not is_helioprojective(smap) or any(card in smap.meta for card in read):
        return None
    if product_of(smap).instrument != "MDI":
        return None
    return -float(angle) if isinstance(angle, int | float) else math.nan
