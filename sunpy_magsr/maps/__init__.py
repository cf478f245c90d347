"""Maps and files: what is read of a Map, and how results are written."""

from sunpy_magsr.maps.fits import read_fits
from sunpy_magsr.maps.reading import Magnetogram, prepare

__all__ = ["Magnetogram", "prepare", "read_fits"]
