"""FITS files that keep the uncertainty and the mask, which `sunpy.map.GenericMap.save` drops."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
import sunpy.map
from astropy.io import fits
from astropy.nddata import StdDevUncertainty

from sunpy_magsr.atomic import check_new, whole_file
from sunpy_magsr.prep.units import magnetic_unit

if TYPE_CHECKING:
    from sunpy.map import GenericMap

__all__ = ["check_precision", "compressed_image", "image_list", "read_fits", "write_compressed", "write_fits"]

_SCALING = ("BSCALE", "BZERO", "BLANK", "DATAMIN", "DATAMAX")
_TILE_ROWS = 16
_DITHER = 2  # SUBTRACTIVE_DITHER_2, which keeps zeros
_STEP = 0.1  # Gauss
_BLANK = -(2**31)


def write_fits(
    smap: GenericMap, path: str | Path, *, precision: u.Quantity | None = None, overwrite: bool = False
) -> Path:
    """
    Write a Map with its uncertainty and mask.

    The map is the primary image. Its standard deviation, if it has one, is the image extension ``UNCERT``, and its
    mask (1 is masked) ``MASK``, if it says more than the NaN in the data do. Both carry the map's header, so that
    `sunpy.map.Map` reads a file with extensions as a list of Maps. The file appears whole or not at all.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The map.
    path : `str` or `pathlib.Path`
        The file.
    precision : `~astropy.units.Quantity`, optional
        Compress the file, with values rounded to steps of this size; see `compressed_image`. The map is then the first
        extension, as in the archives of MDI and HMI. By default nothing is rounded.
    overwrite : `bool`
        Replace a file that is there. Defaults to `False`.

    Returns
    -------
    `pathlib.Path`
        The file.

    Raises
    ------
    FileExistsError
        If the file is there and ``overwrite`` is false.
    ValueError
        If ``precision`` is not a positive magnetic field, or it is given and the map is none.
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
    """The size of the steps to which fields are rounded in a file, in Gauss, or `None` where they are not."""
    if value is None:
        return None
    is_field = isinstance(value, u.Quantity) and value.isscalar and value.unit.is_equivalent(u.G)
    if not is_field or not 0 < value.to_value(u.G) < np.inf:
        msg = f"precision must be None or a positive magnetic field such as 0.5 * u.G, got {value!r}."
        raise ValueError(msg)
    return float(value.to_value(u.G))


def image_list(images, header, precision):
    """
    Images with one header as HDUs: the first is the primary one, or the first extension if they are compressed.

    Parameters
    ----------
    images : sequence of `tuple`
        Name, array, and unit for BUNIT.
    header : `astropy.io.fits.Header`
        For all of them; not changed.
    precision : `~astropy.units.Quantity` or `None`
        Step of the rounding, as for `write_fits`; `None` to compress nothing.

    Returns
    -------
    `astropy.io.fits.HDUList`
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


def compressed_image(data, header, step, *, name=""):
    """
    An image in tiles that are compressed one by one by Rice's method.

    Floating-point values are rounded to whole steps after a random part of a step is added, which is taken away again
    when they are read (the tiled-image convention of the FITS standard 4.0, :doi:`10.1051/0004-6361/201015362`, and
    subtractive dithering, Pence et al. 2010, :doi:`10.1086/656249`): the error is uniform within half a step and does not
    depend on the value, so that means over many pixels are not biased. NaN and 0 are kept. Whole numbers are not rounded.
    The card ``MAGSRRND`` has the step.

    Parameters
    ----------
    data : `numpy.ndarray`
        ``[..., y, x]``, floating point or whole numbers.
    header : `astropy.io.fits.Header`
        Cards; those that scale values are left out. Not changed.
    step : `float`
        In the unit of the data.
    name : `str`
        Of the extension.

    Returns
    -------
    `astropy.io.fits.CompImageHDU`
    """
    header = header.copy()
    for card in _SCALING:
        header.remove(card, ignore_missing=True)
    data = np.ascontiguousarray(data, dtype=data.dtype.newbyteorder("="))
    options = {"compression_type": "RICE_1", "name": name or None}
    options["tile_shape"] = (*(1,) * (data.ndim - 2), min(_TILE_ROWS, data.shape[-2]), data.shape[-1])
    if data.dtype.kind == "f":
        seed = 1 + zlib.crc32(data) % 10000  # of what is in it: the same file for the same map, another for the next
        header["MAGSRRND"] = (step, "values are rounded to steps of this size")
        options |= {"quantize_level": -step, "quantize_method": _DITHER, "dither_seed": seed}
    return fits.CompImageHDU(data, header, **options)


def read_fits(path: str | Path) -> GenericMap:
    """
    Read a Map that `write_fits` wrote, with its uncertainty and mask.

    Parameters
    ----------
    path : `str` or `pathlib.Path`
        The file.

    Returns
    -------
    `sunpy.map.GenericMap`
        The map.
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


def write_compressed(data, header, path):
    """
    Write a field as the archive does: in whole tenths of a Gauss, losslessly compressed (Rice), in the first extension.

    Parameters
    ----------
    data : `numpy.ndarray`
        Gauss ``[y, x]``, rounded to 0.1 G; NaN is kept.
    header : `dict`
        FITS cards.
    path : `str` or `pathlib.Path`
        The file, which appears whole or not at all; one that is there is replaced.

    Returns
    -------
    `pathlib.Path`
        The file.
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
