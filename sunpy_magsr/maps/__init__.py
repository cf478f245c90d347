"""Maps and files: what is read of a Map, and how results are written."""

from sunpy_magsr.maps.files import open_magnetogram
from sunpy_magsr.maps.reading import Magnetogram, prepare

__all__ = ["Magnetogram", "open_magnetogram", "prepare"]
