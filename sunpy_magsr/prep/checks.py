"""Checks of the input of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sunpy_magsr.prep.products import COMPONENTS

if TYPE_CHECKING:
    from sunpy.map import GenericMap

    from sunpy_magsr.prep.products import Product
    from sunpy_magsr.prep.reading import Reading

__all__ = ["MINIMUM_SIDE", "check_component", "check_magnetogram"]

#: Smallest number of rows or columns of an input.
MINIMUM_SIDE = 16
_FAINT = 1e-3  # of the largest value
_UNIPOLAR_SIDE = 32  # pixels; a smaller cutout may lie within a sunspot
_PROVENANCE = "magsrver"


def check_magnetogram(smap: GenericMap, reading: Reading) -> None:
    """
    Raise an error if a Map that could be read cannot be super-resolved.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        Map that a user wants to super-resolve.
    reading : `~sunpy_magsr.prep.reading.Reading`
        What was read from it.

    Raises
    ------
    ValueError
        If it is too small, not a magnetogram, empty, or was super-resolved before.
    """
    if min(smap.data.shape) < MINIMUM_SIDE:
        msg = f"smap must be at least {MINIMUM_SIDE} x {MINIMUM_SIDE} pixels, got shape {smap.data.shape}."
        raise ValueError(msg)
    if _PROVENANCE in smap.meta:
        msg = (
            "smap must be an observation, got a map that was already super-resolved "
            f"(MAGSRVER = {smap.meta[_PROVENANCE]})."
        )
        raise ValueError(msg)
    if reading.product.refused:
        msg = f"smap must be {reading.product.refused}."
        raise ValueError(msg)
    if smap.data.dtype.kind == "b" or smap.data.dtype == "uint8" or any(key.startswith("hv_") for key in smap.meta):
        msg = "smap must hold measured values, got an 8-bit picture (of Helioviewer or another browser), whose gray is no field."
        raise ValueError(msg)
    if not reading.valid.any():
        msg = "smap must have a valid pixel on the disk, got none (all NaN, masked or off the disk)."
        raise ValueError(msg)
    values = reading.data[reading.valid]
    if min(smap.data.shape) < _UNIPOLAR_SIDE:
        return
    # A source on an empty field and a field of one value pass, as people try such fields.
    if 0 <= values.min() < values.max() and np.median(values) > _FAINT * values.max():
        msg = (
            "smap must be a signed component of the field, got no pixel below 0: field strengths, errors and bitmaps "
            "cannot be super-resolved."
        )
        raise ValueError(msg)


def check_component(component: str | None, product: Product) -> str:
    """
    Decide which component of the field a map shows, from what the user and the header say.

    Parameters
    ----------
    component : `str` or `None`
        Component that the user gives.
    product : `~sunpy_magsr.prep.products.Product`
        What the header says.

    Returns
    -------
    `str`
        One of `~sunpy_magsr.prep.products.COMPONENTS`. It is the line of sight if neither says it.

    Raises
    ------
    ValueError
        If ``component`` is not one of them, or not that of the header.
    """
    if component is not None and component not in COMPONENTS:
        msg = f"component must be None or one of {', '.join(map(repr, COMPONENTS))}, got {component!r}."
        raise ValueError(msg)
    if component and product.component and component != product.component:
        msg = f"component must be that of the header of smap, {product.component!r}, or None, got {component!r}."
        raise ValueError(msg)
    return component or product.component or "los"
