"""True pairs: a low-resolution magnetogram of one instrument and the high-resolution one of another."""

import contextlib
import dataclasses
from pathlib import Path

import astropy.units as u
import numpy as np

from sunpy_magsr.forward_model import MDI_GAIN, frame_blur, without_bad_pixels
from sunpy_magsr.pairing.geometry import interpolate, map_pixels
from sunpy_magsr.pairing.header import GAIN_CARD, is_on_grid
from sunpy_magsr.prep import prepare
from sunpy_magsr.prep.disk import limb_cosine, valid_pixels
from sunpy_magsr.prep.exposure import observation_time
from sunpy_magsr.prep.files import file_digest, open_magnetogram, reason
from sunpy_magsr.prep.units import magnetic_unit
from sunpy_magsr.validation.regions import Region, check_any, component_of, cut_region, window_of

__all__ = ["LARGEST_DELAY", "paired_region", "read_pairs"]

_FACTOR = 4
LARGEST_DELAY = 30 * u.min
_MARGIN = 64  # the largest halo of a bundled model, input pixels


class _NoOverlapError(ValueError):
    pass


def paired_region(low, high, *, name, sha256="", component="los"):
    """
    Make a region of two magnetograms: the high-resolution one is brought onto four times finer pixels of the other.

    Its pixels are moved with the rotation of the Sun from the middle of its exposure to the middle of the other exposure, and
    interpolated by splines of the fifth degree (`sunpy_magsr.pairing.geometry`). This is left out if
    `sunpy_magsr.pairing.align` has done it already; `~sunpy_magsr.pairing.align` also corrects errors of the headers. The
    region is cut to what the high-resolution magnetogram covers, and a margin that the models need around it.

    Parameters
    ----------
    low, high : `sunpy.map.GenericMap`
        The low-resolution and the high-resolution magnetogram. They are not changed.
    name : `str`
        Name of the `Region`.
    sha256 : `str`
        SHA-256 hash of the files, for the `Region`. Defaults to none.
    component : `str`
        Component of the field, from `~sunpy_magsr.validation.regions.component_of`. Defaults to ``"los"``.

    Returns
    -------
    `Region`
        The region. If ``low`` is from MDI and ``high`` is not, its gain is the one that was measured on this pair, or else
        MDI's.

    Raises
    ------
    ValueError
        If the magnetograms do not overlap.
    """
    magnetogram, _ = without_bad_pixels(dataclasses.replace(prepare(low), component=component))
    magnetogram = dataclasses.replace(magnetogram, blur=frame_blur(magnetogram, limb_cosine(low)))
    truth = np.asarray(high.data, np.float32) * np.float32(magnetic_unit(high).to(u.G))
    if not is_on_grid(low, high):
        truth = np.where(valid_pixels(high), truth, np.nan)
        try:
            place = map_pixels(low, high).at(*np.indices(magnetogram.data.shape, dtype=float))
        except ValueError as error:
            msg = f"low must overlap with high, and {name} has no common pixel."
            raise _NoOverlapError(msg) from error
        truth = interpolate(truth, place, _FACTOR)
    truth[~magnetogram.valid.repeat(_FACTOR, 0).repeat(_FACTOR, 1)] = np.nan
    if not np.isfinite(truth).any():
        msg = f"low must overlap with high, and {name} has no common pixel."
        raise _NoOverlapError(msg)
    is_mdi = magnetogram.instrument == "MDI" and not str(high.instrument).upper().startswith("MDI")
    scales = u.Quantity([scale / _FACTOR for scale in magnetogram.plate_scale])
    gain = float(high.meta.get(GAIN_CARD, MDI_GAIN)) if is_mdi else 1.0
    return _covered(Region(name, truth, magnetogram, scales, sha256, gain))


def _covered(region):
    """Part of a region that the truth covers, with a margin."""
    height, width = region.low.data.shape
    covered = np.isfinite(region.truth).reshape(height, _FACTOR, width, _FACTOR).any(axis=(1, 3))
    (rows,), (columns,) = (np.nonzero(covered.any(axis=axis)) for axis in (1, 0))
    sides = ((rows, height), (columns, width))
    windows = (slice(max(0, int(side[0]) - _MARGIN), min(size, int(side[-1]) + _MARGIN + 1)) for side, size in sides)
    return window_of(region, *windows)


def read_pairs(folder, low_folder, *, component="los", largest_delay=LARGEST_DELAY):
    """
    Read every high-resolution magnetogram of a folder with the low-resolution one that is nearest in time.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        Folder of the high-resolution magnetograms. It is searched at all depths for ``*.fits``.
    low_folder : `str` or `pathlib.Path`
        Folder of the low-resolution magnetograms, searched likewise.
    component : {"los", "br", "bp", "bt"}
        Component of the field to read. Files of other components are skipped. Defaults to ``"los"``.
    largest_delay : `~astropy.units.Quantity`
        The longest time between the two observations. Defaults to 30 minutes.

    Returns
    -------
    regions : `list` of `~sunpy_magsr.validation.regions.Region`
        The pairs, in the order of the high-resolution files' names. Large ones are in pieces.
    failed : `dict` of `str` to `str`
        The reason why a file is in no pair, by its name.

    Raises
    ------
    ValueError
        If there is no pair.
    """
    failed, lows, regions = {}, [], []
    for path, name in _files(low_folder):
        try:
            smap = open_magnetogram(path)
            if component_of(smap, path.name) == component:
                lows.append((path, smap, observation_time(smap)))
        except Exception as error:  # noqa: BLE001  whatever a damaged file raises, the others go on
            failed[f"low resolution: {name}"] = reason(error)
    search = {"lows": lows, "component": component, "largest_delay": largest_delay}
    for path, name in _files(folder):
        try:
            high = open_magnetogram(path)
            if component_of(high, path.name) == component:
                regions += cut_region(_partnered(high, path, name=name, **search))
        except Exception as error:  # noqa: BLE001  as above
            failed[name] = reason(error)
    check_any(
        regions,
        failed,
        f"low_folder must hold a partner in time for a magnetogram of {folder}, got none in {low_folder}",
    )
    return regions, failed


def _files(folder):
    return [(path, path.relative_to(folder).as_posix()) for path in sorted(Path(folder).rglob("*.fits"))]


def _partnered(high, path, *, name, lows, component, largest_delay):
    """Region of a high-resolution magnetogram and the one of ``lows`` that is nearest in time and overlaps with it."""
    time = observation_time(high)
    for low_path, low, low_time in sorted(lows, key=lambda item: abs((item[2] - time).sec)):
        if abs(low_time - time) > largest_delay:
            break
        with contextlib.suppress(_NoOverlapError):
            digest = f"{file_digest(path)}+{file_digest(low_path)}"
            return paired_region(low, high, name=name, sha256=digest, component=component)
    msg = f"no low-resolution magnetogram of component {component!r} within {largest_delay:.0f} overlaps with it."
    raise ValueError(msg)
