"""When a magnetogram was taken, and how long that took."""

import math

from astropy.time import Time
from sunpy.time import parse_time

__all__ = ["exposure_time", "observation_time"]

_LONGEST = 86400.0  # seconds


def observation_time(smap):
    """
    Middle of the exposure.

    ``T_OBS`` where there is one: sunpy's date is the start of the exposure for MDI and its middle for HMI.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The Map.

    Returns
    -------
    `astropy.time.Time`
        UTC.
    """
    card = str(smap.meta.get("t_obs") or "")
    if not card:
        return smap.date
    day, _, clock = card.removesuffix("Z").removesuffix("_TAI").replace("T", "_").partition("_")
    scale = "tai" if card.endswith("_TAI") else "utc"
    return Time(f"{day.replace('.', '-')}T{clock or '00:00:00'}", scale=scale).utc


def exposure_time(smap, *, name="smap"):
    """
    Seconds over which an MDI magnetogram was averaged: about 30 or 300.

    The INTERVAL card; where there is none (SMARP), twice the time from the start of the exposure (DATE-OBS) to its
    middle (T_OBS).

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The Map.
    name : `str`
        Of the argument, for messages.

    Returns
    -------
    `float` or `None`
        `None` if the header does not say.

    Raises
    ------
    ValueError
        If INTERVAL is no time.
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
