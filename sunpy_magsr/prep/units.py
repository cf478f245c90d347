"""The unit of a magnetogram."""

import re

import astropy.units as u

__all__ = ["magnetic_unit"]

_MAXWELL_PER_SQUARE_CM = re.compile(r"^\s*mx\s*(/\s*cm\s*(\^|\*\*)?\s*2|\s*cm\s*(\^|\*\*)?\s*-2)\s*$", re.IGNORECASE)


def magnetic_unit(smap):
    """
    Unit of a Map's data, which must be one of magnetic field.

    ``Mx/cm^2``, which the SHARP and SMARP series carry, is 1 G. sunpy reads it for HMI maps only.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The map.

    Returns
    -------
    `astropy.units.Unit`
        Convertible to Gauss.

    Raises
    ------
    ValueError
        If there is no unit or it is not one of magnetic field.
    """
    card = str(smap.meta.get("bunit") or "").strip()
    if _MAXWELL_PER_SQUARE_CM.match(card):
        return u.G
    if not card:
        msg = (
            "smap must have a unit of magnetic field, got none (no BUNIT card). "
            "If the data are in Gauss, set smap.meta['bunit'] = 'G'."
        )
        raise ValueError(msg)
    unit = smap.unit
    if unit is None or not unit.is_equivalent(u.G):
        msg = f"smap must have a unit of magnetic field such as G, Mx/cm^2 or mT, got {card!r}."
        raise ValueError(msg)
    return unit
