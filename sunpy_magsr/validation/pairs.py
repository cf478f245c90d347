"""True pairs: a low-resolution magnetogram of one instrument and the high-resolution one of another."""

from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.time import Time
from sunpy.coordinates import propagate_with_solar_surface
from sunpy.map import Map

from sunpy_magsr.forward_model.gain import MDI_GAIN
from sunpy_magsr.metadata import finer_header
from sunpy_magsr.prep import prepare
from sunpy_magsr.prep.disk import valid_pixels
from sunpy_magsr.prep.units import magnetic_unit
from sunpy_magsr.validation.regions import Region, component_of, file_digest, open_magnetogram

__all__ = ["observation_time", "paired_region", "read_pairs"]

_FACTOR = 4
_LARGEST_DELAY = 30 * u.min


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


def paired_region(low, high, *, name, sha256=""):
    """
    Bring the high-resolution magnetogram onto the x4 grid of the low-resolution one.

    The truth is moved with the surface from its time to the other's and interpolated (adaptively, with flux weights
    of DeForest 2004, :doi:`10.1023/B:SOLA.0000021743.24248.b0`).

    Parameters
    ----------
    low, high : `sunpy.map.GenericMap`
        The two; not changed.
    name, sha256 : `str`
        For the `Region`.

    Returns
    -------
    `Region`
        With the gain of MDI if ``low`` is from MDI and ``high`` is not.

    Raises
    ------
    ValueError
        If they do not overlap.
    """
    magnetogram = prepare(low)
    shape = tuple(_FACTOR * side for side in magnetogram.data.shape)
    grid = Map(np.zeros(shape, np.float32), finer_header(low, (_FACTOR, _FACTOR), (0, 0), shape))
    data = np.where(valid_pixels(high), high.data, np.nan) * magnetic_unit(high).to(u.G)
    source = Map(data, high.meta)
    with propagate_with_solar_surface():
        truth = source.reproject_to(grid.wcs, algorithm="adaptive").data.astype(np.float32)
    truth[~magnetogram.valid.repeat(_FACTOR, 0).repeat(_FACTOR, 1)] = np.nan
    if not np.isfinite(truth).any():
        msg = f"--paired must hold magnetograms that overlap with those of --data, and {name} has no common pixel."
        raise ValueError(msg)
    is_mdi = magnetogram.instrument == "MDI" and not str(high.instrument).upper().startswith("MDI")
    scales = u.Quantity([scale / _FACTOR for scale in magnetogram.plate_scale])
    return Region(name, truth, magnetogram, scales, sha256, MDI_GAIN if is_mdi else 1.0)


def read_pairs(folder, low_folder, *, component="los", largest_delay=_LARGEST_DELAY):
    """
    Read every high-resolution magnetogram of a folder with the low-resolution one nearest in time.

    Parameters
    ----------
    folder, low_folder : `str` or `pathlib.Path`
        Both searched at all depths for ``*.fits``.
    component : {"los", "br", "bp", "bt"}
        Of the high-resolution files.
    largest_delay : `~astropy.units.Quantity`
        Between the two observations.

    Returns
    -------
    regions : `list` of `~sunpy_magsr.validation.regions.Region`
        In the order of their names.
    failed : `dict`
        What is wrong with the other files, by name.

    Raises
    ------
    ValueError
        If no pair is left.
    """
    failed, lows, regions = {}, [], []
    for path in sorted(Path(low_folder).rglob("*.fits")):
        try:
            smap = open_magnetogram(path)
            lows.append((path, smap, observation_time(smap)))
        except Exception as error:  # noqa: BLE001  whatever a damaged file raises, the others go on
            failed[path.name] = _reason(error)
    for path in sorted(Path(folder).rglob("*.fits")):
        try:
            high = open_magnetogram(path)
            if component_of(high, path.name) != component:
                continue
            time = observation_time(high)
            low_path, low, delay = min(((p, m, abs(t - time)) for p, m, t in lows), key=lambda item: item[2].sec)
            if delay.to(u.min) > largest_delay:
                failed[path.name] = f"the nearest in time of --paired, {low_path.name}, is {delay.to(u.min):.0f} away"
                continue
            digest = f"{file_digest(path)}+{file_digest(low_path)}"
            regions.append(paired_region(low, high, name=path.name, sha256=digest))
        except Exception as error:  # noqa: BLE001  as above
            failed[path.name] = _reason(error)
    if not regions:
        reasons = "".join(f"; {name}: {reason}" for name, reason in failed.items())
        msg = f"--paired must hold a partner in time for a magnetogram of --data, got none in {low_folder}{reasons}."
        raise ValueError(msg)
    return regions, failed


def _reason(error):
    return " ".join(str(error).split()) or type(error).__name__
