"""Files of magnetograms."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import sunpy.map
from astropy.io import fits

if TYPE_CHECKING:
    from sunpy.map import GenericMap

__all__ = ["file_digest", "open_magnetogram", "reason", "stem_of"]


def file_digest(path: str | Path) -> str:
    """
    Compute the SHA-256 hash of a file.

    Parameters
    ----------
    path : `str` or `pathlib.Path`
        Any file. It is read to its end.

    Returns
    -------
    `str`
        The hash in 64 hexadecimal digits.
    """
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def open_magnetogram(path: str | Path) -> GenericMap:
    """
    Open a FITS file as a Map.

    Files of HMI's SHARP series that JSOC exports have a ``_BUNIT`` card instead of BUNIT. It is copied to BUNIT.

    Parameters
    ----------
    path : `str` or `pathlib.Path`
        FITS file. Its first two-dimensional image is read.

    Returns
    -------
    `sunpy.map.GenericMap`
        The Map.

    Raises
    ------
    ValueError
        If the file holds no two-dimensional image, or sunpy cannot make a Map of it.
    OSError
        If the file cannot be read.
    """
    with fits.open(path, memmap=False) as hdus:
        hdus.verify("silentfix")  # JSOC's exports hold a bare nan, which is no FITS value
        found = [hdu for hdu in hdus if getattr(hdu, "data", None) is not None and hdu.data.ndim == 2]
        if not found:
            msg = f"FILE must hold a two-dimensional image, got none in {path}."
            raise ValueError(msg)
        data, header = found[0].data, found[0].header.copy()
    if not header.get("BUNIT") and header.get("_BUNIT"):
        header["BUNIT"] = header["_BUNIT"]
    return sunpy.map.Map(data.astype(data.dtype.newbyteorder("=")), header)


def reason(error: BaseException) -> str:
    """
    Put the message of an exception on one line.

    Parameters
    ----------
    error : `BaseException`
        The exception.

    Returns
    -------
    `str`
        Its message without line breaks, or the name of its class if the message is empty.
    """
    return " ".join(str(error).split()) or type(error).__name__


def stem_of(name: str) -> str:
    """
    Remove the endings of the name of a FITS file, such as ``.fits`` or ``.fits.gz``.

    Parameters
    ----------
    name : `str`
        Name of a file, with or without folders.

    Returns
    -------
    `str`
        The name without ``.fits``, ``.fit`` or ``.fts``, and without ``.gz`` or ``.fz`` after it.
    """
    for ending in (".gz", ".fz", ".fits", ".fit", ".fts"):
        name = name.removesuffix(ending)
    return name
