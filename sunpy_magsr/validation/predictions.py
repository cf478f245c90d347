"""What is judged: the predictions of a model, or the results of others."""

import dataclasses
import hashlib
import itertools
import warnings
from pathlib import Path

import numpy as np
import scipy.stats
from astropy.io import fits

from sunpy_magsr import superresolve, superresolve_ensemble
from sunpy_magsr._files import file_digest, stem_of
from sunpy_magsr.exceptions import MagsrUserWarning, reason
from sunpy_magsr.metrics.ensemble import Draws
from sunpy_magsr.sampling import load_backend
from sunpy_magsr.store.card import ModelCard
from sunpy_magsr.uncertainty.intervals import half_width
from sunpy_magsr.validation.published import fine_pixels

_LARGEST_REST = 3  # rows and columns that the average over 4 x 4 pixels leaves out


class _Card(ModelCard):
    """Card of results, of which each file may have members."""

    @property
    def is_deterministic(self):
        return self.kind == "result"


class Results:
    """
    A folder of results for the files of another folder.

    A result has the path and the name of its input in its own folder, ``NAME.fits``, or if there are several independent
    samples ``NAME.0.fits``, ``NAME.1.fits`` and so on. It is in Gauss on the pixels of the truth; that of a published pair
    has the name of its MDI image and the pixels of its HMI image. It is judged as it is: no consistency step changes it.

    Parameters
    ----------
    name : `str`
        Name of the results in tables.
    folder : `str` or `pathlib.Path`
        The folder.

    Raises
    ------
    ValueError
        If it is no folder.
    """

    def __init__(self, name, folder):
        self.name, self.folder = name, Path(folder)
        if not self.folder.is_dir():
            msg = f"results must be NAME=DIR with a folder DIR, got {name}={folder}."
            raise ValueError(msg)
        paths = sorted(self.folder.rglob("*.fits"))
        digests = "".join(f"{path.relative_to(self.folder)} {file_digest(path)}\n" for path in paths)
        kind = "members" if any(self.folder.rglob("*.0.fits")) else "result"
        sha256 = hashlib.sha256(digests.encode()).hexdigest()
        self.card = _Card(
            name=name, kind=kind, summary="Results that were made elsewhere.", sha256=sha256, where=str(self.folder)
        )

    def __str__(self):
        return self.name

    @classmethod
    def read(cls, entry):
        """
        Make the results that a command line names.

        Parameters
        ----------
        entry : `str`
            Name and folder, as ``NAME=DIR``.

        Returns
        -------
        `Results`
            The results.

        Raises
        ------
        ValueError
            If it is something else.
        """
        name, equals, folder = entry.partition("=")
        if not (name and equals and folder):
            msg = f"results must be NAME=DIR, got {entry!r}."
            raise ValueError(msg)
        return cls(name, folder)

    def files(self, file):
        """
        Find the results for a file.

        Parameters
        ----------
        file : `str`
            Path of the input in its folder.

        Returns
        -------
        `list` of `pathlib.Path`
            The file, or those of all members.

        Raises
        ------
        ValueError
            If there is none.
        """
        stem = self.folder / stem_of(file)
        single = stem.with_name(f"{stem.name}.fits")
        if single.is_file():
            return [single]
        numbered = (stem.with_name(f"{stem.name}.{number}.fits") for number in itertools.count())
        members = list(itertools.takewhile(Path.is_file, numbered))
        if not members:
            msg = f"results must have {single.name} or {stem.name}.0.fits in {single.parent}, got neither."
            raise ValueError(msg)
        return members

    def members(self, file, truth, corner=(0, 0), *, whole=True, entry=None):
        """
        Read the results for a file, or for a piece of it.

        Parameters
        ----------
        file : `str`
            Path of the input in its folder.
        truth : `numpy.ndarray`
            The truth ``[Y, X]``.
        corner : `tuple` of `int`
            Row and column in the file of the lower left pixel of the truth. Defaults to ``(0, 0)``.
        whole : `bool`
            Whether the truth is that of the whole file. Defaults to `True`.
        entry : `dict`, optional
            Entry of a published pair in the table, for results on the pixels of the published HMI image
            (``fine_pixels``).

        Returns
        -------
        `list` of `numpy.ndarray`
            The members, float32 ``[Y, X]``, NaN where the truth is.

        Raises
        ------
        ValueError
            If a file cannot be read, has another shape, or has no value at a pixel of the truth.
        """
        return [self._member(path, truth, corner, whole, entry) for path in self.files(file)]

    def of_region(self, region, entry=None):
        """
        Read the results for a region.

        Parameters
        ----------
        region : `~sunpy_magsr.validation.Region`
            The region.
        entry : `dict`, optional
            Its entry in the table if it is a published pair.

        Returns
        -------
        `list` of `numpy.ndarray`
            The members, as `members` gives them.
        """
        factor = len(region.truth) // len(region.low.data)
        corner = tuple(factor * start for start in region.corner)
        return self.members(region.file, region.truth, corner, whole=region.name == region.file, entry=entry)

    def _member(self, path, truth, corner, whole, entry):
        data = _read_image(path)
        if entry is not None:
            data = fine_pixels(data.astype(float), entry)
        rest = [side - start - size for side, start, size in zip(data.shape, corner, truth.shape, strict=True)]
        if min(rest) < 0 or (whole and max(rest) > _LARGEST_REST):
            sides = [start + size for start, size in zip(corner, truth.shape, strict=True)]
            msg = f"{path.name} must have {sides[0]} rows and {sides[1]} columns as the truth, got {data.shape}."
            raise ValueError(msg)
        window = tuple(slice(start, start + size) for start, size in zip(corner, truth.shape, strict=True))
        field = np.where(np.isfinite(truth), data[window].astype(np.float32), np.float32(np.nan))
        lacking = np.count_nonzero(np.isfinite(truth) & ~np.isfinite(field))
        if lacking:
            msg = f"{path.name} must have a value wherever the truth has one, got {lacking} pixels without."
            raise ValueError(msg)
        return field


def _read_image(path):
    """The first image of a FITS file."""
    try:
        with fits.open(path) as file:
            images = (unit.data for unit in file if unit.is_image and unit.header.get("NAXIS") == 2)
            data = next(images, None)
    except (OSError, TypeError, ValueError) as error:  # of damaged files too
        msg = f"{path.name} must be a FITS file, got an error: {reason(error)}."
        raise ValueError(msg) from error
    if data is None:
        msg = f"{path.name} must hold an image of two dimensions, got none."
        raise ValueError(msg)
    return data


def check_results(results, regions, facts=None):
    """Leave out the regions that not all results are there for, so that all are judged on the same regions."""
    failed, left_out = {}, set()
    for one, region in itertools.product(results, regions):
        try:
            one.of_region(region, (facts or {}).get(region.name))
        except ValueError as error:
            failed[f"{one.name}: {region.file}"] = reason(error)
            left_out.add(region.name)
    return [region for region in regions if region.name not in left_out], failed


#: Levels of the central intervals.
LEVELS = (0.68, 0.9)
_FEWEST = 1000  # pixels of a stratum on the other half of the disk that an error bar is fitted on


@dataclasses.dataclass(frozen=True)
class Prediction:
    """
    Probability distribution of each pixel of a disk.

    Parameters
    ----------
    members : sequence of `numpy.ndarray`
        Independent samples in Gauss, each ``[Y, X]``; one for a deterministic result.
    mean : `numpy.ndarray`
        Their mean in Gauss ``[Y, X]``, NaN where there is none.
    std : `numpy.ndarray`
        Standard deviation in Gauss ``[Y, X]``.
    intervals : `dict` of `float` to `tuple` of `numpy.ndarray`
        Lower and upper ends in Gauss by level, each ``[Y, X]``.
    masked : `numpy.ndarray` or `None`
        Pixels in which the intervals are masked, as no calibration holds for them, bool ``[Y, X]``. `None` for no such
        pixels.
    origin : {"calibrated", "not calibrated", "fitted"}
        From where the intervals are: of an ensemble with or without calibration, or an error bar that was fitted to the
        errors on the other half of the disk.
    """

    members: list
    mean: np.ndarray
    std: np.ndarray
    intervals: dict
    masked: np.ndarray | None
    origin: str

    @property
    def is_ensemble(self):
        """Whether the spread is that of several members."""
        return self.origin != "fitted"


def predict(disk, model, *, n_samples=8, seed=0, device=None):
    """Super-resolve a disk as a user would."""
    options = {"model": model, "seed": seed, "plate_scale": None, "device": device}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MagsrUserWarning)  # The table says what is masked and what is not calibrated.
        if n_samples == 1 or load_backend(model, instrument=disk.instrument).card.is_deterministic:
            return predict_by_result(disk, superresolve(disk.low, **options).data)
        ensemble = superresolve_ensemble(disk.low, n_samples=n_samples, independent=True, **options)
        maps = {level: ensemble.interval(level) for level in LEVELS}
    return Prediction(
        ensemble.members,
        ensemble.mean().data,
        ensemble.std().data,
        {level: (low.data, high.data) for level, (low, high) in maps.items()},
        maps[LEVELS[0]][0].mask,
        "not calibrated" if ensemble.strata is None else "calibrated",
    )


def predict_by_members(members):
    """Make a prediction of samples from elsewhere."""
    mean, std = np.mean(members, axis=0), np.std(members, axis=0, ddof=1)
    widths = {level: np.float32(half_width(level, Draws(len(members)))) for level in LEVELS}
    intervals = {level: (mean - width * std, mean + width * std) for level, width in widths.items()}
    return Prediction(members, mean, std, intervals, None, "not calibrated")


def predict_by_result(disk, result):
    """
    Give a deterministic result an error bar, so that it can be compared with an ensemble.

    The variance is the mean square error of the pixels that have the same distance from disk center and the same strength of
    the input. It is fitted on one side of the central meridian and used on the other, and the other way round.
    """
    squares = (result - disk.truth) ** 2
    std = np.full(disk.strata.shape, np.nan, dtype=np.float32)
    for stratum in np.unique(disk.strata[disk.strata >= 0]):
        for side in (False, True):
            of_stratum = disk.strata == stratum
            errors = squares[disk.on_truth(of_stratum & (disk.is_west != side))]
            errors = errors[np.isfinite(errors)]
            if len(errors) >= _FEWEST:
                std[of_stratum & (disk.is_west == side)] = np.sqrt(errors.mean(dtype=float))
    std = disk.on_truth(std)
    widths = {level: np.float32(scipy.stats.norm.ppf((1 + level) / 2)) for level in LEVELS}
    intervals = {level: (result - width * std, result + width * std) for level, width in widths.items()}
    return Prediction([result], result, std, intervals, None, "fitted")
