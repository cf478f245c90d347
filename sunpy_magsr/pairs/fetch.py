"""Pairs of MDI and HMI of the same minute, fetched from JSOC."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import astropy.units as u
import drms
import filelock
from astropy.time import Time
from tqdm.auto import tqdm

from sunpy_magsr.pairs.downloads import DamagedFileError, Manifest, download_files, settle
from sunpy_magsr.pairs.jsoc import HMI, MDI, Exports, make_client, match_frames, persistently, query_frames

if TYPE_CHECKING:
    from sunpy_magsr.pairs.jsoc import Frame


_BATCH = 50  # frames of one request


class Retrieval:
    """
    Downloads into one folder of pairs, which are repeated where they fail.

    Parameters
    ----------
    folder : `pathlib.Path`
        The folder of pairs. It must exist, and no other process may download into it.
    client : `drms.Client`
        Client of the archive.
    workers : `int`
        Number of files that are downloaded at the same time.
    attempts : `int`
        How often the download of a file is tried.
    wait : `float`
        Seconds before the second attempt. The time doubles before each further one.

    Attributes
    ----------
    manifest : ``Manifest``
        The table of the folder's files.
    """

    def __init__(self, folder, client, *, workers, attempts, wait):
        self.folder, self.partial = folder, folder / ".partial"
        self.partial.mkdir(exist_ok=True)
        self.workers, self.attempts, self.wait = workers, attempts, wait
        self.manifest = Manifest(folder)
        self.exports = Exports(client, folder / ".requests.json", wait=wait)

    def missing(self, pairs, *, verify):
        """
        Enter pairs into the manifest, and find out which of their files must be downloaded.

        A complete file that a stopped run left among the partial ones is moved to its place.
        """
        missing = []
        for pair in pairs:
            for frame in pair:
                self.manifest.add(pair[0].stamp, frame)
                left = self.partial / frame.file_name
                if left.is_file():
                    with contextlib.suppress(DamagedFileError):  # the download was interrupted
                        self.manifest.done(frame, settle(left, frame, self.folder))
                if not self.manifest.has(frame, verify=verify):
                    missing.append(frame)
        self.manifest.write()
        return missing

    def download(self, missing, *, progress):
        """Download the files of frames, and enter into the manifest what became of each."""
        batches = [
            frames[first : first + _BATCH]
            for frames in ([one for one in missing if one.series is series] for series in (MDI, HMI))
            for first in range(0, len(frames), _BATCH)
        ]
        with tqdm(total=len(missing), desc="fetch", unit="file", disable=None if progress else True) as bar:
            try:
                for batch in batches:
                    self._download(batch, bar)
                    self.manifest.write()
            finally:
                self.manifest.write()

    def _download(self, batch, bar):
        """Download a batch. Files that fail are tried again, those that the server no longer has only once more."""

        def done(frame, facts):
            self.manifest.done(frame, facts)
            bar.update()

        for attempt in range(self.attempts):
            bar.set_postfix_str("the archive prepares files")
            urls = self._urls(batch)
            bar.set_postfix_str("")
            for frame in batch:
                self.manifest.rows[frame.path]["attempts"] += 1
            batch = [frame for frame in batch if frame.t_rec in urls]
            options = {"workers": self.workers, "done": done}
            failed = download_files(urls, batch, self.folder, self.partial, **options) if batch else {}
            gone = [frame for frame, (_, may_help) in failed.items() if not may_help]
            self.exports.forget(gone)  # the archive deletes the files that it has prepared after some days
            for frame, (why, _) in failed.items():
                self.manifest.failed(frame, why)
            batch = [frame for frame in failed if frame not in gone or attempt == 0]
            if not batch:
                return
            if attempt < self.attempts - 1:
                time.sleep(self.wait * 2**attempt)

    def _urls(self, batch):
        """URLs by nominal time. A batch that the archive refuses is halved until the frame that it refuses is known."""
        try:
            urls = self.exports.urls(batch)
        except drms.DrmsError as error:
            if len(batch) > 1:
                half = len(batch) // 2
                return self._urls(batch[:half]) | self._urls(batch[half:])
            urls, why = {}, str(error)
        else:
            why = "the archive has no file of it"
        for frame in batch:
            if frame.t_rec not in urls:
                self.manifest.failed(frame, why)
        return urls


#: Environment variable that holds the e-mail address which is registered at JSOC.
EMAIL_VARIABLE = "JSOC_EMAIL"
_SPAN = 30 * u.day  # of one query


@dataclasses.dataclass(frozen=True)
class Fetched:
    """
    Result of `fetch_pairs`.

    Parameters
    ----------
    pairs : `int`
        Number of pairs that were found.
    whole : `int` or `None`
        Number of these pairs whose two files are in the folder; `None` if nothing was to be downloaded (``dry_run``).
    rejected : `dict`
        Number of frames that are in no pair, by reason.
    failed : `dict`
        Files that could not be downloaded: the reason by the path in the folder.
    files : `int`
        Number of files that were downloaded.
    megabytes : `float`
        Size of these files.
    seconds : `float`
        How long the download took.
    expected : `float`
        Approximate size in megabytes of the files that were missing at the start.
    """

    pairs: int
    whole: int | None
    rejected: dict[str, int]
    failed: dict[str, str]
    files: int
    megabytes: float
    seconds: float
    expected: float

    def summary(self) -> str:
        """Summarize the result for a terminal."""
        if self.whole is None:
            lines = [f"{self.pairs} pairs found; {self.expected:.0f} MB to download."]
        else:
            speed = self.megabytes / self.seconds if self.seconds else 0
            lines = [
                f"{self.pairs} pairs found, {self.whole} pairs whole; {self.files} files of {self.megabytes:.1f} MB in "
                f"{self.seconds:.0f} s ({speed:.2f} MB/s)."
            ]
        lines += [f"{count} frames in no pair: {why}." for why, count in sorted(self.rejected.items())]
        return "\n".join(lines)


def find_pairs(
    client: drms.Client, *, start: Time, end: Time, cadence: u.Quantity, tolerance: u.Quantity, wait: float
) -> tuple[list[tuple[Frame, Frame]], collections.Counter[str]]:
    """
    Ask the archive which pairs of MDI and HMI frames it has.

    Parameters
    ----------
    client : `drms.Client`
        Client of the archive, from ``make_client``.
    start, end : `~astropy.time.Time`
        First time of observation, and the time before which all observations must be.
    cadence : `~astropy.units.Quantity`
        Length of the time slots that are counted from ``start``. The first pair of each slot is taken.
    tolerance : `~astropy.units.Quantity`
        Largest time between the two frames of a pair.
    wait : `float`
        Seconds before a question that failed is asked again; see ``persistently``.

    Returns
    -------
    pairs : `list` of `tuple` of ``Frame``
        The MDI frame and the HMI frame of each pair.
    rejected : `collections.Counter`
        Number of frames that are in no pair, by reason.
    """
    frames: dict = {MDI: [], HMI: []}
    rejected: collections.Counter[str] = collections.Counter()
    # nominal times of HMI may be up to the tolerance and an exposure away
    for series, margin in ((MDI, 0 * u.s), (HMI, tolerance + 12 * u.min)):
        first, last = start - margin, end + margin
        while first < last:
            until = min(first + _SPAN, last)
            query = persistently(lambda a=first, b=until, one=series: query_frames(client, one, a, b), wait=wait)
            known = {frame.t_rec for frame in frames[series]}
            frames[series] += [frame for frame in query[0] if frame.t_rec not in known]
            rejected += query[1]
            first = until
    within = [frame for frame in frames[MDI] if frame.t_obs < end]  # the archive's spans contain their ends
    pairs, unmatched = match_frames(within, frames[HMI], start=start, cadence=cadence, tolerance=tolerance)
    return pairs, rejected + unmatched


def fetch_pairs(
    folder: str | Path,
    *,
    start: str | Time,
    end: str | Time,
    cadence: u.Quantity | str = 96 * u.min,
    tolerance: u.Quantity | str = 6 * u.min,
    email: str | None = None,
    server: str | None = None,
    workers: int = 4,
    attempts: int = 5,
    wait: float = 2.0,
    verify: bool = False,
    dry_run: bool = False,
    progress: bool = True,
) -> Fetched:
    """
    Find pairs of MDI and HMI full-disk line-of-sight magnetograms, and download them.

    Two frames make a pair if the middles of their exposures are close in time. Files that are in the folder already are
    not downloaded again. So the same call continues a download that was interrupted, and a call for another time span
    adds to the folder. A downloaded file is moved to its place only if it is complete and its checksums and its time
    are right.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        Folder for the pairs. It will hold ``mdi/YYYY/MM/*.fits``, ``hmi/YYYY/MM/*.fits``, and the table
        ``manifest.ecsv``.
    start, end : `str` or `~astropy.time.Time`
        First time of observation, and the time before which all observations must be (TAI).
    cadence : `~astropy.units.Quantity` or `str`
        Length of the time slots that are counted from ``start``. The first pair of each slot is taken. Defaults to
        96 minutes, the cadence of MDI.
    tolerance : `~astropy.units.Quantity` or `str`
        Largest time between the two frames of a pair. Defaults to 6 minutes.
    email : `str`, optional
        E-mail address that is registered at JSOC. By default the environment variable ``JSOC_EMAIL`` is read.
    server : `str`, optional
        Base URL of another server with the protocol of JSOC.
    workers : `int`
        Number of files that are downloaded at the same time. Defaults to 4.
    attempts : `int`
        How often the download of each file is tried. Defaults to 5.
    wait : `float`
        Seconds before the second attempt. The time doubles before each further one. Defaults to 2.
    verify : `bool`
        Whether to compare the hashes of files that are in the folder, and not only their sizes. Defaults to `False`.
    dry_run : `bool`
        Whether to find pairs without downloading them. Defaults to `False`.
    progress : `bool`
        Whether to show a progress bar on a terminal. Defaults to `True`.

    Returns
    -------
    `Fetched`
        What was found, what was downloaded, and what failed.

    Raises
    ------
    ValueError
        If an argument is wrong, no e-mail address is given, no pair is found, or another process downloads into the
        folder.
    drms.DrmsError
        If the archive refuses a request; the message says why.
    OSError
        If the archive does not answer.
    """
    start, end, cadence, tolerance = _checked(start, end, cadence, tolerance)
    for name, value in (("workers", workers), ("attempts", attempts)):
        if value < 1:
            msg = f"{name} must be 1 or more, got {value}."
            raise ValueError(msg)
    logging.getLogger("drms").setLevel(logging.WARNING)  # it logs each time it asks whether files are ready
    client = make_client(_address(email), server=server, wait=wait)
    folder = Path(folder)
    options = {"start": start, "end": end, "cadence": cadence, "tolerance": tolerance}
    pairs, rejected = find_pairs(client, **options, wait=wait)
    if not pairs:
        reasons = "".join(f"; {count} x {why}" for why, count in rejected.items())
        msg = f"start and end must enclose a pair of {MDI.name} and {HMI.name}, got none{reasons}."
        raise ValueError(msg)
    if dry_run:
        frames = [frame for pair in pairs for frame in pair if not (folder / frame.path).is_file()]
        return Fetched(len(pairs), None, dict(rejected), {}, 0, 0.0, 0.0, _megabytes(frames))
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / ".fetch.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        msg = f"folder must be one in which no other process fetches, got {folder}."
        raise ValueError(msg) from error
    try:
        run = Retrieval(folder, client, workers=workers, attempts=attempts, wait=wait)
        missing = run.missing(pairs, verify=verify)
        begin = time.monotonic()
        run.download(missing, progress=progress)
        seconds = time.monotonic() - begin
    finally:
        lock.release()
    rows = run.manifest.rows
    paths = [frame.path for pair in pairs for frame in pair]
    failed = {path: rows[path]["reason"] for path in paths if rows[path]["state"] == "failed"}
    whole = sum(all(rows[frame.path]["state"] == "done" for frame in pair) for pair in pairs)
    megabytes = sum(rows[frame.path]["bytes"] for frame in missing if rows[frame.path]["state"] == "done") / 1e6
    count = sum(rows[frame.path]["state"] == "done" for frame in missing)
    return Fetched(len(pairs), whole, dict(rejected), failed, count, megabytes, seconds, _megabytes(missing))


def _megabytes(frames):
    return sum(frame.series.megabytes for frame in frames)


def _address(email):
    found = email or os.environ.get(EMAIL_VARIABLE, "")
    if "@" not in found:
        msg = (
            f"email must be an address that is registered at JSOC (http://jsoc.stanford.edu/ajax/register_email.html), by "
            f"--email or the environment variable {EMAIL_VARIABLE}, got {found!r}."
        )
        raise ValueError(msg)
    return found


def _checked(start, end, cadence, tolerance):
    """Turn start and end into times, and cadence and tolerance into quantities."""
    found = []
    for name, value in (("start", start), ("end", end)):
        try:
            found.append(Time(value, scale="tai"))
        except ValueError as error:
            msg = f"{name} must be a time such as 2010-05-01 or 2010-05-01T12:00, got {value!r}."
            raise ValueError(msg) from error
    if not found[0] < found[1]:
        msg = f"end must be after start, got {start} and {end}."
        raise ValueError(msg)
    for name, value in (("cadence", cadence), ("tolerance", tolerance)):
        try:
            found.append(u.Quantity(value).to(u.min))
        except (TypeError, ValueError) as error:
            msg = f"{name} must be a time such as 96min or 1day, got {value!r}."
            raise ValueError(msg) from error
        if not found[-1] > 0 * u.s:
            msg = f"{name} must be a time above 0, got {value}."
            raise ValueError(msg)
    return found
