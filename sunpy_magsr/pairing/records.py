"""Records of the archive: found, judged by their quality, and matched in time."""

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
    A series of the archive.

    Attributes
    ----------
    name : `str`
        Of the series.
    segment : `str`
        That holds the magnetogram.
    folder : `str`
        For its files.
    megabytes : `float`
        Size of a file as the archive exports it, about.
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
    A record of a series.

    Attributes
    ----------
    series : `Series`
        Which.
    t_rec : `str`
        Its nominal time, which names it: ``2011.04.01_00:00:00_TAI``.
    t_obs : `~astropy.time.Time`
        Middle of the exposure.
    """

    series: Series
    t_rec: str
    t_obs: Time

    @property
    def stamp(self):
        """Such as ``20110401_000000``."""
        return self.t_rec.removesuffix("_TAI").replace(".", "").replace(":", "")

    @property
    def path(self):
        """Of its file in the folder of pairs."""
        name = f"{self.series.name}.{self.stamp}_TAI.{self.series.segment}.fits"
        return f"{self.series.folder}/{self.stamp[:4]}/{self.stamp[4:6]}/{name}"


def query_frames(client, series, start, end):
    """
    Ask for the records of a span.

    Parameters
    ----------
    client : `drms.Client`
        Of the archive.
    series : `Series`
        Which.
    start, end : `~astropy.time.Time`
        Nominal times.

    Returns
    -------
    frames : `list` of `Frame`
        Those that are good enough, in the order of their observation.
    rejected : `collections.Counter`
        How many are not, by reason.
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
    """A time of the archive; `None` if it says that there is none."""
    day, _, clock = str(text).removesuffix("_TAI").partition("_")
    try:
        time = Time(f"{day.replace('.', '-')}T{clock}", scale="tai")
    except ValueError:
        return None
    return time if time > _EARLIEST else None


def _whole(value):
    """An integer; `None` if the series has no such keyword."""
    try:
        return int(value, 0) if isinstance(value, str) else int(value)
    except (TypeError, ValueError):
        return None


def match_frames(mdi, hmi, *, start, cadence, tolerance):
    """
    Pair frames of the two instruments by the middles of their exposures.

    Parameters
    ----------
    mdi, hmi : `list` of `Frame`
        From `query_frames`.
    start : `~astropy.time.Time`
        From which slots of ``cadence`` are counted.
    cadence : `~astropy.units.Quantity`
        The first pair of each slot is taken.
    tolerance : `~astropy.units.Quantity`
        Largest time between the two.

    Returns
    -------
    pairs : `list` of `tuple` of `Frame`
        MDI and HMI. No frame is in two pairs.
    rejected : `collections.Counter`
        How many MDI frames are not in a pair, by reason.
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
