"""FITS files that keep the uncertainty and the mask, which `sunpy.map.GenericMap.save` drops."""

import io
from pathlib import Path

import numpy as np
import sunpy.map
from astropy.io import fits
from astropy.nddata import StdDevUncertainty

from sunpy_magsr.atomic import whole_file

__all__ = ["read_fits", "write_compressed", "write_fits"]

_STEP = 0.1  # Gauss
_BLANK = -(2**31)


def write_fits(smap, path, *, overwrite=False):
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
    """
    path = Path(path)
    if path.exists() and not overwrite:
        msg = f"path must be a new file unless overwrite=True, and {path} exists."
        raise FileExistsError(msg)
    hdus = fits.HDUList([fits.PrimaryHDU(smap.data, smap.fits_header)])
    if smap.uncertainty is not None:
        deviation = smap.uncertainty.represent_as(StdDevUncertainty)
        hdus.append(fits.ImageHDU(deviation.array, smap.fits_header, name="UNCERT"))
        hdus["UNCERT"].header["BUNIT"] = str(deviation.unit or smap.unit)
    if smap.mask is not None and not np.array_equal(smap.mask, np.isnan(smap.data)):
        hdus.append(fits.ImageHDU(np.asarray(smap.mask, dtype=np.uint8), smap.fits_header, name="MASK"))
        hdus["MASK"].header["BUNIT"] = ""
    # by way of memory, as astropy's own report of a full disk fails for a file that it has not opened itself
    content = io.BytesIO()
    hdus.writeto(content)
    try:
        with whole_file(path, overwrite=overwrite) as stream:
            stream.write(content.getbuffer())
    except FileExistsError as error:  # meanwhile
        msg = f"path must be a new file unless overwrite=True, and {path} exists."
        raise FileExistsError(msg) from error
    return path


def read_fits(path):
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
        header = hdus[0].header
        extensions = {hdu.name: hdu for hdu in hdus[1:]}
        uncertainty = mask = None
        if "UNCERT" in extensions:
            hdu = extensions["UNCERT"]
            uncertainty = StdDevUncertainty(_native(hdu.data), unit=hdu.header["BUNIT"])
        if "MASK" in extensions:
            mask = (extensions["MASK"].data & 1).astype(bool)  # what other bits say: sunpy_magsr.uncertainty.files
        data = _native(hdus[0].data)
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
