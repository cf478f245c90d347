"""Headers as tables and archives give them, turned into plain cards before they are read."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
import sunpy.map
from astropy.time import Time
from sunpy.time import parse_time

from sunpy_magsr.prep.exposure import parse_record_time

if TYPE_CHECKING:
    from sunpy.map import GenericMap

__all__ = ["DATE_CARDS", "plain_header"]

#: Cards from which sunpy takes the date of a Map.
DATE_CARDS = ("date-obs", "date_obs", "date-avg", "date-beg", "date-end")
# How JSOC's DRMS marks a value that is missing: with a word, with the time -211087684832.184 s (-4712 January 1), or with the
# least number of a type.
_MISSING_TEXT = re.compile(r"\s*(missing|invalid|nan|none|null|jd_0|-4712[.-].*|)\s*", re.IGNORECASE)
_MISSING_NUMBERS = (-32768, -2147483648, -9223372036854775808)
# Axes of a cube from which the input is one plane: NAXIS3, CTYPE3, PC3_1, PC1_3, ...
_FURTHER_AXES = re.compile(
    r"wcsaxes|(naxis|ctype|crpix|crval|cdelt|cunit|crota|cname|crder|csyer)([3-9]|\d\d)|(pc|cd)(([3-9]|\d\d)_\d+|\d+_([3-9]|\d\d))|"
    r"(pv|ps)([3-9]|\d\d)_\d+"
)
_COMMENTARY = {"comment", "history", ""}
_INSTEAD = {
    "t_obs": "the date of the map is used as the middle of the exposure",
    "interval": "the exposure is computed from T_OBS and DATE-OBS, or is assumed to be 300 s",
}


def plain_header(smap: GenericMap, *, name: str = "smap") -> tuple[GenericMap, list[str]]:
    """
    Give a Map a header of plain text and numbers, without dates and exposures that are marked as missing.

    Headers that are made from tables (of `drms` or pandas) hold numpy scalars, arrays without dimensions, bytes and times.
    Each is replaced by the text or number that a FITS file would hold. Cards of a third or further axis, which a plane of a
    cube may have, are removed.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        Map of any instrument. It is not changed.
    name : `str`
        Name of the argument in error messages. Defaults to ``"smap"``.

    Returns
    -------
    smap : `sunpy.map.GenericMap`
        The same Map if its header is plain, otherwise a new Map of its class.
    remarks : `list` of `str`
        Sentences for the user that say which card is missing and what is used instead.

    Raises
    ------
    TypeError
        If ``smap`` is not a Map.
    """
    if not isinstance(smap, sunpy.map.GenericMap):
        msg = f"{name} must be a sunpy Map (sunpy.map.Map(path) opens a file), got {type(smap).__name__}."
        raise TypeError(msg)
    cards = {card: _plain(value) for card, value in smap.meta.items() if not _FURTHER_AXES.fullmatch(card)}
    for card in _COMMENTARY.intersection(cards):  # astropy's class for them, which no other format takes
        if isinstance(cards[card], Iterable) and not isinstance(cards[card], str):
            cards[card] = "\n".join(map(str, cards[card]))
    remarks = _remove_missing(cards)
    if not remarks and len(cards) == len(smap.meta) and all(cards[card] is smap.meta[card] for card in cards):
        return smap, []
    return type(smap)(smap.data, cards, mask=smap.mask), remarks


def _plain(value: Any) -> Any:
    """Text or number for a FITS card; a value of another kind is returned as it is."""
    if value is np.ma.masked:
        return math.nan
    is_array = (
        type(value) is np.ndarray and value.ndim == 0
    )  # A Quantity has a unit, which may not be that of the card.
    if is_array or (isinstance(value, np.generic) and not isinstance(value, float | str)):
        value = value.item()
    if isinstance(value, bytes):
        return value.decode("ascii", "replace")
    if isinstance(value, datetime.datetime | Time):
        return parse_time(value).isot
    return value


def _is_missing(value: Any) -> bool:
    if isinstance(value, str):
        return _MISSING_TEXT.fullmatch(value) is not None
    return value is None or value in _MISSING_NUMBERS or (isinstance(value, float) and math.isnan(value))


def _remove_missing(cards: dict[str, Any]) -> list[str]:
    """Remove the dates and exposures that are missing from the cards, and say what is used instead."""
    present = {card for card in (*DATE_CARDS, *_INSTEAD) if card in cards}
    missing = {card for card in present if _is_missing(cards[card])}
    remarks = []
    dates = present.intersection(DATE_CARDS)
    if dates and dates <= missing:
        start = _start({card: cards[card] for card in present - missing})
        if start is None:
            missing -= dates  # The reader refuses the map, and names the card.
        else:
            remarks.append(f"smap has no date in {min(dates).upper()}; {start} is computed from T_OBS.")
            cards["date-obs"] = start
            missing.discard("date-obs")
    for card in missing:
        del cards[card]
    return remarks + [
        f"smap has {card.upper()} marked as missing; {instead}."
        for card, instead in _INSTEAD.items()
        if card in missing
    ]


def _start(cards: dict[str, Any]) -> str | None:
    """Start of the exposure, from T_OBS and INTERVAL; `None` if they do not say it."""
    try:
        return (parse_record_time(cards["t_obs"]) - float(cards.get("interval", 0)) / 2 * u.s).isot
    except (KeyError, TypeError, ValueError):
        return None
