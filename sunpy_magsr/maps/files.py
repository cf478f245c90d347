"""Files of magnetograms."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import sunpy.map
from astropy.io import fits

from sunpy_magsr.exceptions import warn_user

if TYPE_CHECKING:
    from sunpy.map import GenericMap


def file_digest(path: str | Path) -> str:
    """Compute the SHA-256 hash of a file."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def open_magnetogram(path: str | Path, *, name: str = "path") -> GenericMap:
    """
    Open a FITS file as a Map.

    Files of HMI's SHARP series that JSOC exports have a ``_BUNIT`` card instead of BUNIT. It is copied to BUNIT.

    Parameters
    ----------
    path : `str` or `pathlib.Path`
        FITS file. If it holds several images, the first two-dimensional one is read.
    name : `str`
        Name of the argument in error messages. Defaults to ``"path"``.

    Returns
    -------
    `sunpy.map.GenericMap`
        The Map. It is of no class for an instrument if sunpy's class cannot read the header.

    Raises
    ------
    ValueError
        If the file is no FITS file, holds no two-dimensional image, or sunpy cannot make a Map of it.
    OSError
        If there is no such file, or it cannot be read.

    Warns
    -----
    ``MagsrUserWarning``
        If the file holds several images, or sunpy's class for the instrument cannot read the header.
    """
    data, header = _first_image(Path(path), name)
    if not header.get("BUNIT") and header.get("_BUNIT"):
        header["BUNIT"] = header["_BUNIT"]
    return _as_map(data.astype(data.dtype.newbyteorder("=")), header, name)


def check_file(path: Path, *, name: str = "path") -> None:
    """Raise an error unless a path is that of a FITS file."""
    if path.is_dir():
        msg = f"{name} must be a FITS file, got the folder {path}; name the files in it, as in {path / '*.fits'}."
        raise ValueError(msg)
    if not path.exists():
        msg = f"{name} must be a FITS file, and there is no file {path}."
        raise FileNotFoundError(msg)
    try:
        fits.open(path.absolute(), memmap=False).close()  # A relative name may begin with ~.
    except OSError as error:
        if error.errno is not None:  # The system's own: no permission, a failing disk.
            raise
        msg = f"{name} must be a FITS file, got {path}, which is not one."
        raise ValueError(msg) from error


def _first_image(path, name):
    """Data and header of the first two-dimensional image of a file."""
    check_file(path, name=name)
    with fits.open(path.absolute(), memmap=False) as hdus:
        hdus.verify("silentfix")  # JSOC's exports hold a bare nan, which is no FITS value
        shapes = [getattr(getattr(hdu, "data", None), "shape", ()) if hdu.is_image else () for hdu in hdus]
        images = [hdu for hdu, shape in zip(hdus, shapes, strict=True) if len(shape) >= 2 and set(shape[:-2]) <= {1}]
        if not images:
            found = " and ".join(f"one of shape {shape}" for shape in shapes if shape) or "none"
            msg = f"{name} must hold a two-dimensional image, got {found} in {path}."
            raise ValueError(msg)
        if len(images) > 1:
            warn_user(f"{path.name} holds {len(images)} images; the first is used.", stacklevel=3)
        return images[0].data.reshape(images[0].data.shape[-2:]), images[0].header.copy()


def _as_map(data, header, name):
    """Map of sunpy's class for the instrument, or of the general class if that one cannot read the header."""
    try:
        return sunpy.map.Map(data, header)
    except Exception as error:  # noqa: BLE001  Classes of sunpy raise errors of any kind for a card that is missing.
        why = reason(error)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            smap = sunpy.map.GenericMap(data, dict(header))
    except Exception as error:
        msg = f"{name} must be a file of which sunpy makes a Map, got one of which it says: {why}"
        raise ValueError(msg) from error
    warn_user(
        f"sunpy's class for this instrument cannot read the header ({why}); it is read as a GenericMap.", stacklevel=3
    )
    return smap


def reason(error: BaseException) -> str:
    """Put the message of an exception on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def stem_of(name: str) -> str:
    """Remove the endings of the name of a FITS file, such as ``.fits`` or ``.fits.gz``."""
    for ending in (".gz", ".fz", ".fits", ".fit", ".fts"):
        name = name.removesuffix(ending)
    return name
