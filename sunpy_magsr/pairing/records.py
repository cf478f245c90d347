"""Records of the archive: how they are found, selected by their quality, and matched in time."""

import collections
import dataclasses

import astropy.units as u
import numpy as np
from astropy.time import Time

from sunpy_magsr.prep.quality import ALLOWED_QUALITY, LARGEST_MISSVALS

__all__ = ["HMI", "MDI", "Frame", "Series", "match_frames", "query_frames"]

_STAMP = "%Y.%m.%d_%H:%M:%S_TAI"
_KEYS = ("T_REC", "T_OBS", "QUALITY", "MISSVALS")
_EARLIEST = Time("1995-12-01", scale="tai")  # what the archive says for an unknown time is long before


@dataclasses.dataclass(frozen=True)
class Series:
    """
    Series of magnetograms in the archive.

    This module has two of them, `MDI` and `HMI`.

    Parameters
    ----------
    name : `str`
        Name in the archive, such as ``hmi.M_720s``.
    segment : `str`
        Segment of the series that holds the magnetogram.
    folder : `str`
        Name of the folder for its files.
    megabytes : `float`
        Approximate size of a file as the archive exports it.
    """

    name: str
    segment: str
    folder: str
    megabytes: float


MDI = Series("mdi.fd_M_96m_lev182", "data", "mdi", 1.5)
HMI = Series("hmi.M_720s", "magnetogram", "hmi", 14.0)


@dataclasses.dataclass(frozen=True)
class Frame:
    """
    One record of a series.

    Parameters
    ----------
    series : `Series`
        Series of the record.
    t_rec : `str`
        Nominal time, by which the archive finds the record, such as ``2011.04.01_00:00:00_TAI``.
    t_obs : `~astropy.time.Time`
        Time of the middle of the exposure.
    """

    series: Series
    t_rec: str
    t_obs: Time

    @property
    def stamp(self):
        """Nominal time as in names of files, such as ``20110401_000000``."""
        return self.t_rec.removesuffix("_TAI").replace(".", "").replace(":", "")

    @property
    def file_name(self):
        """Name of its file, without folders."""
        return f"{self.series.name}.{self.stamp}_TAI.{self.series.segment}.fits"

    @property
    def path(self):
        """Path of its file in the folder of pairs."""
        return f"{self.series.folder}/{self.stamp[:4]}/{self.stamp[4:6]}/{self.file_name}"


def query_frames(client, series, start, end):
    """
    Ask the archive for the records of a time span.

    Parameters
    ----------
    client : `drms.Client`
        Client of the archive.
    series : `Series`
        Series of the records.
    start, end : `~astropy.time.Time`
        First and last nominal time.

    Returns
    -------
    frames : `list` of `Frame`
        Records of sufficient quality, sorted by time of observation.
    rejected : `collections.Counter`
        Number of the other records, by reason.
    """
    times = "-".join(time.tai.strftime(_STAMP) for time in (start, end))
    table = client.query(f"{series.name}[{times}]", key=",".join(_KEYS), convert_numeric=False)
    frames, rejected = [], collections.Counter()
    for _, row in table.iterrows():
        observed = _time_of(row.get("T_OBS"))
        quality, missing = (_whole(row.get(key)) for key in ("QUALITY", "MISSVALS"))
        if observed is None:
            rejected[f"{series.name}: no T_OBS"] += 1
        elif quality is not None and quality & ~ALLOWED_QUALITY:
            rejected[f"{series.name}: QUALITY with bits beyond {ALLOWED_QUALITY:#x}"] += 1
        elif missing is not None and missing > LARGEST_MISSVALS:
            rejected[f"{series.name}: MISSVALS above {LARGEST_MISSVALS}"] += 1
        else:
            frames.append(Frame(series, str(row["T_REC"]), observed))
    return sorted(frames, key=lambda frame: frame.t_obs), rejected


def _time_of(text):
    """Time of a keyword such as T_OBS; `None` if the record has none."""
    day, _, clock = str(text).removesuffix("_TAI").partition("_")
    try:
        time = Time(f"{day.replace('.', '-')}T{clock}", scale="tai")
    except ValueError:
        return None
    return time if time > _EARLIEST else None


def _whole(value):
    """Value of a keyword as an integer; `None` if the series has no such keyword."""
    try:
        return int(value, 0) if isinstance(value, str) else int(value)
    except (TypeError, ValueError):
        return None


def match_frames(mdi, hmi, *, start, cadence, tolerance):
    """
    Match each MDI frame with the HMI frame that is closest in time.

    Parameters
    ----------
    mdi, hmi : `list` of `Frame`
        Frames of each instrument, as `query_frames` returns them.
    start : `~astropy.time.Time`
        Time from which slots of the length ``cadence`` are counted.
    cadence : `~astropy.units.Quantity`
        Length of a time slot. The first pair of each slot is taken.
    tolerance : `~astropy.units.Quantity`
        Largest time between the middles of the two exposures.

    Returns
    -------
    pairs : `list` of `tuple` of `Frame`
        The MDI frame and the HMI frame of each pair. No frame is in two pairs.
    rejected : `collections.Counter`
        Number of MDI frames that are in no pair, by reason.
    """
    pairs, rejected, slots, taken = [], collections.Counter(), set(), set()
    seconds = np.array([(frame.t_obs - start).sec for frame in hmi])
    for low in mdi:
        at = (low.t_obs - start).sec
        nearest = int(np.argmin(np.abs(seconds - at))) if hmi else -1
        slot = int((at + 1e-3) // cadence.to_value(u.s))
        if nearest < 0 or abs(seconds[nearest] - at) > tolerance.to_value(u.s) or nearest in taken:
            rejected[f"no {HMI.name} within {tolerance:g}"] += 1
        elif slot in slots:
            rejected["not needed at this cadence"] += 1
        else:
            slots.add(slot)
            taken.add(nearest)
            pairs.append((low, hmi[nearest]))
    return pairs, rejected
