"""What a model predicts for a whole disk: members or one result, their mean, spread and intervals."""

import dataclasses
import warnings

import numpy as np
import scipy.stats

from sunpy_magsr import superresolve, superresolve_ensemble
from sunpy_magsr.backends import load_backend
from sunpy_magsr.exceptions import MagsrUserWarning
from sunpy_magsr.metrics.antithetic import Draws
from sunpy_magsr.uncertainty.conformal import half_width

__all__ = ["LEVELS", "Prediction", "predict", "predict_by_members", "predict_by_result"]

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
    """
    Super-resolve a disk as a user would.

    Parameters
    ----------
    disk : `~sunpy_magsr.validation.disks.Disk`
        The disk.
    model : `str`
        Name of the model, as for `sunpy_magsr.superresolve`.
    n_samples, seed : `int`
        Number of independent samples of a diffusion model and their seed.
    device : `str`, optional
        The torch device, as for `sunpy_magsr.superresolve`.

    Returns
    -------
    `Prediction`
        Members and calibrated intervals of a diffusion model. A deterministic model, or a single sample, gets an error bar.
    """
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
    """
    Make a prediction of samples from elsewhere.

    Parameters
    ----------
    members : sequence of `numpy.ndarray`
        At least two independent samples in Gauss, each ``[Y, X]``.

    Returns
    -------
    `Prediction`
        The prediction. Its intervals are those of a Gaussian of the members' mean and spread.
    """
    mean, std = np.mean(members, axis=0), np.std(members, axis=0, ddof=1)
    widths = {level: np.float32(half_width(level, Draws(len(members)))) for level in LEVELS}
    intervals = {level: (mean - width * std, mean + width * std) for level, width in widths.items()}
    return Prediction(members, mean, std, intervals, None, "not calibrated")


def predict_by_result(disk, result):
    """
    Give a deterministic result an error bar, so that it can be compared with an ensemble.

    The variance is the mean square error of the pixels that have the same distance from disk center and the same strength of
    the input. It is fitted on one side of the central meridian and used on the other, and the other way round.

    Parameters
    ----------
    disk : `~sunpy_magsr.validation.disks.Disk`
        The disk.
    result : `numpy.ndarray`
        The result in Gauss ``[Y, X]``.

    Returns
    -------
    `Prediction`
        A Gaussian. Its standard deviation is NaN where the other side has fewer than 1000 such pixels.
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
