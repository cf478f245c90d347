"""Parallel downloads of files, each of which is checked before it is moved to its place."""

import asyncio
import concurrent.futures
import logging
import warnings

import aiohttp
import parfive
from astropy.io import fits
from astropy.time import Time
from astropy.utils.exceptions import AstropyWarning

from sunpy_magsr.prep.files import file_digest, open_magnetogram, reason

__all__ = ["DamagedFileError", "check_file", "download_files", "settle"]

_NOT_FOUND = (403, 404, 410)
_SILENCE = 60.0  # seconds without a byte
_SAME = 1.0  # seconds


class DamagedFileError(ValueError):
    """Raised for a file that is not complete, or that belongs to another record than the one that was asked for."""


def check_file(path, frame):
    """
    Raise an error unless a file is complete and belongs to a frame.

    Parameters
    ----------
    path : `pathlib.Path`
        The FITS file.
    frame : `~sunpy_magsr.pairing.records.Frame`
        Frame whose file it should be.

    Raises
    ------
    DamagedFileError
        If the file cannot be read to its end, its checksums are wrong, or its T_OBS is not that of the frame.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*(truncated|[Cc]hecksum|[Dd]atasum).*", category=AstropyWarning)
            # as it is on disk, for the checksums are of the compressed bytes
            with fits.open(path, checksum=True, memmap=False, disable_image_compression=True) as hdus:
                hdus.verify("silentfix")
                for hdu in hdus:
                    _ = hdu.data
            warnings.simplefilter("ignore")
            t_obs = str(open_magnetogram(path).meta.get("t_obs", ""))
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
    """
    Check a downloaded file and move it to its place.

    Parameters
    ----------
    partial : `pathlib.Path`
        Where the file was downloaded to. It is deleted if it is damaged.
    frame : `~sunpy_magsr.pairing.records.Frame`
        Frame whose file it should be.
    folder : `pathlib.Path`
        Folder of the pairs.

    Returns
    -------
    `dict`
        Size (``bytes``) and hash (``sha256``) of the file.

    Raises
    ------
    DamagedFileError
        If `check_file` finds that the file is damaged.
    """
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
    """
    Try once to download the files of frames.

    Parameters
    ----------
    urls : `dict`
        URL of each file, by the nominal time of its frame.
    frames : `list` of `~sunpy_magsr.pairing.records.Frame`
        Frames of one series. ``urls`` must have all of them.
    folder, partial : `pathlib.Path`
        Folder of the pairs, and folder for files that are not complete yet.
    workers : `int`
        Number of files that are downloaded at the same time.
    done : callable
        Function that is called with a frame and what `settle` returned, as soon as the file is in its place.

    Returns
    -------
    `dict`
        The frames whose download failed. For each, the reason and whether another attempt may help.
    """
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
