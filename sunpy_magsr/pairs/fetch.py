"""Pairs of MDI and HMI of the same minute, fetched from JSOC."""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import datetime
import logging
import shutil
import time
import warnings
from pathlib import Path

import aiohttp
import astropy.units as u
import filelock
import parfive
from astropy.io import fits
from astropy.time import Time
from astropy.utils.exceptions import AstropyWarning
from tqdm.auto import tqdm

from sunpy_magsr._files import file_digest
from sunpy_magsr.exceptions import reason
from sunpy_magsr.maps.fits import read_fits
from sunpy_magsr.pairs.jsoc import HMI, MDI, Archive, find_pairs, read_tai
from sunpy_magsr.pairs.tables import read_rows, write_rows

#: Table of the files of a folder of pairs.
MANIFEST = "manifest.ecsv"

_BATCH = 50  # frames of one request
_SILENCE = 60.0  # seconds without a byte
_SAME = 1.0  # seconds
_NEW = {"state": "wanted", "bytes": 0, "sha256": "", "reason": ""}


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
        If the archive refuses a question; the message says why.
    OSError
        If the archive does not answer.
    """
    span = _time_span(start, end, cadence, tolerance)
    for name, value in (("workers", workers), ("attempts", attempts)):
        if value < 1:
            msg = f"{name} must be 1 or more, got {value}."
            raise ValueError(msg)
    logging.getLogger("drms").setLevel(logging.WARNING)  # it logs each time it asks whether files are ready
    logging.getLogger("parfive").setLevel(logging.CRITICAL)  # files that fail are tried again or named
    archive = Archive(email, server=server, wait=wait)
    pairs, rejected = find_pairs(archive, **span)
    if not pairs:
        reasons = "".join(f"; {count} x {why}" for why, count in rejected.items())
        msg = f"start and end must enclose a pair of {MDI.name} and {HMI.name}, got none{reasons}."
        raise ValueError(msg)
    folder = Path(folder)
    if dry_run:
        missing = [frame for pair in pairs for frame in pair if not (folder / frame.path).is_file()]
        return Fetched(len(pairs), None, dict(rejected), {}, 0, 0.0, 0.0, _megabytes(missing))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(folder / ".fetch.lock", timeout=0):
            files = _Files(folder)
            missing = files.missing(pairs, verify=verify)
            begin = time.monotonic()
            files.download(missing, archive, workers=workers, attempts=attempts, progress=progress)
            seconds = time.monotonic() - begin
    except filelock.Timeout as error:
        msg = f"folder must be one in which no other process fetches, got {folder}."
        raise ValueError(msg) from error
    states = [[files.rows[frame.path]["state"] for frame in pair] for pair in pairs]
    fetched = [row for frame in missing if (row := files.rows[frame.path])["state"] == "done"]
    return Fetched(
        pairs=len(pairs),
        whole=sum(state == ["done", "done"] for state in states),
        rejected=dict(rejected),
        failed={frame.path: why for frame in missing if (why := files.rows[frame.path]["reason"])},
        files=len(fetched),
        megabytes=sum(row["bytes"] for row in fetched) / 1e6,
        seconds=seconds,
        expected=_megabytes(missing),
    )


def pairs_of(folder: str | Path) -> list[tuple[str, Path, Path]]:
    """List the pairs of a folder of `fetch_pairs` whose two files are there: name, MDI file, HMI file."""
    folder = Path(folder)
    if not (folder / MANIFEST).is_file():
        msg = f"folder must be one that `magsr-train fetch` made, and {folder} has no {MANIFEST}."
        raise ValueError(msg)
    found: dict[str, dict[str, Path]] = {}
    for path, row in read_rows(folder / MANIFEST, "path").items():
        if row["state"] == "done":
            found.setdefault(row["pair"], {})[row["series"]] = folder / path
    return [(name, files[MDI.name], files[HMI.name]) for name, files in sorted(found.items()) if len(files) == 2]


def _megabytes(frames):
    return sum(frame.series.megabytes for frame in frames)


def _time_span(start, end, cadence, tolerance):
    """Turn the options that are times into times and lengths of time of the standard library, in TAI."""
    found = {}
    for name, value in (("start", start), ("end", end)):
        try:
            found[name] = Time(value, scale="tai").datetime
        except ValueError as error:
            msg = f"{name} must be a time such as 2010-05-01 or 2010-05-01T12:00, got {value!r}."
            raise ValueError(msg) from error
    if not found["start"] < found["end"]:
        msg = f"end must be after start, got {start} and {end}."
        raise ValueError(msg)
    for name, value in (("cadence", cadence), ("tolerance", tolerance)):
        try:
            minutes = u.Quantity(value).to_value(u.min)
        except (TypeError, ValueError):
            minutes = 0
        if not minutes > 0:
            msg = f"{name} must be a time above 0, such as 96min or 1day, got {value!r}."
            raise ValueError(msg)
        found[name] = datetime.timedelta(minutes=minutes)
    return found


class _Files:
    """Files of a folder of pairs, and the table of what became of each. No other process may write there."""

    def __init__(self, folder):
        self.folder, self.rows = folder, read_rows(folder / MANIFEST, "path")

    def missing(self, pairs, *, verify):
        """Enter pairs into the table, and find out which of their files must be downloaded."""
        for pair in pairs:
            for frame in pair:
                facts = {
                    "pair": pair[0].stamp,
                    "series": frame.series.name,
                    "t_rec": frame.t_rec,
                    "t_obs": frame.t_obs.isoformat(timespec="milliseconds"),
                    "path": frame.path,
                }
                # what was said before of the file still holds, but it may be in another pair now
                self.rows[frame.path] = facts | _NEW | self.rows.get(frame.path, {}) | facts
        missing = [frame for pair in pairs for frame in pair if not self._has(frame, verify=verify)]
        self._write()
        return missing

    def _has(self, frame, *, verify):
        row, path = self.rows[frame.path], self.folder / frame.path
        if path.is_file() and row["state"] == "done":
            is_here = path.stat().st_size == row["bytes"] and (not verify or file_digest(path) == row["sha256"])
        else:  # a process that was killed may have left a file that it did not enter
            is_here = path.is_file() and self._enter(frame, path)
        if not is_here:
            row["state"] = "wanted"
        return is_here

    def _enter(self, frame, path):
        """Move a file to its place and enter it, if nothing is wrong with it; else delete it."""
        row, place = self.rows[frame.path], self.folder / frame.path
        row["reason"] = _fault(path, frame)
        if row["reason"]:
            row["state"] = "failed"
            path.unlink(missing_ok=True)
            return False
        row.update(state="done", bytes=path.stat().st_size, sha256=file_digest(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        path.replace(place)
        return True

    def _write(self):
        write_rows(self.folder / MANIFEST, sorted(self.rows.values(), key=lambda row: (row["pair"], row["series"])))

    def download(self, frames, archive, *, workers, attempts, progress):
        """Download the files of frames, and enter what became of each."""
        shutil.rmtree(self.folder / ".partial", ignore_errors=True)  # of a process that was killed
        of_series = [[frame for frame in frames if frame.series is series] for series in (MDI, HMI)]
        batches = [some[at : at + _BATCH] for some in of_series for at in range(0, len(some), _BATCH)]
        with tqdm(total=len(frames), desc="fetch", unit="file", disable=None if progress else True) as bar:
            for batch in batches:
                bar.set_postfix_str("the archive prepares files")
                urls, refused = archive.export(batch)
                bar.set_postfix_str("")
                for frame, why in refused.items():
                    self.rows[frame.path].update(state="failed", reason=why)
                for attempt in range(attempts):
                    if urls and attempt:
                        time.sleep(archive.wait * 2 ** (attempt - 1))
                    urls = self._try(urls, workers, bar) if urls else {}
                self._write()

    def _try(self, urls, workers, bar):
        """Try to download the files of frames, and return the URLs of those that failed."""
        frames = {Path(frame.path).name: frame for frame in urls}
        checks = []

        def check(path, _, error):  # while the next files are downloaded
            if error is None:
                checks.append(checker.submit(lambda: bar.update(self._enter(frames[path.name], path))))

        timeouts = aiohttp.ClientTimeout(total=None, sock_read=_SILENCE, sock_connect=_SILENCE)
        config = parfive.SessionConfig(chunksize=2**17, timeouts=timeouts, done_callbacks=[check])
        loader = parfive.Downloader(max_conn=workers, max_splits=1, progress=False, overwrite=True, config=config)
        for name, frame in frames.items():
            loader.enqueue_file(urls[frame], path=self.folder / ".partial", filename=name)
        with concurrent.futures.ThreadPoolExecutor(1) as checker:
            # loader.download() would take Ctrl-C for the end of these downloads alone
            results = asyncio.run(loader.run_download())
        for one in checks:
            one.result()  # raises what is no fault of the file, such as a full disk
        by_url = {url: frame for frame, url in urls.items()}
        for error in results.errors:
            self.rows[by_url[error.url].path].update(state="failed", reason=_why(error.exception))
        return {frame: url for frame, url in urls.items() if self.rows[frame.path]["state"] != "done"}


def _why(error):
    """Why a download failed: parfive wraps the server's answer in exceptions of its own."""
    answer = error
    while answer is not None and not hasattr(answer, "status"):
        answer = getattr(answer, "response", None) or getattr(answer, "exception", None)
    return reason(error) if answer is None else f"the server answered {answer.status}"


def _fault(path, frame):
    """What is wrong with a file: it is not complete, or is of another record. Empty if nothing is."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*(truncated|[Cc]hecksum|[Dd]atasum).*", category=AstropyWarning)
            # as it is on disk, for the checksums are of the compressed bytes
            with fits.open(path, checksum=True, memmap=False, disable_image_compression=True) as hdus:
                hdus.verify("silentfix")
                for hdu in hdus:
                    _ = hdu.data
            warnings.simplefilter("ignore")
            t_obs = read_fits(path).meta.get("t_obs", "")
    except Exception as error:  # noqa: BLE001  damaged bytes raise whatever they happen to
        return f"it is damaged ({reason(error)})."
    found = read_tai(t_obs)
    if found is None or abs((found - frame.t_obs).total_seconds()) > _SAME:
        return f"its T_OBS must be {frame.t_obs.isoformat()}, got {t_obs!r}."
    return ""
