"""The unit of a magnetogram."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import astropy.units as u

if TYPE_CHECKING:
    from sunpy.map import GenericMap

__all__ = ["magnetic_unit"]

_MAXWELL_PER_SQUARE_CM = re.compile(r"^\s*mx\s*(/\s*cm\s*(\^|\*\*)?\s*2|\s*cm\s*(\^|\*\*)?\s*-2)\s*$", re.IGNORECASE)


def magnetic_unit(smap: GenericMap, *, name: str = "smap") -> u.UnitBase:
    """
    Find the unit of a Map's data, which must be a unit of magnetic field.

    Two cards are read beyond what sunpy reads: ``Mx/cm^2``, which is 1 G, in maps of all instruments (the SHARP and SMARP
    series have it), and ``_BUNIT``, which JSOC's exports of 2025 have instead of ``BUNIT``.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        Map whose header says the unit.
    name : `str`
        Name of the map in error messages.

    Returns
    -------
    `astropy.units.Unit`
        Unit that can be converted to Gauss.

    Raises
    ------
    ValueError
        If there is no unit, or it is not one of magnetic field.
    """
    bunit = smap.meta.get("bunit")
    card = smap.meta.get("_bunit") if bunit is None or bunit == "" else bunit
    text = card.strip() if isinstance(card, str) else card
    if text is None or text == "":
        msg = (
            f"{name} must have a unit of magnetic field, got none (no BUNIT card). "
            "If the data are in Gauss, set smap.meta['bunit'] = 'G'."
        )
        raise ValueError(msg)
    unit = _parsed(smap, text) if isinstance(text, str) else None
    if not isinstance(unit, u.UnitBase) or not unit.is_equivalent(u.G):  # A logarithmic unit is no UnitBase.
        msg = f"{name} must have a unit of magnetic field such as G, Mx/cm^2 or mT, got {text!r:.80}."
        raise ValueError(msg)
    return unit


def _parsed(smap, text):
    if _MAXWELL_PER_SQUARE_CM.match(text):
        return u.G
    try:
        return smap.unit if smap.meta.get("bunit") else u.Unit(text)
    except (AttributeError, TypeError, ValueError):  # sunpy raises the first of these for a logarithmic unit
        return None
