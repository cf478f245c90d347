"""Downloads in parallel, each file checked before it takes its place."""

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
    """A file that is not whole, or not of the record that was asked for."""


def check_file(path, frame):
    """
    Raise unless a file is whole and shows a frame.

    Parameters
    ----------
    path : `pathlib.Path`
        The FITS file.
    frame : `~sunpy_magsr.pairing.records.Frame`
        What it should show.

    Raises
    ------
    DamagedFileError
        If it cannot be read to its end, its checksums are wrong, or its T_OBS is another one.
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
    Check a file and give it its place.

    Parameters
    ----------
    partial : `pathlib.Path`
        Where it was downloaded to; it is removed if it is damaged.
    frame : `~sunpy_magsr.pairing.records.Frame`
        What it should show.
    folder : `pathlib.Path`
        Of the pairs.

    Returns
    -------
    `dict`
        ``bytes`` and ``sha256``.

    Raises
    ------
    DamagedFileError
        As `check_file`.
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
    Download the files of frames, once each.

    Parameters
    ----------
    urls : `dict`
        By nominal time.
    frames : `list` of `~sunpy_magsr.pairing.records.Frame`
        Of one series, all of them in ``urls``.
    folder, partial : `pathlib.Path`
        Of the pairs, and of what is not whole.
    workers : `int`
        Connections.
    done : callable
        Called with a frame and the facts of its file as soon as that is in its place.

    Returns
    -------
    `dict`
        By frame, why it could not be had, and whether another attempt may help.
    """
    by_name = {_partial_name(frame): frame for frame in frames}
    checks = {}

    def finish(path, _, error):
        if error is None:
            frame = by_name[path.name]
            checks[frame] = checker.submit(lambda: done(frame, settle(path, frame, folder)))

    timeouts = aiohttp.ClientTimeout(total=None, sock_read=_SILENCE, sock_connect=_SILENCE)
    config = parfive.SessionConfig(chunksize=2**17, file_progress=False, timeouts=timeouts, done_callbacks=[finish])
    loader = parfive.Downloader(max_conn=workers, max_splits=1, progress=False, overwrite=True, config=config)
    for frame in frames:
        loader.enqueue_file(urls[frame.t_rec], path=partial, filename=_partial_name(frame))
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
    """The server's answer, if that is what was wrong; parfive wraps it in exceptions."""
    while error is not None and not hasattr(error, "status"):
        error = getattr(error, "response", None) or getattr(error, "exception", None)
    return getattr(error, "status", None)


def _partial_name(frame):
    return frame.path.rpartition("/")[2]
