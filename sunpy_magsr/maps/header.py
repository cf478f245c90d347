"""Cards of headers: plain values, units, products, quality and times of observation."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import math
import re
import tomllib
from collections.abc import Iterable
from importlib import resources
from typing import Any

import astropy.units as u
import numpy as np
import sunpy.map
from astropy.time import Time
from sunpy.map import GenericMap
from sunpy.time import parse_time

_LONGEST = 86400.0  # seconds


def observation_time(smap: GenericMap) -> Time:
    """
    Find the middle of the exposure.

    It is the T_OBS card if there is one, otherwise the date of the Map. (The date that sunpy reads is the start of the
    exposure for MDI and its middle for HMI.)
    """
    card = smap.meta.get("t_obs")
    return parse_record_time(card) if card else smap.date


def parse_record_time(card: str) -> Time:
    """Read a time in the form of JSOC's records."""
    card = str(card)
    day, _, clock = card.removesuffix("Z").removesuffix("_TAI").replace("T", "_").partition("_")
    scale = "tai" if card.endswith("_TAI") else "utc"
    return Time(f"{day.replace('.', '-')}T{clock or '00:00:00'}", scale=scale).utc


def exposure_time(smap: GenericMap, *, name: str = "smap") -> float | None:
    """
    Find how many seconds an MDI magnetogram was averaged over: about 30 or 300.

    It is the INTERVAL card if there is one. Otherwise (SMARP) it is twice the time from the start of the exposure
    (DATE-OBS) to its middle (T_OBS).
    """
    interval = smap.meta.get("interval")
    if interval:
        try:
            seconds = float(interval)
        except (TypeError, ValueError):
            seconds = math.nan
        if not 0 < seconds < _LONGEST:
            msg = f"{name} must have an INTERVAL card in seconds, up to {_LONGEST:g}, or none, got {interval!r}."
            raise ValueError(msg)
        return seconds
    if not (smap.meta.get("t_obs") and smap.meta.get("date-obs")):
        return None
    seconds = 2 * (observation_time(smap) - parse_time(smap.meta["date-obs"])).sec
    return seconds if seconds > 0 else None


#: Bits that may be set in the QUALITY card. 0x200 is set in all MDI frames, 0x10400 in every second HMI frame of some series.
ALLOWED_QUALITY = 0x10600
#: Largest number of missing pixels that the MISSVALS card may state.
LARGEST_MISSVALS = 200_000


_MAXWELL_PER_SQUARE_CM = re.compile(r"^\s*mx\s*(/\s*cm\s*(\^|\*\*)?\s*2|\s*cm\s*(\^|\*\*)?\s*-2)\s*$", re.IGNORECASE)


def magnetic_unit(smap: GenericMap, *, name: str = "smap") -> u.UnitBase:
    """
    Find the unit of a Map's data, which must be a unit of magnetic field.

    Two cards are read beyond what sunpy reads: ``Mx/cm^2``, which is 1 G, in maps of all instruments (the SHARP and SMARP
    series have it), and ``_BUNIT``, which JSOC's exports of 2025 have instead of ``BUNIT``.
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
    unit = _parse_unit(smap, text) if isinstance(text, str) else None
    if not isinstance(unit, u.UnitBase) or not unit.is_equivalent(u.G):  # A logarithmic unit is no UnitBase.
        msg = f"{name} must have a unit of magnetic field such as G, Mx/cm^2 or mT, got {text!r:.80}."
        raise ValueError(msg)
    return unit


def _parse_unit(smap, text):
    if _MAXWELL_PER_SQUARE_CM.match(text):
        return u.G
    try:
        return smap.unit if smap.meta.get("bunit") else u.Unit(text)
    except (AttributeError, TypeError, ValueError):  # sunpy raises the first of these for a logarithmic unit
        return None


#: Names of the components of the field: along the line of sight, radial, and the two transverse ones, as SHARP names them.
COMPONENTS = ("los", "br", "bp", "bt")
_INSTRUMENT_CARDS = ("instrume", "telescop", "detector", "camera", "drms_id", "origin", "obs-site")
_TEXT_CARDS = ("content", "dpc_obsr", "physparm", "obs_type", "btype", "imtype")
_SEGMENT_OF_FILE = re.compile(r"_TAI\.([a-z]\w*)\.fits?(\.gz|\.fz)?$", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Product:
    """
    Instrument and component of a map.

    `product_of` finds them. A map that shows no component of the field is refused as input.

    Parameters
    ----------
    instrument : `str`
        Name of the instrument from ``data/products.toml``. For instruments that are not in this table, the name in the
        header in capital letters.
    component : `str`
        One of `COMPONENTS`. It is empty if the header does not say it, or if the map shows no component of the field.
    refused : `str`
        Words for an error message, if the map is no magnetogram: what it must be and what it is. Defaults to an empty
        string.
    told : `bool`
        Whether the header or the instrument says which component it is. If not, the line of sight is a guess. Defaults to
        `True`.
    """

    instrument: str
    component: str
    refused: str = ""
    told: bool = True

    @property
    def is_radial(self) -> bool:
        """Whether the map shows a component of the vector field rather than the field along the line of sight."""
        return self.component in COMPONENTS[1:]


def product_of(smap: GenericMap, *, name: str = "") -> Product:
    """
    Find out from which instrument a Map is and which component of the field it shows.

    The header is compared with the table ``data/products.toml`` of the package.
    """
    instrument, components = _instrument(smap)
    for source, words in _said(smap, name):
        for row in _table()["component"] if words else ():
            if row.get(source) and _fits(row[source], source, words):
                refused = f"{row['must_be']}, got {_name_source(source, words)}" if "must_be" in row else ""
                return Product(instrument, row["name"], refused)
    if len(components) == 1:
        return Product(instrument, components[0])
    return Product(instrument, "", told=False)


def _name_source(source, words):
    """What a map was recognized by, in words for an error message."""
    kinds = {"segment": "the segment ", "series": "the series ", "text": "", "file": "a file of the name "}
    return f"{kinds[source]}{words[:80]!r}"


def _said(smap, name):
    """Yield the kind of each place that may say the component, and the words that are there."""
    series, _, segment = str(smap.meta.get("drms_id") or "").rpartition(":")
    files = (name, str(smap.meta.get("filename") or ""))
    yield "segment", segment if series else ""
    for found in map(_SEGMENT_OF_FILE.search, files):
        yield "segment", found[1] if found else ""
    yield "text", " ".join(str(smap.meta[card]) for card in _TEXT_CARDS if smap.meta.get(card))
    yield "series", series.partition(":")[0]
    for file in files:
        yield "file", file


def _fits(pattern, source, words):
    """Find out whether words match the pattern of a row of the table."""
    find = re.fullmatch if source == "segment" else re.search
    return find(pattern, words.strip(), re.IGNORECASE) is not None


def _instrument(smap):
    """Name of the instrument, and the components that its magnetograms may show."""
    own = smap.meta.get("instrume")
    said = [
        str((smap.instrument if isinstance(own, str | None) else own) or ""),
        *(str(smap.meta.get(card) or "") for card in _INSTRUMENT_CARDS),
    ]
    for row in _table()["instrument"]:
        if any(re.search(row["pattern"], words, re.IGNORECASE) for words in said):
            return row["name"], row["components"]
    return (said[0] or str(smap.meta.get("telescop") or "") or "unknown").upper(), COMPONENTS


@functools.cache
def _table():
    return tomllib.loads((resources.files("sunpy_magsr") / "data" / "products.toml").read_text(encoding="utf-8"))


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
    is_array = type(value) is np.ndarray and value.ndim == 0  # a Quantity may have another unit than the card
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
