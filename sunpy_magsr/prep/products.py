"""The instrument of a magnetogram, and the component of the field that it shows, found from its header."""

from __future__ import annotations

import dataclasses
import functools
import re
import tomllib
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sunpy.map import GenericMap

__all__ = ["COMPONENTS", "Product", "product_of"]

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

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        Map of any instrument and quantity.
    name : `str`
        Name of the file of the Map. It is used if the header does not say the component. Defaults to an empty string.

    Returns
    -------
    `Product`
        Instrument and component.
    """
    instrument, components = _instrument(smap)
    for source, words in _said(smap, name):
        for row in _table()["component"] if words else ():
            if row.get(source) and _fits(row[source], source, words):
                refused = f"{row['must_be']}, got {_named(source, words)}" if "must_be" in row else ""
                return Product(instrument, row["name"], refused)
    if len(components) == 1:
        return Product(instrument, components[0])
    return Product(instrument, "", told=False)


def _named(source, words):
    """What a map was recognized by, in words for an error message."""
    words = words[:80]
    return {
        "segment": f"the segment {words!r}",
        "series": f"the series {words!r}",
        "text": repr(words),
        "file": f"a file of the name {words!r}",
    }[source]


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
