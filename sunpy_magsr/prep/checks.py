"""What is refused as input of a model, and what is only warned about."""

import astropy.units as u
import numpy as np

from sunpy_magsr.exceptions import warn_user
from sunpy_magsr.prep.products import COMPONENTS
from sunpy_magsr.prep.reading import STRONGEST

__all__ = ["MINIMUM_SIDE", "check_component", "check_magnetogram", "warn_if_untrained"]

MINIMUM_SIDE = 16
_FAINT = 1e-3  # of the largest value
_UNIPOLAR_SIDE = 32  # pixels; a smaller cutout may lie within a sunspot
_PROVENANCE = "magsrver"
_TRANSVERSE = ("bp", "bt")


def check_magnetogram(smap, reading):
    """
    Raise if a Map that could be read is none that can be super-resolved.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The map.
    reading : `~sunpy_magsr.prep.reading.Reading`
        What was found in it.

    Raises
    ------
    ValueError
        If it is too small, not a magnetogram, empty, or was super-resolved before.
    """
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
    # Not so a source on an empty field, or one value everywhere, as people try things with.
    if 0 <= values.min() < values.max() and np.median(values) > _FAINT * values.max():
        msg = (
            "smap must be a signed component of the field, got no pixel below 0: field strengths, errors and bitmaps "
            "cannot be super-resolved."
        )
        raise ValueError(msg)


def check_component(component, product):
    """
    Component that a map shows, from what the user and the header say.

    Parameters
    ----------
    component : `str` or `None`
        What the user says.
    product : `~sunpy_magsr.prep.products.Product`
        What the header says.

    Returns
    -------
    `str`
        One of `~sunpy_magsr.prep.products.COMPONENTS`; the line of sight where nobody says.

    Raises
    ------
    ValueError
        If it is none, or not that of the header.
    """
    if component is not None and component not in COMPONENTS:
        msg = f"component must be None or one of {', '.join(map(repr, COMPONENTS))}, got {component!r}."
        raise ValueError(msg)
    if component and product.component and component != product.component:
        msg = f"component must be that of the header of smap, {product.component!r}, or None, got {component!r}."
        raise ValueError(msg)
    return component or product.component or "los"


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
    if magnetogram.component in _TRANSVERSE:
        warn_user(
            f"smap shows {magnetogram.component.capitalize()}, a transverse component; the models were trained on the line of "
            "sight and Br alone.",
            stacklevel=4,
        )
    if magnetogram.is_guess:
        warn_user(
            "smap does not say which component of the field it shows, and is taken for the line of sight; component='los' or "
            "component='br' says it.",
            stacklevel=4,
        )
    if magnetogram.absurd:
        warn_user(
            f"smap has {magnetogram.absurd} pixel{'s' if magnetogram.absurd > 1 else ''} on the disk that are infinite or of "
            f"{STRONGEST:g} G and more, which are taken for missing and NaN in the result.",
            stacklevel=4,
        )
