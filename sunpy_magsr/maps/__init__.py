"""Preparation of Maps: from a Map to the array, mask and plate scale that a model needs."""

from sunpy_magsr.maps.reading import Magnetogram, prepare

__all__ = ["Magnetogram", "prepare"]
