"""Records and exports of JSOC."""

import collections
import dataclasses
import http.client
import json
import re
import time
from urllib.error import HTTPError, URLError

import astropy.units as u
import drms
import numpy as np
from astropy.time import Time

from sunpy_magsr._files import whole_file
from sunpy_magsr.maps.header import ALLOWED_QUALITY, LARGEST_MISSVALS

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
    """Ask the archive for the records of a time span."""
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
    """Match each MDI frame with the HMI frame that is closest in time."""
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


_ATTEMPTS = 6
_T_REC = re.compile(r"\[(\d{4}\.\d\d\.\d\d_\d\d:\d\d:\d\d(?:_TAI)?)\]")
_SERVER_ERROR = 500


def make_client(email, *, wait, server=None):
    """Make a client of the archive."""
    config = "jsoc" if server is None else _config(server)
    try:
        return persistently(lambda: drms.Client(config, email=email), wait=wait)
    except ValueError as error:
        msg = f"email must be an address that is registered at JSOC, got {email!r}."
        raise ValueError(msg) from error


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


def persistently(function, *, wait, attempts=_ATTEMPTS):
    """Call a function again as long as the network or the server fails."""
    for attempt in range(attempts):
        try:
            return function()
        except HTTPError as error:
            error.close()
            if error.code < _SERVER_ERROR or attempt == attempts - 1:
                raise
        except (URLError, ConnectionError, TimeoutError, http.client.HTTPException, json.JSONDecodeError) as error:
            if attempt == attempts - 1:
                msg = f"the archive does not answer after {attempts} attempts: {error}"
                raise OSError(msg) from error
        time.sleep(wait * 2**attempt)
    return None


class Exports:
    """
    Requests for files that the archive prepares.

    The requests are stored in a file, so that after an interruption the next run continues with the same requests.

    Parameters
    ----------
    client : `drms.Client`
        Client of the archive.
    path : `pathlib.Path`
        JSON file in which the requests are stored: series and nominal times by the id of the request.
    wait : `float`
        Seconds before a second attempt; see `persistently`. Between two questions whether the files are ready, five
        times as many seconds pass.
    """

    def __init__(self, client, path, *, wait):
        self.client, self.path, self.wait = client, path, wait
        self._known = json.loads(path.read_text()) if path.is_file() else {}

    def urls(self, frames):
        """Ask for the files of frames, and wait until the archive has prepared them."""
        wanted = {frame.t_rec for frame in frames}
        found = {}
        for request_id, facts in list(self._known.items()):
            if facts["series"] == frames[0].series.name and wanted & set(facts["t_rec"]) - set(found):
                found |= self._of_known(request_id)
        missing = sorted(wanted - set(found))
        if missing:
            request = self._submit(frames[0].series, missing)
            found |= self._finished(request)
        return {t_rec: url for t_rec, url in found.items() if t_rec in wanted}

    def forget(self, frames):
        """Forget the requests of frames whose URLs have failed, so that `urls` asks for their files again."""
        gone = {(frame.series.name, frame.t_rec) for frame in frames}
        for request_id, facts in list(self._known.items()):
            if any((facts["series"], t_rec) in gone for t_rec in facts["t_rec"]):
                self._remember(request_id, None)

    def _of_known(self, request_id):
        try:
            request = persistently(lambda: self.client.export_from_id(request_id), wait=self.wait)
            return self._finished(request)
        except drms.DrmsError:  # the archive keeps requests for some days only
            self._remember(request_id, None)
            return {}

    def _submit(self, series, times):
        records = f"{series.name}[{','.join(times)}]{{{series.segment}}}"
        options = {"method": "url", "protocol": "fits"}
        request = persistently(lambda: self.client.export(records, **options), wait=self.wait)
        if request.id is not None:
            self._remember(request.id, {"series": series.name, "t_rec": list(times)})
        return request

    def _finished(self, request):
        persistently(lambda: request.wait(sleep=5 * self.wait), wait=self.wait)
        found = {}
        for _, row in request.urls.iterrows():
            match = _T_REC.search(str(row["record"]))
            if match:
                found[f"{match[1].removesuffix('_TAI')}_TAI"] = row["url"]
        return found

    def _remember(self, request_id, facts):
        self._known = {key: value for key, value in self._known.items() if key != request_id}
        if facts:
            self._known[request_id] = facts
        with whole_file(self.path) as stream:
            stream.write((json.dumps(self._known, indent=1) + "\n").encode())
