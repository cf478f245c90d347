"""Files of magnetograms."""

import hashlib
from pathlib import Path

import sunpy.map
from astropy.io import fits

__all__ = ["file_digest", "open_magnetogram", "reason", "stem_of"]


def file_digest(path):
    """SHA-256 of a file."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def open_magnetogram(path):
    """
    Open a FITS file as a Map.

    HMI's SHARP series as JSOC exports it has no BUNIT card but ``_BUNIT``, which is taken in its place.

    Parameters
    ----------
    path : `str` or `pathlib.Path`
        The file; its first two-dimensional image is read.

    Returns
    -------
    `sunpy.map.GenericMap`
        The Map.

    Raises
    ------
    ValueError, OSError
        If it holds no image, or sunpy cannot make a Map of it.
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


def reason(error):
    """The message of an exception on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def stem_of(name):
    """
    The name of a FITS file without its endings.

    Parameters
    ----------
    name : `str`
        With or without folders.

    Returns
    -------
    `str`
    """
    for ending in (".gz", ".fz", ".fits", ".fit", ".fts"):
        name = name.removesuffix(ending)
    return name
