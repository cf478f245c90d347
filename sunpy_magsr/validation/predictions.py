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
from sunpy_magsr.exceptions import MagsrUserWarning
from sunpy_magsr.maps.files import file_digest, reason, stem_of
from sunpy_magsr.metrics.ensemble import Draws
from sunpy_magsr.sampling.draw import draw_samples, put_on_scale
from sunpy_magsr.store.card import ModelCard
from sunpy_magsr.uncertainty.intervals import half_width
from sunpy_magsr.validation.regions import on_fine_grid

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
            msg = f"folder must be the folder of the results {name!r}, got {str(folder)!r}, which is no folder."
            raise ValueError(msg)
        paths = sorted(self.folder.rglob("*.fits"))
        digests = "".join(f"{path.relative_to(self.folder)} {file_digest(path)}\n" for path in paths)
        self.card = _Card(
            name=name,
            kind="members" if any(self.folder.rglob("*.0.fits")) else "result",
            summary="Results that were made elsewhere.",
            calibration="hmi",  # they are on the scale of the truth
            sha256=hashlib.sha256(digests.encode()).hexdigest(),
            where=str(self.folder),
        )

    def __str__(self):
        return self.name

    def members(self, region):
        """
        Read the results for a region.

        Parameters
        ----------
        region : `~sunpy_magsr.validation.Region`
            The region.

        Returns
        -------
        `list` of `numpy.ndarray`
            The members, float32 ``[Y, X]`` on the pixels of the truth, NaN where the truth is.

        Raises
        ------
        ValueError
            If there is no file, or a file cannot be read, has another shape, or has no value at a pixel of the truth.
        """
        return [_cut_out(_read_image(path), path.name, region) for path in self._paths(region.file)]

    def _paths(self, file):
        """The result for a file, or those of all members."""
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


def _cut_out(data, name, region):
    """The part of a result that is on the pixels of the truth of a region."""
    truth, is_whole_file = region.truth, region.name == region.file
    data = region.on_grid(data)
    factor = len(truth) // len(region.low.data)
    corner = [factor * start for start in region.corner]
    ends = [start + size for start, size in zip(corner, truth.shape, strict=True)]
    rest = [side - end for side, end in zip(data.shape, ends, strict=True)]
    if min(rest) < 0 or (is_whole_file and max(rest) > _LARGEST_REST):
        msg = f"{name} must have {ends[0]} rows and {ends[1]} columns as the truth, got {data.shape}."
        raise ValueError(msg)
    window = tuple(itertools.starmap(slice, zip(corner, ends, strict=True)))
    field = np.where(np.isfinite(truth), data[window].astype(np.float32), np.float32(np.nan))
    lacking = np.count_nonzero(np.isfinite(truth) & ~np.isfinite(field))
    if lacking:
        msg = f"{name} must have a value wherever the truth has one, got {lacking} pixels without."
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


def check_results(results, regions):
    """Leave out the regions that not all results are there for, so that all are judged on the same regions."""
    failed, left_out = {}, set()
    for one, region in itertools.product(results, regions):
        try:
            one.members(region)
        except ValueError as error:
            failed[f"{one.name}: {region.file}"] = reason(error)
            left_out.add(region.name)
    return [region for region in regions if region.name not in left_out], failed


def draw(model, region, *, n_samples, seed, device=None, independent=True):
    """Yield each sample for a region as the model draws it, and after the consistency step; results as they are."""
    if isinstance(model, Results):
        yield from ([np.nan_to_num(field)] * 2 for field in model.members(region))
        return
    count = 1 if model.card.is_deterministic else n_samples
    yield from draw_samples(model, region.low, n_samples=count, seed=seed, device=device, independent=independent)


def put_on_scale_of_truth(field, model, region, *, number, is_paired=False):
    """Put the sample of a number on the scale of the instrument of the truth."""
    scale = model.card.calibration if region.gain == 1 else "hmi"
    return put_on_scale(field, region.low, model.card, scale, number=number, is_paired=is_paired)


def draw_members(model, region, *, independent, **options):
    """Draw samples that are consistent with the input, on the scale of the truth."""
    return [
        put_on_scale_of_truth(field, model, region, number=number, is_paired=not independent)
        for number, (_, field) in enumerate(draw(model, region, independent=independent, **options))
    ]


#: Levels of the central intervals.
LEVELS = (0.68, 0.9)
_FEWEST = 1000  # pixels of a stratum on the other half of the disk that an error bar is fitted on


@dataclasses.dataclass(frozen=True)
class Prediction:
    """
    Probability distribution of each pixel of a disk, arrays ``[Y, X]`` in Gauss.

    ``intervals`` has the lower and upper ends by level, and ``masked`` the pixels for which no calibration holds. ``origin``
    is ``"calibrated"`` or ``"not calibrated"`` for an ensemble, and ``"fitted"`` for an error bar of `predict_by_result`.
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


def predict(model, disk, *, n_samples=8, seed=0, device=None):
    """Super-resolve a disk as a user would, or take the results for it."""
    if isinstance(model, Results):
        members = model.members(disk)
        return predict_by_result(disk, members[0]) if len(members) == 1 else predict_by_members(members)
    options = {"model": model, "seed": seed, "plate_scale": None, "device": device}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MagsrUserWarning)  # The table says what is masked and what is not calibrated.
        if n_samples == 1 or model.card.is_deterministic:
            return predict_by_result(disk, superresolve(disk.smap, **options).data)
        ensemble = superresolve_ensemble(disk.smap, n_samples=n_samples, independent=True, **options)
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
            errors = squares[on_fine_grid(of_stratum & (disk.is_west != side))]
            errors = errors[np.isfinite(errors)]
            if len(errors) >= _FEWEST:
                std[of_stratum & (disk.is_west == side)] = np.sqrt(errors.mean(dtype=float))
    std = on_fine_grid(std)
    widths = {level: np.float32(scipy.stats.norm.ppf((1 + level) / 2)) for level in LEVELS}
    intervals = {level: (result - width * std, result + width * std) for level, width in widths.items()}
    return Prediction([result], result, std, intervals, None, "fitted")
