"""When a magnetogram was taken, and how long that took."""

from astropy.time import Time

__all__ = ["exposure_time", "observation_time"]


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


def exposure_time(smap):
    """
    Seconds over which an MDI magnetogram was averaged: about 30 or 300.

    The INTERVAL card; where there is none (SMARP), twice the time from the start of the exposure (DATE-OBS) to its
    middle (T_OBS).

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The Map.

    Returns
    -------
    `float` or `None`
        `None` if the header does not say.
    """
    interval = smap.meta.get("interval")
    if interval:
        return float(interval)
    if not (smap.meta.get("t_obs") and smap.meta.get("date-obs")):
        return None
    seconds = 2 * (observation_time(smap) - Time(smap.meta["date-obs"], scale="utc")).sec
    return seconds if seconds > 0 else None
