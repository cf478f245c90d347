"""FITS files that keep the uncertainty and the mask, which `sunpy.map.GenericMap.save` drops."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
import sunpy.map
from astropy.io import fits
from astropy.nddata import StdDevUncertainty

from sunpy_magsr._files import check_new, whole_file
from sunpy_magsr.maps.header import magnetic_unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sunpy.map import GenericMap


_SCALING = ("BSCALE", "BZERO", "BLANK", "DATAMIN", "DATAMAX")
_TILE_ROWS = 16
_DITHER = 2  # SUBTRACTIVE_DITHER_2, which keeps zeros
_STEP = 0.1  # Gauss
_BLANK = -(2**31)


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
    check_precision(precision)
    check_new(path, overwrite=overwrite)
    header = smap.fits_header
    images = [("", smap.data, str(smap.unit if precision is None else magnetic_unit(smap)))]
    if smap.uncertainty is not None:
        deviation = smap.uncertainty.represent_as(StdDevUncertainty)
        images.append(("UNCERT", deviation.array, str(deviation.unit or images[0][2])))
    if smap.mask is not None and not np.array_equal(smap.mask, np.isnan(smap.data)):
        images.append(("MASK", np.asarray(smap.mask, dtype=np.uint8), ""))
    hdus = image_list(images, header, precision)
    # by way of memory, as astropy's own report of a full disk fails for a file that it has not opened itself
    content = io.BytesIO()
    hdus.writeto(content)
    with whole_file(path, overwrite=overwrite) as stream:
        stream.write(content.getbuffer())
    return path


def check_precision(value: u.Quantity | None) -> float | None:
    """Check the size of the steps to which the fields in a file are rounded."""
    if value is None:
        return None
    is_field = isinstance(value, u.Quantity) and value.isscalar and value.unit.is_equivalent(u.G)
    if not is_field or not 0 < value.to_value(u.G) < np.inf:
        msg = f"precision must be None or a positive magnetic field such as 0.5 * u.G, got {value!r}."
        raise ValueError(msg)
    return float(value.to_value(u.G))


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


def read_fits(path: str | Path) -> GenericMap:
    """
    Read a Map with its uncertainty and its mask from a FITS file.

    Parameters
    ----------
    path : `str` or `pathlib.Path`
        The name of a file that `write_fits` has written, or of another FITS file, of which the first image is read.

    Returns
    -------
    `sunpy.map.GenericMap`
        The map. If the file has no mask, the pixels that are NaN are masked.
    """
    with fits.open(path, memmap=False) as hdus:
        first = next((hdu for hdu in hdus if hdu.data is not None), hdus[0])
        header = first.header
        extensions = {hdu.name: hdu for hdu in hdus if hdu is not first}
        uncertainty = mask = None
        if "UNCERT" in extensions:
            hdu = extensions["UNCERT"]
            uncertainty = StdDevUncertainty(_native(hdu.data), unit=hdu.header["BUNIT"])
        if "MASK" in extensions:
            mask = (extensions["MASK"].data & 1).astype(bool)  # what other bits say: sunpy_magsr.uncertainty.files
        data = _native(first.data)
        bare = sunpy.map.Map(data, header)
    if mask is None and np.isnan(data).any():
        mask = np.isnan(data)
    return type(bare)(data, bare.meta, uncertainty=uncertainty, mask=mask)


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
    content = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(content, checksum=True)
    with whole_file(path) as stream:
        stream.write(content.getbuffer())
    return Path(path)
