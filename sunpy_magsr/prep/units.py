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
    card = str(smap.meta.get("bunit") or smap.meta.get("_bunit") or "").strip()
    if _MAXWELL_PER_SQUARE_CM.match(card):
        return u.G
    if not card:
        msg = (
            f"{name} must have a unit of magnetic field, got none (no BUNIT card). "
            "If the data are in Gauss, set smap.meta['bunit'] = 'G'."
        )
        raise ValueError(msg)
    unit = smap.unit if smap.meta.get("bunit") else _parsed(card)
    if unit is None or not unit.is_equivalent(u.G):
        msg = f"{name} must have a unit of magnetic field such as G, Mx/cm^2 or mT, got {card[:80]!r}."
        raise ValueError(msg)
    return unit


def _parsed(card):
    try:
        return u.Unit(card)
    except ValueError:
        return None
