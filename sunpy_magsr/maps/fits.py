"""FITS files: magnetograms are read, and results are written with the uncertainty and the mask that ``Map.save`` drops."""

from __future__ import annotations

import io
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import astropy.units as u
import numpy as np
import sunpy.map
from astropy.io import fits
from astropy.nddata import StdDevUncertainty

from sunpy_magsr._files import check_new, whole_file
from sunpy_magsr._options import read_option
from sunpy_magsr.exceptions import reason, warn_user
from sunpy_magsr.maps.header import magnetic_unit, product_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sunpy.map import GenericMap


_SCALING = ("BSCALE", "BZERO", "BLANK", "DATAMIN", "DATAMAX")
_TILE_ROWS = 16
_DITHER = 2  # SUBTRACTIVE_DITHER_2, which keeps zeros
_STEP = 0.1  # Gauss
_BLANK = -(2**31)
#: Images that belong to the first one in files of this package; ensembles have the last two.
_OWN_EXTENSIONS = ("UNCERT", "MASK", "STRATUM", "MEMBERS")


def write_fits(
    smap: GenericMap, path: str | Path, *, precision: u.Quantity | None = None, overwrite: bool = False
) -> Path:
    """
    Write a Map with its uncertainty and its mask to a FITS file.

    The data are the primary image. The standard deviation is the image extension ``UNCERT``, if the map has one. The
    mask is the image extension ``MASK`` (1 where a pixel is masked), if it masks other pixels than those that are NaN.
    Both extensions carry the header of the map, so that `sunpy.map.Map` reads such a file as a list of Maps. A write
    that fails leaves no file behind.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The map.
    path : `str` or `pathlib.Path`
        The name of the file.
    precision : `~astropy.units.Quantity`, optional
        Round the values to steps of this magnetic field, such as ``0.5 * u.G``, and compress the file; see
        `compressed_image`. The map is then the first extension, as in the archives of MDI and HMI. By default nothing
        is rounded or compressed.
    overwrite : `bool`
        Whether to replace a file that exists. Defaults to `False`.

    Returns
    -------
    `pathlib.Path`
        The name of the file.

    Raises
    ------
    FileExistsError
        If the file exists and ``overwrite`` is false.
    ValueError
        If ``precision`` is not a positive magnetic field, or if it is given and the map is not a magnetic field.
    """
    path = Path(path)
    if precision is not None:
        read_option(precision, u.G, "precision", zero=False)
    check_new(path, overwrite=overwrite)
    header = smap.fits_header
    images = [("", smap.data, str(smap.unit if precision is None else magnetic_unit(smap)))]
    if smap.uncertainty is not None:
        deviation = smap.uncertainty.represent_as(StdDevUncertainty)
        images.append(("UNCERT", deviation.array, str(deviation.unit or images[0][2])))
    if smap.mask is not None and not np.array_equal(smap.mask, np.isnan(smap.data)):
        images.append(("MASK", np.asarray(smap.mask, dtype=np.uint8), ""))
    hdus = image_list(images, header, precision)
    with whole_file(path, overwrite=overwrite) as stream:
        write_hdus(hdus, stream)
    return path


def write_hdus(hdus: fits.HDUList, stream: BinaryIO, **options: Any) -> None:
    """Write HDUs to a stream by way of memory, as astropy's own report of a full disk fails for a file it did not open."""
    content = io.BytesIO()
    hdus.writeto(content, **options)
    stream.write(content.getbuffer())


def image_list(
    images: Sequence[tuple[str, np.ndarray, str]], header: fits.Header, precision: u.Quantity | None
) -> fits.HDUList:
    """
    Turn images that share one header into a list of FITS HDUs.

    The first image becomes the primary HDU, or the first extension if the images are compressed.
    """
    hdus = fits.HDUList([] if precision is None else [fits.PrimaryHDU()])
    for name, array, unit in images:
        if precision is not None:
            step = precision.to_value(unit) if array.dtype.kind == "f" else 1
            hdus.append(compressed_image(array, header, step, name=name))
        elif name:
            hdus.append(fits.ImageHDU(array, header, name=name))
        else:
            hdus.append(fits.PrimaryHDU(array, header))
        if name:
            hdus[-1].header["BUNIT"] = unit
    return hdus


def compressed_image(data: np.ndarray, header: fits.Header, step: float, *, name: str = "") -> fits.CompImageHDU:
    """
    Compress an image in tiles with the Rice algorithm.

    Floating-point values are rounded to whole steps. Before the rounding, a random part of a step is added to each
    value, and whoever reads the file subtracts it again (the tiled-image convention of the FITS standard 4.0,
    :doi:`10.1051/0004-6361/201015362`, and subtractive dithering, Pence et al. 2010, :doi:`10.1086/656249`). The error
    is then uniform within half a step and does not depend on the value, so that means over many pixels are not biased.
    NaN and 0 stay as they are. Whole numbers are not rounded. The card ``MAGSRRND`` holds the step.
    """
    header = header.copy()
    for card in _SCALING:
        header.remove(card, ignore_missing=True)
    data = np.ascontiguousarray(data, dtype=data.dtype.newbyteorder("="))
    options: dict[str, Any] = {"compression_type": "RICE_1", "name": name or None}
    options["tile_shape"] = (*(1,) * (data.ndim - 2), min(_TILE_ROWS, data.shape[-2]), data.shape[-1])
    if data.dtype.kind == "f":
        seed = (
            1 + zlib.crc32(data.data) % 10000
        )  # of what is in it: the same file for the same map, another for the next
        header["MAGSRRND"] = (step, "values are rounded to steps of this size")
        options |= {"quantize_level": -step, "quantize_method": _DITHER, "dither_seed": seed}
    return fits.CompImageHDU(data, header, **options)


def read_fits(path: str | Path, *, name: str = "path") -> GenericMap:
    """
    Read a magnetogram from a FITS file, with its uncertainty and its mask.

    Files of HMI's SHARP series that JSOC exports have a ``_BUNIT`` card instead of BUNIT. It is copied to BUNIT.

    Parameters
    ----------
    path : `str` or `pathlib.Path`
        The FITS file: one that `write_fits` or an ensemble wrote, or any other. If it holds several images, the first
        two-dimensional one is read.
    name : `str`
        The name of the argument in error messages. Defaults to ``"path"``.

    Returns
    -------
    `sunpy.map.GenericMap`
        The Map. If the file has no mask, the pixels that are NaN are masked. It is of no class for an instrument if
        sunpy's class cannot read the header.

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
    path = Path(path)
    with _open(path, name) as hdus:
        first = _first_image(hdus, path, name)
        data, header = _native(first.data.reshape(first.data.shape[-2:])), first.header.copy()
        extensions = {hdu.name: hdu for hdu in hdus if hdu is not first}
        uncertainty = mask = None
        if "UNCERT" in extensions:
            hdu = extensions["UNCERT"]
            uncertainty = StdDevUncertainty(_native(hdu.data), unit=hdu.header["BUNIT"])
        if "MASK" in extensions:
            mask = (extensions["MASK"].data & 1).astype(bool)  # what other bits say: sunpy_magsr.uncertainty.files
    if not header.get("BUNIT") and header.get("_BUNIT"):
        header["BUNIT"] = header["_BUNIT"]
    if mask is None and np.isnan(data).any():
        mask = np.isnan(data)
    return _as_map(data, header, name, uncertainty=uncertainty, mask=mask)


def _open(path, name):
    if path.is_dir():
        msg = f"{name} must be a FITS file, got the folder {path}; name the files in it, as in {path / '*.fits'}."
        raise ValueError(msg)
    if not path.exists():
        msg = f"{name} must be a FITS file, and there is no file {path}."
        raise FileNotFoundError(msg)
    try:
        hdus = fits.open(path.absolute(), memmap=False)  # A relative name may begin with ~.
    except OSError as error:
        if error.errno is not None:  # The system's own: no permission, a failing disk.
            raise
        msg = f"{name} must be a FITS file, got {path}, which is not one."
        raise ValueError(msg) from error
    hdus.verify("silentfix")  # JSOC's exports hold a bare nan, which is no FITS value
    return hdus


def _first_image(hdus, path, name):
    """The first two-dimensional image of a file; those that belong to it are not counted."""
    shapes = [getattr(getattr(hdu, "data", None), "shape", ()) if hdu.is_image else () for hdu in hdus]
    images = [hdu for hdu, shape in zip(hdus, shapes, strict=True) if len(shape) >= 2 and set(shape[:-2]) <= {1}]
    if not images:
        found = " and ".join(f"one of shape {shape}" for shape in shapes if shape) or "none"
        msg = f"{name} must hold a two-dimensional image, got {found} in {path}."
        raise ValueError(msg)
    others = [hdu for hdu in images[1:] if hdu.name not in _OWN_EXTENSIONS]
    if others:
        warn_user(f"{path.name} holds {1 + len(others)} images; the first is used.", stacklevel=3)
    return images[0]


def _as_map(data, header, name, **parts):
    """Map of sunpy's class for the instrument, or of the general class if that one cannot read the header."""
    try:
        bare = sunpy.map.Map(data, header)
    except Exception as error:  # noqa: BLE001  Classes of sunpy raise errors of any kind for a card that is missing.
        bare = _as_general_map(data, header, name, reason(error))
    return type(bare)(data, bare.meta, **parts)


def _as_general_map(data, header, name, why):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            smap = sunpy.map.GenericMap(data, dict(header))
    except Exception as error:
        msg = f"{name} must be a file of which sunpy makes a Map, got one of which it says: {why}"
        raise ValueError(msg) from error
    warn_user(
        f"sunpy's class for this instrument cannot read the header ({why}); it is read as a GenericMap.", stacklevel=4
    )
    return smap


def open_input(path: str | Path, *, name: str = "path") -> tuple[GenericMap, str | None]:
    """Read a file that is to be super-resolved, and find the component that its header or its name says."""
    smap = read_fits(path, name=name)
    product = product_of(smap, name=Path(path).name)
    if product.refused:
        msg = f"{name} must be {product.refused}."
        raise ValueError(msg)
    return smap, product.component or None


def _native(array):
    return array.astype(array.dtype.newbyteorder("="))


def write_compressed(data: np.ndarray, header: Mapping[str, Any], path: str | Path) -> Path:
    """
    Write a field in the format of JSOC's archive of MDI and HMI.

    The values are whole numbers of 0.1 G, compressed without loss by the Rice algorithm, in the first extension. A
    write that fails leaves no file behind.
    """
    stored = np.where(np.isfinite(data), np.rint(np.nan_to_num(data) / _STEP), _BLANK).astype(np.int32)
    tile = (1, stored.shape[1])
    hdu = fits.CompImageHDU(stored, fits.Header(header), compression_type="RICE_1", tile_shape=tile)
    hdu.header.update({"BLANK": _BLANK, "BZERO": 0.0, "BSCALE": _STEP})
    with whole_file(path) as stream:
        write_hdus(fits.HDUList([fits.PrimaryHDU(), hdu]), stream, checksum=True)
    return Path(path)
