"""Inputs whose truth is known: HMI averaged down, and pairs of MDI and HMI in FITS files with coordinates."""

import contextlib
import dataclasses
import itertools
import re
from pathlib import Path

import astropy.units as u
import numpy as np
import sunpy.map

from sunpy_magsr._files import file_digest
from sunpy_magsr.exceptions import reason
from sunpy_magsr.inference.header import finer_header
from sunpy_magsr.instrument import MDI_GAIN, degrade, frame_blur, without_bad_pixels
from sunpy_magsr.instrument.defects import without_constant_pixels
from sunpy_magsr.maps import Magnetogram, prepare
from sunpy_magsr.maps.disk import limb_cosine, valid_pixels
from sunpy_magsr.maps.field import read_field
from sunpy_magsr.maps.fits import read_fits
from sunpy_magsr.maps.header import magnetic_unit, observation_time, product_of
from sunpy_magsr.pairs.align import GAIN_CARD, is_on_grid
from sunpy_magsr.pairs.geometry import interpolate, map_pixels

_FACTOR = 4
COARSEST = 2 / 3  # arcsec/pix: the shortest wavelength that is scored, 4/3 arcsec, has two pixels
_PIECE = 256  # low-resolution pixels
_LEAST_SHARE = 0.25
# Cards that say that a frame is from HMI, by how their names begin, and those of an MDI frame of 5 minutes.
_HMI_CARDS = ("drms", "instr", "camera", "telesc", "content", "wavel", "quality", "series")
_MDI_CARDS = {"telescop": "SOHO", "instrume": "MDI", "content": "MDI Full Disk Magnetogram", "interval": 300.0}


@dataclasses.dataclass(frozen=True)
class Region:
    """
    A true magnetogram and the input for which a model should find it.

    Parameters
    ----------
    name : `str`
        Path of the file of the truth in its folder. A piece of a file has its row and column in brackets after it.
    truth : `numpy.ndarray`
        The truth, float32 in Gauss, ``[4 y, 4 x]``, NaN where there is no measurement.
    low : `~sunpy_magsr.maps.Magnetogram`
        The input of the models, ``[y, x]``.
    plate_scale : `~astropy.units.Quantity`
        Plate scale of the truth along x and y, in arcsec/pix or deg/pix.
    sha256 : `str`
        SHA-256 hash of the file. Those of the two files of a true pair are joined by ``+``. Blur and noise of the input, if
        there are any, follow in words.
    gain : `float`
        Reading of the low-resolution instrument where the instrument of the truth reads 1 G. Defaults to 1. If it is not
        1, results are judged on the scale of the truth (``sunpy_magsr.instrument.gain.to_hmi``), and also on that of the
        input.
    corner : `tuple` of `int`
        Row and column in the file of the lower left low-resolution pixel. Defaults to ``(0, 0)``.
    """

    name: str
    truth: np.ndarray
    low: Magnetogram
    plate_scale: u.Quantity
    sha256: str
    gain: float = 1.0
    corner: tuple = (0, 0)

    @property
    def file(self):
        """Path of the file in its folder."""
        return re.sub(r"\.fits\[\d+,\d+\]$", ".fits", self.name)

    def on_grid(self, image):
        """
        Bring an image on the pixels of the file to the pixels of the truth.

        Parameters
        ----------
        image : `numpy.ndarray`
            The image.

        Returns
        -------
        `numpy.ndarray`
            The image itself, as a file has the pixels of the truth. A published pair may have others.
        """
        return image


def component_of(smap, name):
    """Find which component of the magnetic field a file holds."""
    product = product_of(smap, name=name)
    return product.refused or product.component or "los"


def degraded_map(smap, *, blur=0.0, noise=0.0, seed=0):
    """
    Average a high-resolution magnetogram over 4 x 4 pixels, or show it as a simulated instrument would see it.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The truth. At the top and on the right, up to three rows and columns are left out.
    blur : `float`
        Full width at half maximum in arcsec of a Gaussian with which the truth is blurred before. Defaults to 0.
    noise : `float`
        Standard deviation in Gauss of white noise that is added. Defaults to 0. With blur or noise, the header says that
        the Map is a full-disk magnetogram of MDI.
    seed : `int`
        Seed of the noise. Defaults to 0.

    Returns
    -------
    truth : `numpy.ndarray`
        The truth in Gauss, float32 ``[4 y, 4 x]``. It is NaN wherever the low-resolution pixel is not measured.
    low : `sunpy.map.GenericMap`
        The low-resolution magnetogram ``[y, x]``. A pixel is measured only where all of its 16 pixels are.

    Raises
    ------
    ValueError
        If the plate scale is coarser than 2/3 arcsec/pix, or blur or noise is negative.
    """
    for name, value in (("blur", blur), ("noise", noise)):
        if not 0 <= value < np.inf:
            msg = f"{name} must be a finite number of at least 0, got {value}."
            raise ValueError(msg)
    field = read_field(smap, name="smap")
    if max(field.arcsec) > COARSEST:
        msg = (
            f"smap must be a high-resolution magnetogram of {COARSEST:.3g} arcsec/pix or finer, got "
            f"{max(field.arcsec):.3g} arcsec/pix."
        )
        raise ValueError(msg)
    rows, columns = (side // _FACTOR * _FACTOR for side in field.data.shape)
    truth = without_constant_pixels(field.data[:rows, :columns].astype(np.float32))
    known = np.isfinite(degrade(truth, factor=_FACTOR))
    low = degrade(
        np.nan_to_num(truth), factor=_FACTOR, psf_fwhm=blur / float(np.mean(field.arcsec)), noise=noise, seed=seed
    )
    header = finer_header(smap, (1 / _FACTOR, 1 / _FACTOR), (0, 0), low.shape)
    if blur or noise:
        header = {card: value for card, value in header.items() if not card.startswith(_HMI_CARDS)} | _MDI_CARDS
    truth[~on_fine_grid(known)] = np.nan
    return truth, sunpy.map.Map(np.where(known, low, np.float32(np.nan)), header)


def degraded_region(smap, *, name, sha256="", component="los", blur=0.0, noise=0.0, seed=0):
    """Make a region of a high-resolution magnetogram, with the mean over 4 x 4 pixels as the input."""
    truth, low = degraded_map(smap, blur=blur, noise=noise, seed=seed)
    magnetogram = dataclasses.replace(prepare(low), component=component)
    if blur or noise:
        magnetogram = as_measured(magnetogram, limb_cosine(low))
    truth[~on_fine_grid(magnetogram.valid)] = np.nan
    sha256 = simulated_digest(sha256, blur=blur, noise=noise, seed=seed)
    return Region(name, truth, magnetogram, _fine_scale(magnetogram), sha256)


def simulated_digest(sha256, *, blur, noise, seed):
    """Add to the hash of a file what has been done to it."""
    return f"{sha256}, blur {blur:g} arcsec, noise {noise:g} G, seed {seed}" if blur or noise else sha256


def as_measured(magnetogram, mu):
    """Replace bad pixels and measure the blur, as is done with the frames of users."""
    magnetogram, _ = without_bad_pixels(magnetogram)
    return dataclasses.replace(magnetogram, blur=frame_blur(magnetogram, mu))


def _fine_scale(magnetogram):
    return u.Quantity([scale / _FACTOR for scale in magnetogram.plate_scale])


def on_fine_grid(values):
    """Give the pixels of the truth the values of the low-resolution pixels that they are in."""
    return values.repeat(_FACTOR, 0).repeat(_FACTOR, 1)


def window_of(region, rows, columns):
    """Cut a window out of a region."""
    fine = tuple(slice(_FACTOR * part.start, _FACTOR * part.stop) for part in (rows, columns))
    low = region.low
    origin = (low.origin[0] + rows.start, low.origin[1] + columns.start)
    cut = {
        name: field[rows, columns] for name in ("data", "valid", "noise") if (field := getattr(low, name)) is not None
    }
    low = dataclasses.replace(low, **cut, origin=origin)
    corner = (region.corner[0] + rows.start, region.corner[1] + columns.start)
    return dataclasses.replace(region, truth=region.truth[fine], low=low, corner=corner)


def cut_region(region):
    """
    Cut a large region, such as a full disk, into pieces of about 1024 x 1024 pixels.

    The numbers of pieces can be averaged and resampled, and metrics need less memory.
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


def read_regions(folder, *, component="los", **simulation):
    """
    Read every HMI magnetogram of a folder, and average it down for the input.

    Full disks are cut into pieces by `cut_region`.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        The folder. It is searched at all depths for ``*.fits``.
    component : {"los", "br", "bp", "bt"}
        Component of the field to read. Files of other components are skipped. Defaults to ``"los"``.
    **simulation
        ``blur``, ``noise`` and ``seed`` of a simulated instrument, as for `degraded_map`.

    Returns
    -------
    regions : `list` of `Region`
        The regions, in the order of the files' names.
    failed : `dict` of `str` to `str`
        The reason why a file could not be read, by its name.

    Raises
    ------
    ValueError
        If no file could be read.
    """

    def pieces(smap, path, name):
        options = {"name": name, "sha256": file_digest(path), "component": component}
        return cut_region(degraded_region(smap, **options, **simulation))

    failed = {}
    regions = list(itertools.chain.from_iterable(read_each(folder, component, pieces, failed)))
    check_any(
        regions, failed, f"folder must be a folder with magnetograms (*.fits) of component {component!r}, got {folder}"
    )
    return regions, failed


def read_each(folder, component, make, failed):
    """
    Yield what ``make(smap, path, name)`` gives for every magnetogram of a component in a folder, unless it is `None`.

    The reason why a file cannot be read goes into ``failed``.
    """
    for path in sorted(Path(folder).rglob("*.fits")):
        name = path.relative_to(folder).as_posix()
        try:
            smap = read_fits(path)
            found = make(smap, path, name) if component_of(smap, path.name) == component else None
        except Exception as error:  # noqa: BLE001  whatever a damaged file raises, the others are read
            failed[name] = reason(error)
            continue
        if found is not None:
            yield found


def check_any(regions, failed, message):
    """Raise an error if no region is left."""
    if not regions:
        reasons = "".join(f"; {name}: {why}" for name, why in failed.items())
        msg = f"{message}{reasons}."
        raise ValueError(msg)


LARGEST_DELAY = 30 * u.min
_MARGIN = 64  # the largest halo of a bundled model, input pixels


class _NoOverlapError(ValueError):
    pass


def paired_region(low, high, *, name, sha256="", component="los"):
    """
    Make a region of two magnetograms: the high-resolution one is brought onto four times finer pixels of the other.

    Its pixels are moved with the rotation of the Sun from the middle of its exposure to the middle of the other exposure, and
    interpolated by splines of the fifth degree (``sunpy_magsr.pairs.geometry``). This is left out if
    ``sunpy_magsr.pairs.align`` has done it already; ``align`` also corrects errors of the headers. The
    region is cut to what the high-resolution magnetogram covers, and a margin that the models need around it.
    """
    magnetogram = as_measured(dataclasses.replace(prepare(low), component=component), limb_cosine(low))
    truth = np.asarray(high.data, np.float32) * np.float32(magnetic_unit(high).to(u.G))
    if not is_on_grid(low, high):
        truth = _move_onto_grid(np.where(valid_pixels(high), truth, np.nan), low, high)
    truth[~on_fine_grid(magnetogram.valid)] = np.nan
    if not np.isfinite(truth).any():
        msg = f"low must overlap with high, and {name} has no common pixel."
        raise _NoOverlapError(msg)
    is_mdi = magnetogram.instrument == "MDI" and not str(high.instrument).upper().startswith("MDI")
    gain = float(high.meta.get(GAIN_CARD, MDI_GAIN)) if is_mdi else 1.0
    return _cut_to_truth(Region(name, truth, magnetogram, _fine_scale(magnetogram), sha256, gain))


def _move_onto_grid(truth, low, high):
    """Bring the high-resolution field onto four times finer pixels of the other magnetogram."""
    try:
        place = map_pixels(low, high).at(*np.indices(low.data.shape, dtype=float))
    except ValueError:  # no common pixel
        return np.full([_FACTOR * side for side in low.data.shape], np.nan, np.float32)
    return interpolate(truth, place, _FACTOR)


def _cut_to_truth(region):
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
    regions : `list` of `~sunpy_magsr.validation.Region`
        The pairs, in the order of the high-resolution files' names. Large ones are in pieces.
    failed : `dict` of `str` to `str`
        The reason why a file is in no pair, by its name.

    Raises
    ------
    ValueError
        If there is no pair.
    """
    unread, failed = {}, {}
    lows = list(read_each(low_folder, component, lambda smap, path, _: (path, smap, observation_time(smap)), unread))
    search = {"lows": lows, "component": component, "largest_delay": largest_delay}

    def pieces(high, path, name):
        return cut_region(_pair_up(high, path, name=name, **search))

    regions = list(itertools.chain.from_iterable(read_each(folder, component, pieces, failed)))
    failed = {f"low resolution: {name}": why for name, why in unread.items()} | failed
    message = f"low_folder must hold a partner in time for a magnetogram of {folder}, got none in {low_folder}"
    check_any(regions, failed, message)
    return regions, failed


def _pair_up(high, path, *, name, lows, component, largest_delay):
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
