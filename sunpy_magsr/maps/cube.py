"""Many frames in one Zarr store, with their times and WCS as coordinates, which xarray opens."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
import sunpy.map
from astropy.io import fits
from astropy.nddata import StdDevUncertainty

from sunpy_magsr._files import check_new, whole_folder
from sunpy_magsr._options import read_option
from sunpy_magsr.maps.fits import read_fits
from sunpy_magsr.maps.header import magnetic_unit, observation_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    import xarray
    from sunpy.map import GenericMap


_CHUNK = 512
_SMALL_STEP = 0.25  # Gauss: from which on 16 bits hold 8 kG
_BLANK = {"int16": -(2**15), "int32": -(2**31)}
#: Cards that become coordinates along time, if all frames have them as numbers.
_CARDS = (
    *("crpix1", "crpix2", "cdelt1", "cdelt2", "crval1", "crval2", "crota2", "pc1_1", "pc1_2", "pc2_1", "pc2_2"),
    *("rsun_obs", "dsun_obs", "hgln_obs", "hglt_obs", "crln_obs", "crlt_obs", "naxis1", "naxis2"),
)
_TITLE = "Solar magnetograms super-resolved by sunpy_magsr"
_COMMENT = (
    "Output of a model: structure finer than the pixels of the instrument is plausible, not measured. "
    "The header of each frame says which model, seed and input."
)


def write_cube(
    files: Iterable[str | Path], path: str | Path, *, precision: u.Quantity | None = 0.5 * u.G, overwrite: bool = False
) -> Path:
    """
    Write many frames into one Zarr store, in the order of their times.

    ``xarray.open_zarr(path)`` opens the store. It holds ``magnetic_field`` in Gauss with the dimensions ``time``, ``y``
    and ``x``, and ``uncertainty``, the standard deviation in Gauss, if the files have one. The numbers of the WCS and
    of the observer (``crpix1``, ``rsun_obs``, ...) are coordinates along ``time``. ``header`` holds the FITS header of
    each frame, from which `cube_map` makes a Map. If the frames differ in size, their first pixels coincide, and a
    smaller frame is filled with NaN up to the size of the largest.

    Parameters
    ----------
    files : iterable of `str` or `pathlib.Path`
        FITS files of one map each, as `sunpy_magsr.io.write_fits` writes them. One file at a time is in memory.
    path : `str` or `pathlib.Path`
        The name of the new folder, by convention ``*.zarr``. A write that fails leaves no folder behind.
    precision : `~astropy.units.Quantity` or `None`
        The step, a magnetic field, to which the values are rounded. They are stored as whole numbers of steps, with an
        error of at most half a step. Defaults to 0.5 G. With `None`, the values are stored as they are.
    overwrite : `bool`
        Whether to replace a Zarr store that exists. Defaults to `False`. Anything else than a Zarr store is never
        replaced.

    Returns
    -------
    `pathlib.Path`
        The folder.

    Raises
    ------
    FileExistsError
        If ``path`` exists and ``overwrite`` is false, or if it exists and is not a Zarr store.
    ValueError
        If there is no file, if a file is not a magnetic field, if two files have the same time, if only some of the
        files have an uncertainty, or if ``precision`` is not a positive magnetic field.
    ImportError
        If xarray and zarr are not installed.
    """
    path = Path(path).absolute()
    step = None if precision is None else read_option(precision, u.G, "precision", zero=False)
    check_new(path, overwrite=overwrite, what="folder")
    if path.exists() and not (path / "zarr.json").is_file():
        msg = f"path must be a new folder or a Zarr store to be replaced, and {path} is neither."
        raise FileExistsError(msg)
    zarr = _zarr()
    frames = _sorted_frames(files)
    with whole_folder(path) as temporary:
        names = _begin(temporary, frames, step)
        group = zarr.open_group(temporary, mode="r+")
        for number, (file, _) in enumerate(frames):
            for name, array in _arrays(file, names).items():
                target = group[name]
                rows, columns = array.shape
                target[number, :rows, :columns] = _packed(array, step, target.dtype, file)
    return path


def _arrays(file, names):
    """The fields of one file in Gauss, by their names in the store."""
    smap = read_fits(file)
    unit = magnetic_unit(smap, name=str(file))
    arrays = {"magnetic_field": smap.data * np.float32(unit.to(u.G))}
    if "uncertainty" in names:
        spread = smap.uncertainty.represent_as(StdDevUncertainty)
        arrays["uncertainty"] = spread.array * np.float32((spread.unit or unit).to(u.G))
    return arrays


def cube_map(cube: xarray.Dataset | str | Path, number: int) -> GenericMap:
    """
    Make a Map of one frame of a store that `write_cube` wrote.

    Parameters
    ----------
    cube : `xarray.Dataset`, `str` or `pathlib.Path`
        The store, either opened with ``xarray.open_zarr`` or as the name of its folder.
    number : `int`
        The number of the frame. Frames are counted in the order of time from 0; -1 is the last one.

    Returns
    -------
    `sunpy.map.GenericMap`
        The frame in Gauss, with its uncertainty if the store has one. Pixels that are NaN are masked.

    Raises
    ------
    IndexError
        If there is no frame of this number.
    ImportError
        If xarray and zarr are not installed.
    """
    _zarr()
    import xarray

    if not isinstance(cube, xarray.Dataset):
        with xarray.open_zarr(cube, consolidated=False) as opened:
            return cube_map(opened, number)
    frame = cube.isel(time=number)
    header = fits.Header.fromstring(frame["header"].to_numpy().tobytes().decode("ascii"))
    rows, columns = header["NAXIS2"], header["NAXIS1"]
    data = frame["magnetic_field"][:rows, :columns].to_numpy().astype(np.float32)
    smap, uncertainty = sunpy.map.Map(data, header), None
    if "uncertainty" in frame:
        spread = frame["uncertainty"][:rows, :columns].to_numpy().astype(np.float32)
        uncertainty = StdDevUncertainty(spread, unit=u.G)
    return type(smap)(data, smap.meta, uncertainty=uncertainty, mask=np.isnan(data))


def _zarr():
    try:
        import xarray  # noqa: F401
        import zarr
    except ImportError as error:
        msg = f"a cube needs `pip install sunpy-magsr[zarr]` ({error})."
        raise ImportError(msg) from error
    return zarr


def _sorted_frames(files):
    """The files in the order of their times, each with its time, its header and whether it has an uncertainty."""
    frames = []
    for file in map(Path, files):
        with fits.open(file) as hdus:
            first = next((hdu for hdu in hdus if hdu.header.get("NAXIS")), None)
            if first is None or first.header["NAXIS"] != 2:
                msg = f"files must be of one two-dimensional map each, and {file} is not."
                raise ValueError(msg)
            header = first.header.copy()
            spread = any(hdu.name == "UNCERT" for hdu in hdus)
        header.remove("BLANK", ignore_missing=True)
        bare = sunpy.map.Map(np.zeros((2, 2), np.float32), header)
        magnetic_unit(bare, name=str(file))
        header["BUNIT"] = "G"  # as the store has it
        frames.append((file, {"time": observation_time(bare), "header": header, "spread": spread}))
    if not frames:
        msg = "files must have at least one frame, got none."
        raise ValueError(msg)
    frames.sort(key=lambda frame: frame[1]["time"].tai.jd)
    for (one, earlier), (other, later) in itertools.pairwise(frames):
        if abs((later["time"] - earlier["time"]).to_value(u.s)) < 1e-3:
            msg = f"files must be of different times, got {one} and {other}."
            raise ValueError(msg)
    with_spread = [file for file, facts in frames if facts["spread"]]
    if 0 < len(with_spread) < len(frames):
        without = next(file for file, facts in frames if not facts["spread"])
        msg = f"files must have an uncertainty all or none, got {with_spread[0]} with and {without} without."
        raise ValueError(msg)
    return frames


def _begin(folder, frames, step):
    """Make a store that has everything but the values of its fields, and return the names of the fields."""
    import dask.array
    import xarray

    headers = [facts["header"] for _, facts in frames]
    rows, columns = (max(header[key] for header in headers) for key in ("NAXIS2", "NAXIS1"))
    times = np.array([facts["time"].utc.isot for _, facts in frames], "datetime64[ns]")
    values = dask.array.zeros((len(frames), rows, columns), dtype=np.float32, chunks=(1, rows, columns))
    fields = {"magnetic_field": (("time", "y", "x"), values, {"units": "G", "long_name": "magnetic flux density"})}
    if frames[0][1]["spread"]:
        fields["uncertainty"] = (("time", "y", "x"), values, {"units": "G", "long_name": "standard deviation"})
    cards = {
        card: ("time", np.array([float(header[card]) for header in headers]))
        for card in _CARDS
        if all(isinstance(header.get(card), int | float) for header in headers)
    }
    dataset = xarray.Dataset(
        {**fields, "header": (("time", "byte"), _bytes(headers), {"long_name": "FITS header, cards of 80 characters"})},
        coords={"time": ("time", times, {"long_name": "middle of the exposure, UTC"}), **cards},
        attrs={"title": _TITLE, "comment": _COMMENT},
    )
    packing = _packing(rows, columns, step)
    encoding = {**dict.fromkeys(fields, packing), "time": {"units": "seconds since 1996-01-01", "dtype": "float64"}}
    dataset.to_zarr(folder, mode="w", encoding=encoding, compute=False, zarr_format=3, consolidated=False)
    return list(fields)


def _bytes(headers):
    """The texts of the headers, ``[time, byte]``; the shorter ones end with blanks."""
    texts = [header.tostring().encode("ascii") for header in headers]
    longest = max(map(len, texts))
    return np.stack([np.frombuffer(text.ljust(longest), np.uint8) for text in texts])


def _packing(rows, columns, step):
    """The encoding of a field in the store: its chunks, its compression and its numbers."""
    import zarr.codecs

    chunk = tuple(min(_CHUNK, side) for side in (rows, columns))
    packing = {
        "chunks": (1, *chunk),
        "shards": (1, *(-(-side // part) * part for side, part in zip((rows, columns), chunk, strict=True))),
        "compressors": (zarr.codecs.BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle"),),
    }
    if step is not None:
        kind = "int16" if step >= _SMALL_STEP else "int32"
        packing |= {"dtype": kind, "scale_factor": step, "_FillValue": _BLANK[kind]}
    # what is never written reads as this: the pixels beyond a smaller frame
    packing["fill_value"] = packing.get("_FillValue", np.nan)
    return packing


def _packed(array, step, dtype, file):
    """Values in Gauss as whole numbers of steps, where NaN is the least number of the type."""
    if step is None:
        return array
    scaled = np.rint(array / np.float32(step))
    largest = np.iinfo(dtype).max
    if np.nanmax(np.abs(scaled), initial=0) > largest:
        msg = f"precision must be large enough that {largest} steps hold the field, got {step:g} G for {file}."
        raise ValueError(msg)
    return np.where(np.isnan(array), np.iinfo(dtype).min, scaled).astype(dtype)
