"""Files of an export: downloads, checks, and the manifest of a folder."""

import asyncio
import concurrent.futures
import io
import logging
import warnings
from pathlib import Path

import aiohttp
import parfive
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time
from astropy.utils.exceptions import AstropyWarning

from sunpy_magsr._files import file_digest, whole_file
from sunpy_magsr.exceptions import reason
from sunpy_magsr.maps.fits import read_fits

_NOT_FOUND = (403, 404, 410)
_SILENCE = 60.0  # seconds without a byte
_SAME = 1.0  # seconds


class DamagedFileError(ValueError):
    """Raised for a file that is not complete, or that belongs to another record than the one that was asked for."""


def check_file(path, frame):
    """Raise an error unless a file is complete and belongs to a frame."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*(truncated|[Cc]hecksum|[Dd]atasum).*", category=AstropyWarning)
            # as it is on disk, for the checksums are of the compressed bytes
            with fits.open(path, checksum=True, memmap=False, disable_image_compression=True) as hdus:
                hdus.verify("silentfix")
                for hdu in hdus:
                    _ = hdu.data
            warnings.simplefilter("ignore")
            t_obs = str(read_fits(path).meta.get("t_obs", ""))
    except Exception as error:  # damaged bytes raise whatever they happen to
        msg = f"it is damaged ({reason(error)})."
        raise DamagedFileError(msg) from error
    day, _, clock = t_obs.removesuffix("_TAI").partition("_")
    try:
        off = abs((Time(f"{day.replace('.', '-')}T{clock}", scale="tai") - frame.t_obs).sec)
    except ValueError as error:
        msg = f"its T_OBS must be {frame.t_obs.isot}, got {t_obs!r}."
        raise DamagedFileError(msg) from error
    if off > _SAME:
        msg = f"its T_OBS must be {frame.t_obs.isot}, got {t_obs!r}."
        raise DamagedFileError(msg)


def settle(partial, frame, folder):
    """Check a downloaded file and move it to its place."""
    try:
        check_file(partial, frame)
    except DamagedFileError:
        partial.unlink(missing_ok=True)
        raise
    facts = {"bytes": partial.stat().st_size, "sha256": file_digest(partial)}
    path = folder / frame.path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial.replace(path)
    return facts


def download_files(urls, frames, folder, partial, *, workers, done):
    """Try once to download the files of frames."""
    by_name = {frame.file_name: frame for frame in frames}
    checks = {}

    def finish(path, _, error):
        if error is None:
            frame = by_name[path.name]
            checks[frame] = checker.submit(lambda: done(frame, settle(path, frame, folder)))

    timeouts = aiohttp.ClientTimeout(total=None, sock_read=_SILENCE, sock_connect=_SILENCE)
    config = parfive.SessionConfig(chunksize=2**17, file_progress=False, timeouts=timeouts, done_callbacks=[finish])
    loader = parfive.Downloader(max_conn=workers, max_splits=1, progress=False, overwrite=True, config=config)
    for frame in frames:
        loader.enqueue_file(urls[frame.t_rec], path=partial, filename=frame.file_name)
    by_url = {urls[frame.t_rec]: frame for frame in frames}
    logging.getLogger("parfive").setLevel(logging.CRITICAL)
    with concurrent.futures.ThreadPoolExecutor(1) as checker:
        results = asyncio.run(loader.run_download())
    failed = {}
    for error in results.errors:
        status = _status_of(error.exception)
        why = reason(error.exception) if status is None else f"the server answered {status}"
        failed[by_url[error.url]] = (why, status not in _NOT_FOUND)
    for frame, check in checks.items():
        error = check.exception()
        if isinstance(error, DamagedFileError):
            failed[frame] = (reason(error), True)
        elif error is not None:
            raise error
    return failed


def _status_of(error):
    """HTTP status of an error, `None` if the server did not answer; parfive wraps it in other exceptions."""
    while error is not None and not hasattr(error, "status"):
        error = getattr(error, "response", None) or getattr(error, "exception", None)
    return getattr(error, "status", None)


MANIFEST = "manifest.ecsv"
_COLUMNS = ("pair", "series", "t_rec", "t_obs", "path", "state", "bytes", "sha256", "attempts", "reason")
_NEW = {"state": "wanted", "bytes": 0, "sha256": "", "attempts": 0, "reason": ""}


class Manifest:
    """
    Table of the frames of a folder of pairs.

    Parameters
    ----------
    folder : `pathlib.Path`
        Folder of the pairs. Its manifest is read if there is one.

    Attributes
    ----------
    rows : `dict`
        Rows of the table, by the path of the file in the folder. Each row is a `dict` whose keys are the columns.
    """

    def __init__(self, folder):
        self.folder, self.rows = folder, {}
        path = folder / MANIFEST
        if path.is_file():
            table = Table.read(path, format="ascii.ecsv")
            table = table.filled("") if table.has_masked_values else table
            self.rows = {row["path"]: {key: _plain(row[key]) for key in _COLUMNS} for row in table}

    def add(self, pair, frame):
        """Enter a frame. What the table says about its file is kept."""
        facts = {"pair": pair, "series": frame.series.name, "t_rec": frame.t_rec, "t_obs": frame.t_obs.tai.isot}
        self.rows[frame.path] = {**_NEW, **self.rows.get(frame.path, {}), **facts, "path": frame.path}

    def has(self, frame, *, verify):
        """
        Find out whether the complete file of a frame is in the folder.

        A file that is there but not entered, since the process was killed in between, is checked and entered.
        """
        row, path = self.rows[frame.path], self.folder / frame.path
        if not path.is_file():
            row.update(state="wanted")
            return False
        if row["state"] != "done":
            try:
                check_file(path, frame)
            except DamagedFileError:
                return False
            self.done(frame, {"bytes": path.stat().st_size, "sha256": file_digest(path)})
            return True
        is_same = path.stat().st_size == row["bytes"] and (not verify or file_digest(path) == row["sha256"])
        if not is_same:
            row.update(state="wanted")
        return is_same

    def done(self, frame, facts):
        """Enter that the file of a frame is in its place."""
        self.rows[frame.path].update(state="done", reason="", **facts)

    def failed(self, frame, why):
        """
        Enter that the file of a frame could not be downloaded.

        The next run tries again to download it.
        """
        self.rows[frame.path].update(state="failed", reason=why)

    def write(self):
        """Write the table to the folder. A reader never sees a part of it."""
        rows = sorted(self.rows.values(), key=lambda row: (row["pair"], row["series"]))
        table = Table(rows=rows, names=_COLUMNS) if rows else Table(names=_COLUMNS)
        text = io.StringIO()
        table.write(text, format="ascii.ecsv", delimiter=",")
        with whole_file(self.folder / MANIFEST) as stream:
            stream.write(text.getvalue().encode())


def _plain(value):
    return value.item() if hasattr(value, "item") else value


def pairs_of(folder):
    """List the pairs of a folder whose two files are there."""
    folder = Path(folder)
    if not (folder / MANIFEST).is_file():
        msg = f"folder must be one that `magsr-train fetch` made, and {folder} has no {MANIFEST}."
        raise ValueError(msg)
    found = {}
    for row in Manifest(folder).rows.values():
        if row["state"] == "done":
            found.setdefault(row["pair"], {})[row["series"].partition(".")[0]] = folder / row["path"]
    return [(name, files["mdi"], files["hmi"]) for name, files in sorted(found.items()) if len(files) == 2]
