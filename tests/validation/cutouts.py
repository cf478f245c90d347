"""Cutouts of Maps."""

import astropy.units as u


def cut(smap, y, x, rows, columns):
    """Cut a window out of a Map, by its lower left pixel and its size."""
    return smap.submap([x, y] * u.pix, top_right=[x + columns - 1, y + rows - 1] * u.pix)
