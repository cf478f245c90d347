"""What is judged: samples of a model, or the results of others."""

import hashlib
import itertools
from pathlib import Path

import numpy as np
from astropy.io import fits

from sunpy_magsr._files import file_digest, stem_of
from sunpy_magsr.exceptions import reason
from sunpy_magsr.sampling.draw import draw_samples, put_on_scale
from sunpy_magsr.store.card import ModelCard

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
