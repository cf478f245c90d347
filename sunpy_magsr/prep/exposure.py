"""Time and length of the exposure of a magnetogram."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from astropy.time import Time
from sunpy.time import parse_time

if TYPE_CHECKING:
    from sunpy.map import GenericMap

__all__ = ["exposure_time", "observation_time", "parse_record_time"]

_LONGEST = 86400.0  # seconds


def observation_time(smap: GenericMap) -> Time:
    """
    Find the middle of the exposure.

    It is the T_OBS card if there is one, otherwise the date of the Map. (The date that sunpy reads is the start of the
    exposure for MDI and its middle for HMI.)

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        Map of any instrument, also one without T_OBS.

    Returns
    -------
    `astropy.time.Time`
        Time in UTC.
    """
    card = smap.meta.get("t_obs")
    return parse_record_time(card) if card else smap.date


def parse_record_time(card: str) -> Time:
    """
    Read a time in the form of JSOC's records.

    Parameters
    ----------
    card : `str`
        Time such as ``"2010.07.14_12:48:00_TAI"``. It is in UTC if it does not end with ``_TAI``.

    Returns
    -------
    `astropy.time.Time`
        Time in UTC.
    """
    card = str(card)
    day, _, clock = card.removesuffix("Z").removesuffix("_TAI").replace("T", "_").partition("_")
    scale = "tai" if card.endswith("_TAI") else "utc"
    return Time(f"{day.replace('.', '-')}T{clock or '00:00:00'}", scale=scale).utc


def exposure_time(smap: GenericMap, *, name: str = "smap") -> float | None:
    """
    Find how many seconds an MDI magnetogram was averaged over: about 30 or 300.

    It is the INTERVAL card if there is one. Otherwise (SMARP) it is twice the time from the start of the exposure
    (DATE-OBS) to its middle (T_OBS).

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        MDI magnetogram.
    name : `str`
        Name of this argument in the error message. Defaults to ``"smap"``.

    Returns
    -------
    `float` or `None`
        Time in seconds, `None` if the header does not say it.

    Raises
    ------
    ValueError
        If the INTERVAL card is not a time.
    """
    interval = smap.meta.get("interval")
    if interval:
        try:
            seconds = float(interval)
        except (TypeError, ValueError):
            seconds = math.nan
        if not 0 < seconds < _LONGEST:
            msg = f"{name} must have an INTERVAL card in seconds, up to {_LONGEST:g}, or none, got {interval!r}."
            raise ValueError(msg)
        return seconds
    if not (smap.meta.get("t_obs") and smap.meta.get("date-obs")):
        return None
    seconds = 2 * (observation_time(smap) - parse_time(smap.meta["date-obs"])).sec
    return seconds if seconds > 0 else None
