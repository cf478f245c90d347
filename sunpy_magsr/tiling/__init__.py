"""Tiles of frames, and random numbers that belong to places in the frame."""

from sunpy_magsr.tiling.noise import noise_field
from sunpy_magsr.tiling.tiles import Tile, tiles

__all__ = ["Tile", "noise_field", "tiles"]
