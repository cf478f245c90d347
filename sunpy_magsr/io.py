"""Results as files: FITS, Zarr cubes and movies."""

from sunpy_magsr.maps.cube import cube_map, write_cube
from sunpy_magsr.maps.fits import read_fits, write_fits
from sunpy_magsr.maps.movie import write_movie

__all__ = ["cube_map", "read_fits", "write_cube", "write_fits", "write_movie"]
