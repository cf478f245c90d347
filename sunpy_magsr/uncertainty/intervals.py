"""Prediction intervals: their half width for a number of members, and ensembles whose truth is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from sunpy_magsr.metrics.ensemble import Draws


@dataclasses.dataclass(frozen=True)
class Case:
    """
    An ensemble whose truth is known.

    Parameters
    ----------
    mean, std : `numpy.ndarray`
        Mean and standard deviation of the members: of a field in Gauss, ``[Y, X]``, or of a quantity that was measured on
        several fields, ``[N]``.
    draws : ``Draws``
        Number of members, and whether they are pairs.
    truth : `numpy.ndarray`
        The truth, of the same shape, NaN where it is not known.
    conditions : `dict`
        Values of the axes of the strata (``AXES``): for each an array or a number.
    region : `str`
        Name of the observed region. Cases of one region are not independent.
    """

    mean: np.ndarray
    std: np.ndarray
    draws: Draws
    truth: np.ndarray
    conditions: Mapping[str, ArrayLike]
    region: str


def check_level(level: float) -> None:
    """Check the probability of an interval."""
    if not 0 < level < 1:
        msg = f"level must be between 0 and 1, got {level!r}."
        raise ValueError(msg)


def half_width(level: ArrayLike, draws: Draws) -> np.ndarray:
    r"""
    Give half the width of a prediction interval, in standard deviations of the members.

    If the truth and S members are drawn from one Gaussian distribution, the truth is within :math:`t_\nu \sqrt{1 + v}`
    standard deviations from the mean, with Student's t at the level (Student 1908, :doi:`10.1093/biomet/6.1.1`). For
    independent members :math:`\nu = S - 1` and :math:`v = 1/S`; for antithetic pairs both are those of
    ``Draws``. With few members their standard deviation is not well known, and the interval
    is wider.
    """
    student = stats.t.ppf((1 + np.asarray(level)) / 2, draws.degrees_of_freedom)
    return student * np.sqrt(1 + draws.mean_variance)


def standard_errors(case: Case) -> np.ndarray:
    """Give the distance of the truth from the mean, in standard deviations of the members."""
    error = np.abs(np.asarray(case.truth, dtype=float) - case.mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error == 0, 0.0, error / case.std)
