"""Pairs of MDI and HMI frames, fetched from the archive."""

import collections
import contextlib
import dataclasses
import logging
import os
import time
from pathlib import Path

import astropy.units as u
import drms
import filelock
from astropy.time import Time
from tqdm.auto import tqdm

from sunpy_magsr.pairing.downloads import DamagedFileError, download_files, settle
from sunpy_magsr.pairing.exports import Exports, make_client, persistently
from sunpy_magsr.pairing.manifest import Manifest
from sunpy_magsr.pairing.records import HMI, MDI, match_frames, query_frames

__all__ = ["EMAIL_VARIABLE", "Fetched", "fetch_pairs", "find_pairs"]

#: Environment variable with the address that is registered at the archive.
EMAIL_VARIABLE = "JSOC_EMAIL"
_SPAN = 30 * u.day  # of one query
_BATCH = 50  # frames of one request


@dataclasses.dataclass(frozen=True)
class Fetched:
    """
    What came of a fetch.

    Attributes
    ----------
    pairs : `int`
        Pairs that were found.
    whole : `int` or `None`
        Those of them whose two files are in the folder; `None` if nothing was to be downloaded.
    rejected : `dict`
        Frames that are in none of them, by reason.
    failed : `dict`
        Why files could not be had, by path.
    files, megabytes, seconds : `float`
        What was downloaded, and how long that took.
    expected : `float`
        Megabytes that were still to be downloaded at the start, about.
    """

    pairs: int
    whole: int | None
    rejected: dict
    failed: dict
    files: int
    megabytes: float
    seconds: float
    expected: float

    def summary(self):
        """What came, in lines."""
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


def find_pairs(client, *, start, end, cadence, tolerance, wait):
    """
    Ask the archive for pairs.

    Parameters
    ----------
    client : `drms.Client`
        Of the archive.
    start, end : `~astropy.time.Time`
        Of the observations.
    cadence, tolerance : `~astropy.units.Quantity`
        See `~sunpy_magsr.pairing.records.match_frames`.
    wait : `float`
        See `~sunpy_magsr.pairing.exports.persistently`.

    Returns
    -------
    pairs : `list` of `tuple` of `~sunpy_magsr.pairing.records.Frame`
        MDI and HMI.
    rejected : `collections.Counter`
        How many frames are in none, by reason.
    """
    frames, rejected = {MDI: [], HMI: []}, collections.Counter()
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
    folder,
    *,
    start,
    end,
    cadence=96 * u.min,
    tolerance=6 * u.min,
    email=None,
    server=None,
    workers=4,
    attempts=5,
    wait=2.0,
    verify=False,
    dry_run=False,
    progress=True,
):
    """
    Find pairs of MDI and HMI line-of-sight full disks, and download them.

    Frames are matched by the middles of their exposures. What is in the folder is not downloaded again, so the same
    command goes on after it was stopped, by whatever, and another span adds to the folder. A file is put in its place
    when it is whole and its checksums and time are right.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        Of the pairs: ``mdi/YYYY/MM/*.fits``, ``hmi/YYYY/MM/*.fits``, and the table ``manifest.ecsv``.
    start, end : `str` or `~astropy.time.Time`
        Of the observations (TAI); ``end`` is not in it.
    cadence : `~astropy.units.Quantity` or `str`
        The first pair of each slot of this length from ``start`` is taken; 96 minutes is all that MDI has.
    tolerance : `~astropy.units.Quantity` or `str`
        Largest time between the two frames of a pair.
    email : `str`, optional
        Address that is registered at JSOC; ``JSOC_EMAIL`` of the environment by default.
    server : `str`, optional
        Base URL of another server of JSOC's protocol.
    workers : `int`
        Downloads at once.
    attempts : `int`
        For each file.
    wait : `float`
        Seconds before a second attempt; twice as long before each further one.
    verify : `bool`
        Compare the hashes of the files that are there, and not only their sizes.
    dry_run : `bool`
        Only find.
    progress : `bool`
        Whether to show a progress bar on a terminal.

    Returns
    -------
    `Fetched`

    Raises
    ------
    ValueError
        For an argument that is wrong, no address, no pair, or a folder in which another process fetches.
    drms.DrmsError
        If the archive refuses; the message says why.
    OSError
        If it does not answer.
    """
    start, end, cadence, tolerance = _check(start, end, cadence, tolerance)
    for name, value in (("workers", workers), ("attempts", attempts)):
        if value < 1:
            msg = f"{name} must be 1 or more, got {value}."
            raise ValueError(msg)
    logging.getLogger("drms").setLevel(logging.WARNING)  # it tells of every question whether files are there
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
        msg = f"DIR must be a folder in which no other process fetches, got {folder}."
        raise ValueError(msg) from error
    try:
        run = _Run(folder, client, workers=workers, attempts=attempts, wait=wait)
        missing = run.missing(pairs, verify=verify)
        begin = time.monotonic()
        run.download(missing, progress=progress)
        seconds = time.monotonic() - begin
    finally:
        lock.release()
    rows = run.manifest.rows
    frames = [frame.path for pair in pairs for frame in pair]
    failed = {path: rows[path]["reason"] for path in frames if rows[path]["state"] == "failed"}
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


def _check(start, end, cadence, tolerance):
    """Times and durations of what the user said."""
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


class _Run:
    """One fetch into a folder."""

    def __init__(self, folder, client, *, workers, attempts, wait):
        self.folder, self.partial = folder, folder / ".partial"
        self.partial.mkdir(exist_ok=True)
        self.workers, self.attempts, self.wait = workers, attempts, wait
        self.manifest = Manifest(folder)
        self.exports = Exports(client, folder / ".requests.json", wait=wait)

    def missing(self, pairs, *, verify):
        """Frames that are to be downloaded; what a killed run has left is put in its place."""
        missing = []
        for pair in pairs:
            for frame in pair:
                self.manifest.add(pair[0].stamp, frame)
                left = self.partial / frame.path.rpartition("/")[2]
                if left.is_file():
                    self._settle(left, frame)
                if not self.manifest.has(frame, verify=verify):
                    missing.append(frame)
        self.manifest.write()
        return missing

    def _settle(self, left, frame):
        with contextlib.suppress(DamagedFileError):  # broken off in the middle
            self.manifest.done(frame, settle(left, frame, self.folder))

    def download(self, missing, *, progress):
        """Batch by batch, and file by file again where one fails."""
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
            self.exports.forget(gone)  # the archive keeps what it made for some days only
            for frame, (why, _) in failed.items():
                self.manifest.failed(frame, why)
            batch = [frame for frame in failed if frame not in gone or attempt == 0]
            if not batch:
                return
            if attempt < self.attempts - 1:
                time.sleep(self.wait * 2**attempt)

    def _urls(self, batch):
        """Where files are; a batch that the archive refuses is halved until it is known for which frame."""
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
