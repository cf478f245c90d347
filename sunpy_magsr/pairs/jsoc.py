"""What JSOC has: frames of MDI and HMI, which of them make pairs, and where it exports their files."""

import bisect
import collections
import contextlib
import dataclasses
import datetime
import http.client
import json
import os
import time
from urllib.error import HTTPError

import drms

from sunpy_magsr.maps.header import ALLOWED_QUALITY, LARGEST_MISSVALS, parse_record_time

#: Environment variable that holds the e-mail address which is registered at JSOC.
EMAIL_VARIABLE = "JSOC_EMAIL"

_STAMP = "%Y.%m.%d_%H:%M:%S_TAI"
_KEYS = ("T_REC", "T_OBS", "QUALITY", "MISSVALS")
_EARLIEST = datetime.datetime(1995, 12, 1)  # an unknown time is a date long before any spacecraft
_SPAN = datetime.timedelta(days=30)  # of one query
_ATTEMPTS = 6


@dataclasses.dataclass(frozen=True)
class Series:
    """Series of magnetograms: its name, the segment with the field, the folder for its files, and their usual size."""

    name: str
    segment: str
    folder: str
    megabytes: float


MDI = Series("mdi.fd_M_96m_lev182", "data", "mdi", 1.5)
HMI = Series("hmi.M_720s", "magnetogram", "hmi", 14.0)


@dataclasses.dataclass(frozen=True)
class Frame:
    """Record of a series: the nominal time that names it, and the middle of the exposure (TAI)."""

    series: Series
    t_rec: str
    t_obs: datetime.datetime

    @property
    def stamp(self):
        """Nominal time as in names of files, such as ``20110401_000000``."""
        return self.t_rec.removesuffix("_TAI").replace(".", "").replace(":", "")

    @property
    def path(self):
        """Path of its file in the folder of pairs."""
        name = f"{self.series.name}.{self.stamp}_TAI.{self.series.segment}.fits"
        return f"{self.series.folder}/{self.stamp[:4]}/{self.stamp[4:6]}/{name}"


def read_tai(card):
    """Read a time such as T_OBS; `None` if it is no time or unknown."""
    try:
        found = parse_record_time(card).tai.datetime
    except ValueError:
        return None
    return found if found > _EARLIEST else None


class Archive:
    """JSOC, or another server of its protocol. Each question is asked again if the server does not answer."""

    def __init__(self, email, *, server, wait):
        self.wait, self.client = wait, None
        email = email or os.environ.get(EMAIL_VARIABLE, "")
        if "@" in email:
            with contextlib.suppress(ValueError):  # the archive does not know the address
                self.client = self._ask(lambda: drms.Client(_config(server) if server else "jsoc", email=email))
        if self.client is None:
            msg = (
                "email must be an address that is registered at JSOC (http://jsoc.stanford.edu/ajax/register_email.html), "
                f"by --email or the environment variable {EMAIL_VARIABLE}, got {email!r}."
            )
            raise ValueError(msg)

    def _ask(self, question):
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(self.wait * 2 ** (attempt - 1))
            try:
                return question()
            except (OSError, http.client.HTTPException, json.JSONDecodeError) as error:
                if isinstance(error, HTTPError):
                    error.close()
                failure = error
        msg = f"the archive does not answer after {_ATTEMPTS} attempts: {failure}"
        raise OSError(msg) from failure

    def frames(self, series, start, end):
        """Find the good frames of a time span, in the order of their exposures, and count the others by reason."""
        found, rejected = {}, collections.Counter()
        while start < end:
            until = min(start + _SPAN, end)
            for row in self._query(series, start, until):
                observed = read_tai(row.get("T_OBS"))
                quality, missing = (_integer(row.get(key)) for key in ("QUALITY", "MISSVALS"))
                if observed is None:
                    rejected[f"{series.name}: no T_OBS"] += 1
                elif quality & ~ALLOWED_QUALITY:
                    rejected[f"{series.name}: QUALITY with bits beyond {ALLOWED_QUALITY:#x}"] += 1
                elif missing > LARGEST_MISSVALS:
                    rejected[f"{series.name}: MISSVALS above {LARGEST_MISSVALS}"] += 1
                else:
                    found[row["T_REC"]] = Frame(series, row["T_REC"], observed)
            start = until
        return sorted(found.values(), key=lambda frame: frame.t_obs), rejected

    def _query(self, series, start, end):
        records = f"{series.name}[{start:{_STAMP}}-{end:{_STAMP}}]"
        # drms would make numbers of the cards, and nothing of a hexadecimal QUALITY for some versions of pandas
        return self._ask(lambda: self.client.query(records, key=_KEYS, convert_numeric=False)).to_dict("records")

    def export(self, frames):
        """Let the archive prepare files of one series: the URLs by frame, and for other frames why there is none."""
        series = frames[0].series
        records = f"{series.name}[{','.join(frame.t_rec for frame in frames)}]{{{series.segment}}}"
        try:
            request = self._ask(lambda: self.client.export(records, method="url", protocol="fits"))
            self._ask(lambda: request.wait(sleep=5 * self.wait))
        except drms.DrmsError as error:
            if len(frames) == 1:
                return {}, {frames[0]: str(error)}
            # it does not say which frame it refuses, so that is found by halving
            halves = [self.export(part) for part in (frames[: len(frames) // 2], frames[len(frames) // 2 :])]
            return halves[0][0] | halves[1][0], halves[0][1] | halves[1][1]
        table = request.urls
        times = table["record"].str.extract(r"\[(.+?)\]", expand=False)
        known = dict(zip(times, table["url"], strict=True))
        urls = {frame: known[frame.t_rec] for frame in frames if frame.t_rec in known}
        return urls, {frame: "the archive has no file of it" for frame in frames if frame not in urls}


def _config(server):
    base = server.rstrip("/") + "/"
    return drms.ServerConfig(
        name="custom",
        cgi_baseurl=f"{base}cgi-bin/ajax/",
        cgi_show_series="show_series",
        cgi_jsoc_info="jsoc_info",
        cgi_jsoc_fetch="jsoc_fetch",
        cgi_check_address="checkAddress.sh",
        http_download_baseurl=base,
    )


def _integer(text):
    """Value of a keyword; 0 if the series has no such keyword."""
    try:
        return int(text, 0)
    except (TypeError, ValueError):
        return 0


def find_pairs(archive, *, start, end, cadence, tolerance):
    """
    Match each MDI frame with the HMI frame that is closest in time; at most one pair for each slot of the cadence.

    Returns pairs of frames, and the number of frames that are in no pair, by reason.
    """
    mdi, rejected = archive.frames(MDI, start, end)
    margin = tolerance + datetime.timedelta(minutes=12)  # nominal times may be an exposure away from the true ones
    hmi, more = archive.frames(HMI, start - margin, end + margin)
    rejected += more
    times = [frame.t_obs for frame in hmi]
    pairs, slots, taken = [], set(), set()
    for low in mdi:
        if low.t_obs >= end:  # the archive's spans hold their ends
            continue
        after = bisect.bisect(times, low.t_obs)
        near = hmi[max(after - 1, 0) : after + 1]
        high = min(near, key=lambda frame, at=low.t_obs: abs(frame.t_obs - at), default=None)
        slot = (low.t_obs - start + datetime.timedelta(milliseconds=1)) // cadence
        if high is None or abs(high.t_obs - low.t_obs) > tolerance or high in taken:
            rejected[f"no {HMI.name} within {tolerance.total_seconds() / 60:g} min"] += 1
        elif slot in slots:
            rejected["not needed at this cadence"] += 1
        else:
            slots.add(slot)
            taken.add(high)
            pairs.append((low, high))
    return pairs, rejected
