"""What is refused, and what is only warned about."""

import astropy.units as u
import numpy as np
import sunpy.map

from sunpy_magsr.exceptions import warn_user
from sunpy_magsr.prep.wcs import check_coordinates

__all__ = [
    "MINIMUM_SIDE",
    "check_magnetogram",
    "instrument_of",
    "is_helioprojective",
    "segment_of",
    "warn_if_transverse",
    "warn_if_untrained",
]

MINIMUM_SIDE = 16
_OTHER_OBSERVABLES = ("continuum", "intensity", "doppler", "velocity", "line width", "line depth", "linedepth")
_NO_COMPONENT = ("field", "inclination", "azimuth", "bitmap", "conf_disambig", "disambig", "info_map", "confid_map")
_UNTRAINED = {"bp": "Bp", "bt": "Bt"}
_FAINT = 1e-3  # of the largest value
_UNIPOLAR_SIDE = 32  # pixels; a smaller cutout may lie within a sunspot
_PROVENANCE = "magsrver"
_HELIOPROJECTIVE = ("HPLN", "HPLT", "SOLAR")
_HELIOGRAPHIC = ("CRLN", "CRLT", "HGLN", "HGLT")


def check_magnetogram(smap):
    """
    Raise if a map cannot be super-resolved at all; its unit is checked elsewhere.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The map.

    Raises
    ------
    TypeError
        If it is not a Map.
    ValueError
        If it is not 2-D, too small, not a magnetogram, or was super-resolved before.
    """
    if not isinstance(smap, sunpy.map.GenericMap):
        msg = f"smap must be a sunpy Map, got {type(smap).__name__}."
        raise TypeError(msg)
    if smap.data.ndim != 2:
        msg = f"smap must be two-dimensional, got shape {smap.data.shape}."
        raise ValueError(msg)
    if min(smap.data.shape) < MINIMUM_SIDE:
        msg = f"smap must be at least {MINIMUM_SIDE} x {MINIMUM_SIDE} pixels, got shape {smap.data.shape}."
        raise ValueError(msg)
    if _PROVENANCE in smap.meta:
        msg = (
            "smap must be an observation, got a map that was already super-resolved "
            f"(MAGSRVER = {smap.meta[_PROVENANCE]})."
        )
        raise ValueError(msg)
    check_coordinates(smap)
    if not str(smap.coordinate_system.axis1).upper().startswith(_HELIOPROJECTIVE + _HELIOGRAPHIC):
        msg = f"smap must have a helioprojective or heliographic WCS, got CTYPE1 = {smap.coordinate_system.axis1!r}."
        raise ValueError(msg)
    segment = segment_of(smap)
    if segment in _NO_COMPONENT or segment.endswith("_err"):
        msg = f"smap must be a signed component of the field, got the segment {segment!r} of {smap.meta['drms_id']!r}."
        raise ValueError(msg)
    observable = _observable(smap)
    if any(word in observable.lower() for word in _OTHER_OBSERVABLES):
        msg = f"smap must be a magnetogram, got {observable!r}."
        raise ValueError(msg)
    _check_values(smap)


def _check_values(smap):
    """Raise for pictures and for what has no sign."""
    if smap.data.dtype.kind == "b" or smap.data.dtype == "uint8" or any(key.startswith("hv_") for key in smap.meta):
        msg = "smap must hold measured values, got an 8-bit picture (of Helioviewer or another browser), whose gray is no field."
        raise ValueError(msg)
    values = smap.data[smap.data == smap.data]  # not NaN
    if min(smap.data.shape) < _UNIPOLAR_SIDE or not len(values):
        return
    # Not so a source on an empty field, or one value everywhere, as people try things with.
    if 0 <= values.min() < values.max() and np.median(values) > _FAINT * values.max():
        msg = (
            "smap must be a signed component of the field, got no pixel below 0: field strengths, errors and bitmaps "
            "cannot be super-resolved."
        )
        raise ValueError(msg)


def segment_of(smap):
    """Name of the segment of a JSOC series in lower case, from DRMS_ID; empty where it is not said."""
    return str(smap.meta.get("drms_id") or "").lower().rpartition(":")[2]


def warn_if_transverse(smap):
    """Warn about the components of the field that no model was trained on."""
    component = _UNTRAINED.get(segment_of(smap))
    if component:
        warn_user(
            f"smap shows {component}, a transverse component; the models were trained on the line of sight and Br alone.",
            stacklevel=4,
        )


def _observable(smap):
    cards = (smap.meta.get(key) for key in ("content", "dpc_obsr", "physparm", "obs_type", "btype"))
    words = " ".join(str(card) for card in cards if card)
    short = str(smap.meta.get("dpc_obsr") or "").lower()
    return f"{words} (intensity)" if short.endswith("_ic") else words


def is_helioprojective(smap):
    """Whether the map shows the plane of the sky, rather than a heliographic projection."""
    return str(smap.coordinate_system.axis1).upper().startswith(_HELIOPROJECTIVE)


def instrument_of(smap):
    """Instrument as ``"MDI"``, ``"HMI"`` or what the header says, in capitals."""
    name = str(smap.instrument or smap.meta.get("telescop") or "unknown").upper()
    return next((known for known in ("MDI", "HMI") if name.startswith(known)), name)


def warn_if_untrained(magnetogram, card):
    """
    Warn about an input that is unlike what the model was trained on.

    Parameters
    ----------
    magnetogram : `~sunpy_magsr.prep.Magnetogram`
        The input.
    card : `~sunpy_magsr.catalog.ModelCard`
        With ``instruments`` and ``plate_scale_range`` (arcsec, or degrees for CEA maps).
    """
    unit = "deg" if magnetogram.is_cea else "arcsec"
    if card.instruments and magnetogram.instrument not in card.instruments:
        warn_user(
            f"The model {card.name!r} was trained for {', '.join(card.instruments)}, and this map is from "
            f"{magnetogram.instrument}.",
            stacklevel=4,
        )
    limits = card.plate_scale_range.get(unit)
    scales = [scale.to_value(u.Unit(unit) / u.pix) for scale in magnetogram.plate_scale]
    if limits and not all(limits[0] <= scale <= limits[1] for scale in scales):
        warn_user(
            f"The model {card.name!r} was trained on {limits[0]} to {limits[1]} {unit}/pix, and this map has "
            f"{scales[0]:.4g} {unit}/pix.",
            stacklevel=4,
        )
