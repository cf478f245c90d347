"""High-resolution magnetograms and the low-resolution ones that stand for them: what models are judged by."""

import dataclasses
import itertools
from pathlib import Path

import astropy.units as u
import numpy as np
import sunpy.map

from sunpy_magsr.forward_model import degrade, without_constant_pixels
from sunpy_magsr.metadata import finer_header
from sunpy_magsr.prep import Magnetogram, prepare
from sunpy_magsr.prep.field import read_field
from sunpy_magsr.prep.files import file_digest, open_magnetogram, reason
from sunpy_magsr.prep.products import product_of

__all__ = [
    "COARSEST",
    "Region",
    "component_of",
    "cut_region",
    "degraded_region",
    "read_regions",
    "window_of",
]

_FACTOR = 4
COARSEST = 2 / 3  # arcsec/pix: the shortest wavelength that is scored, 4/3 arcsec, has two pixels
_PIECE = 256  # low-resolution pixels
_LEAST_SHARE = 0.25


@dataclasses.dataclass(frozen=True)
class Region:
    """
    A pair to judge models by.

    Attributes
    ----------
    name : `str`
        Path of the file of the truth in its folder, and row and column of a piece of it.
    truth : `numpy.ndarray`
        float32 Gauss ``[4 y, 4 x]``, NaN where there is no measurement.
    low : `~sunpy_magsr.prep.Magnetogram`
        The models' input, ``[y, x]``.
    plate_scale : `~astropy.units.Quantity`
        Of the truth, along x and y, in arcsec/pix or deg/pix.
    sha256 : `str`
        Of the files, joined by ``+`` for a true pair.
    gain : `float`
        What the low-resolution instrument reads for 1 G of the truth's. If it is not 1, results are judged on the truth's
        scale (`sunpy_magsr.intercalibration.to_hmi`), and on the input's.
    """

    name: str
    truth: np.ndarray
    low: Magnetogram
    plate_scale: u.Quantity
    sha256: str
    gain: float = 1.0


def component_of(smap, name):
    """
    Component of the field that a file holds.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The Map; ``DRMS_ID`` names the segment in JSOC's files.
    name : `str`
        The file's name, which says it if the header does not.

    Returns
    -------
    `str`
        One of `~sunpy_magsr.prep.products.COMPONENTS`, or why it is none.
    """
    product = product_of(smap, name=name)
    return product.refused or product.component or "los"


def degraded_region(smap, *, name, sha256="", component="los"):
    """
    Average a high-resolution magnetogram over 4 x 4 pixels.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The truth; at most three rows and columns at the top and right are left out.
    name, sha256 : `str`
        For the `Region`.
    component : `str`
        From `component_of`.

    Returns
    -------
    `Region`
        A low-resolution pixel with a pixel that is not measured is not measured.

    Raises
    ------
    ValueError
        If the plate scale is coarser than 2/3 arcsec/pix.
    """
    field = read_field(smap, name="smap")
    if max(field.arcsec) > COARSEST:
        msg = (
            f"smap must be a high-resolution magnetogram of {COARSEST:.3g} arcsec/pix or finer, got "
            f"{max(field.arcsec):.3g} arcsec/pix."
        )
        raise ValueError(msg)
    rows, columns = (side // _FACTOR * _FACTOR for side in field.data.shape)
    truth = without_constant_pixels(field.data[:rows, :columns].astype(np.float32))
    low = degrade(truth, factor=_FACTOR)
    header = finer_header(smap, (1 / _FACTOR, 1 / _FACTOR), (0, 0), low.shape)
    magnetogram = dataclasses.replace(prepare(sunpy.map.Map(low, header)), component=component)
    truth[~_on_fine_grid(magnetogram.valid)] = np.nan
    return Region(name, truth, magnetogram, u.Quantity(field.plate_scale), sha256)


def _on_fine_grid(valid):
    return valid.repeat(_FACTOR, 0).repeat(_FACTOR, 1)


def window_of(region, rows, columns):
    """
    Part of a region.

    Parameters
    ----------
    region : `Region`
        The whole.
    rows, columns : `slice`
        Low-resolution pixels.

    Returns
    -------
    `Region`
        Of the same name.
    """
    fine = tuple(slice(_FACTOR * part.start, _FACTOR * part.stop) for part in (rows, columns))
    low = region.low
    origin = (low.origin[0] + rows.start, low.origin[1] + columns.start)
    cut = {
        name: field[rows, columns] for name in ("data", "valid", "noise") if (field := getattr(low, name)) is not None
    }
    low = dataclasses.replace(low, **cut, origin=origin)
    return dataclasses.replace(region, truth=region.truth[fine], low=low)


def cut_region(region):
    """
    Cut a large region, such as a full disk, into pieces of about 1024 x 1024 pixels.

    Numbers of pieces can be averaged and resampled, and the memory that metrics need stays small.

    Parameters
    ----------
    region : `Region`
        Of any size.

    Returns
    -------
    `list` of `Region`
        The region itself if it is small; else the pieces of which a quarter is measured, named by row and column.
    """
    counts = [max(1, round(size / _PIECE)) for size in region.low.data.shape]
    if counts == [1, 1]:
        return [region]
    rows, columns = (
        np.linspace(0, size, count + 1).astype(int) for size, count in zip(region.low.data.shape, counts, strict=True)
    )
    pieces = []
    for y, (top, bottom) in enumerate(itertools.pairwise(rows)):
        for x, (left, right) in enumerate(itertools.pairwise(columns)):
            piece = window_of(region, slice(int(top), int(bottom)), slice(int(left), int(right)))
            if np.isfinite(piece.truth).mean() >= _LEAST_SHARE:
                pieces.append(dataclasses.replace(piece, name=f"{region.name}[{y},{x}]"))
    return pieces


def read_regions(folder, *, component="los"):
    """
    Read every HMI magnetogram of a folder: SHARP patches and full disks, these in pieces (see `cut_region`).

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        Searched at all depths for ``*.fits``.
    component : {"los", "br", "bp", "bt"}
        Files of other components are passed over.

    Returns
    -------
    regions : `list` of `Region`
        In the order of their names.
    failed : `dict`
        What is wrong with the files that could not be read, by name.

    Raises
    ------
    ValueError
        If no file is left.
    """
    regions, failed = [], {}
    for path in sorted(Path(folder).rglob("*.fits")):
        name = path.relative_to(folder).as_posix()
        try:
            smap = open_magnetogram(path)
            if component_of(smap, path.name) == component:
                region = degraded_region(smap, name=name, sha256=file_digest(path), component=component)
                regions += cut_region(region)
        except Exception as error:  # noqa: BLE001  whatever a damaged file raises, the others go on
            failed[name] = reason(error)
    if not regions:
        reasons = "".join(f"; {name}: {why}" for name, why in failed.items())
        msg = f"--data must be a folder with magnetograms (*.fits) of component {component!r}, got {folder}{reasons}."
        raise ValueError(msg)
    return regions, failed
