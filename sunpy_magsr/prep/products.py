"""What instrument a magnetogram is of, and which component of the field it shows."""

import dataclasses
import functools
import re
import tomllib
from importlib import resources

__all__ = ["COMPONENTS", "Product", "product_of"]

#: Components of the field: along the line of sight; radial; and the two transverse ones, as SHARP names them.
COMPONENTS = ("los", "br", "bp", "bt")
_INSTRUMENT_CARDS = ("instrume", "telescop", "detector", "camera", "drms_id", "origin", "obs-site")
_TEXT_CARDS = ("content", "dpc_obsr", "physparm", "obs_type", "btype", "imtype")
_SEGMENT_OF_FILE = re.compile(r"_TAI\.([a-z]\w*)\.fits?(\.gz|\.fz)?$", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Product:
    """
    What a magnetogram is.

    Attributes
    ----------
    instrument : `str`
        A name of ``data/products.toml``, or what the header says in capitals.
    component : `str`
        One of `COMPONENTS`; empty if it is not said, or if it is none.
    refused : `str`
        What it must be and what it is, if it is no magnetogram; else empty.
    told : `bool`
        Whether the component is known from the instrument or its header; if not, the line of sight is a guess.
    """

    instrument: str
    component: str
    refused: str = ""
    told: bool = True

    @property
    def is_radial(self):
        """Whether it is a component of the vector field rather than the field along the line of sight."""
        return self.component in COMPONENTS[1:]


def product_of(smap, *, name=""):
    """
    Find out what a Map is.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The Map.
    name : `str`
        Of its file, which counts where the header does not say.

    Returns
    -------
    `Product`
        As ``data/products.toml`` has it.
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
    words = words[:80]
    return {
        "segment": f"the segment {words!r}",
        "series": f"the series {words!r}",
        "text": repr(words),
        "file": f"a file of the name {words!r}",
    }[source]


def _said(smap, name):
    """Yield where something may be said of the component, and the words."""
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
