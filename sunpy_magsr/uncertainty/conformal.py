"""What intervals are made of, and the factors that make them right."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from astropy.table import Table
from scipy import stats

from sunpy_magsr.uncertainty.stratum_factors import StratumFactors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from sunpy_magsr.metrics.antithetic import Draws

__all__ = ["LEVELS", "Case", "check_level", "coverage_table", "factors", "half_width", "standard_errors"]

#: Levels that are fitted by default.
LEVELS = (0.5, 0.68, 0.9, 0.95)
#: A stratum with fewer regions is not calibrated.
LEAST_REGIONS = 2
_ALL = -1  # all calibrated strata together
_COLUMNS = ("coverage", "scatter_error", "binomial_error", "lowest", "highest", "regions", "pixels")


@dataclasses.dataclass(frozen=True)
class Case:
    """
    An ensemble whose truth is known.

    Parameters
    ----------
    mean, std : `numpy.ndarray`
        Mean and standard deviation of the members: of a field in Gauss, ``[Y, X]``, or of a quantity that was measured on
        several fields, ``[N]``.
    draws : `~sunpy_magsr.metrics.antithetic.Draws`
        Number of members, and whether they are pairs.
    truth : `numpy.ndarray`
        The truth, of the same shape, NaN where it is not known.
    conditions : `dict`
        Values of the axes of the strata (`~sunpy_magsr.uncertainty.calibration.AXES`): for each an array or a number.
    region : `str`
        Name of the observed region. Cases of one region are not independent.
    """

    mean: NDArray[np.floating]
    std: NDArray[np.floating]
    draws: Draws
    truth: NDArray[np.floating]
    conditions: Mapping[str, ArrayLike]
    region: str


def check_level(level: float) -> None:
    """
    Check the probability of an interval.

    Parameters
    ----------
    level : `float`
        The probability.

    Raises
    ------
    ValueError
        If it is not between 0 and 1.
    """
    if not 0 < level < 1:
        msg = f"level must be between 0 and 1, got {level!r}."
        raise ValueError(msg)


def half_width(level: ArrayLike, draws: Draws) -> NDArray[np.float64]:
    r"""
    Give half the width of a prediction interval, in standard deviations of the members.

    If the truth and S members are drawn from one Gaussian distribution, the truth is within :math:`t_\nu \sqrt{1 + v}`
    standard deviations from the mean, with Student's t at the level (Student 1908, :doi:`10.1093/biomet/6.1.1`). For
    independent members :math:`\nu = S - 1` and :math:`v = 1/S`; for antithetic pairs both are those of
    `~sunpy_magsr.metrics.antithetic.Draws`. With few members their standard deviation is not well known, and the interval
    is wider.

    Parameters
    ----------
    level : `float` or `numpy.ndarray`
        Probability of the interval, between 0 and 1.
    draws : `~sunpy_magsr.metrics.antithetic.Draws`
        Number of members S, at least 2, and whether they are pairs.

    Returns
    -------
    `float` or `numpy.ndarray`
        Half the width, one number for each level.

    Examples
    --------
    >>> from sunpy_magsr.metrics.antithetic import Draws
    >>> from sunpy_magsr.uncertainty.conformal import half_width
    >>> round(float(half_width(0.6827, Draws(10**6))), 3), round(float(half_width(0.6827, Draws(4))), 3)
    (1.0, 1.338)
    """
    student = stats.t.ppf((1 + np.asarray(level)) / 2, draws.degrees_of_freedom)
    return student * np.sqrt(1 + draws.mean_variance)


def standard_errors(case: Case) -> NDArray[np.float64]:
    """
    Give the distance of the truth from the mean, in standard deviations of the members.

    Parameters
    ----------
    case : `Case`
        The ensemble and its truth.

    Returns
    -------
    `numpy.ndarray`
        The distance, of the shape of the truth, NaN where the truth is not known. Where all members equal the truth, it is 0.
    """
    error = np.abs(np.asarray(case.truth, dtype=float) - case.mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error == 0, 0.0, error / case.std)


def factors(
    calibration: StratumFactors, cases: Sequence[Case], *, least: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int_]]:
    """
    Fit the factors of a calibration.

    Parameters
    ----------
    calibration : `~sunpy_magsr.uncertainty.Calibration`
        A calibration with the strata and levels to fit.
    cases : sequence of `Case`
        Ensembles with their truth.
    least : `int`
        A region with fewer pixels in a stratum does not count in it.

    Returns
    -------
    factors : `numpy.ndarray`
        As in `~sunpy_magsr.uncertainty.Calibration`.
    scatter : `numpy.ndarray`
        Likewise.
    regions : `numpy.ndarray`
        Likewise.
    """
    shape = calibration.regions.shape
    regions = sorted({case.region for case in cases})
    found = np.full((len(regions), calibration.regions.size, len(calibration.levels)), np.nan)
    pooled: dict[int, list[list[NDArray[np.float64]]]] = {}
    for of_region, region in zip(found, regions, strict=True):
        errors, strata = _scaled(calibration, [case for case in cases if case.region == region])
        for stratum in range(calibration.regions.size):
            chosen = [of_level[strata == stratum] for of_level in errors]
            if len(chosen[0]) >= least:
                of_region[stratum] = [np.quantile(*pair) for pair in zip(chosen, calibration.levels, strict=True)]
                pooled.setdefault(stratum, []).append(chosen)
    counts = np.isfinite(found[..., 0]).sum(axis=0)
    result, scatter = np.full((2, *found.shape[1:]), np.nan)
    for stratum in np.flatnonzero(counts >= LEAST_REGIONS).tolist():
        own = found[np.isfinite(found[:, stratum, 0]), stratum]
        for at, level in enumerate(calibration.levels):
            result[stratum, at] = _equal_quantile([errors[at] for errors in pooled[stratum]], level)
        scatter[stratum] = own.std(axis=0, ddof=1) / np.maximum(own.mean(axis=0), np.finfo(float).tiny)
    levels = (len(calibration.levels),)
    return result.reshape(shape + levels), scatter.reshape(shape + levels), counts.reshape(shape)


def coverage_table(
    calibrations: StratumFactors | Mapping[str, StratumFactors], cases: Sequence[Case], *, least: int = 1
) -> Table:
    r"""
    Count how often calibrated intervals hold the truth, by stratum.

    Parameters
    ----------
    calibrations : `~sunpy_magsr.uncertainty.Calibration` or `dict`
        One calibration for all cases, or for each region (by its name) one that was fitted without it.
    cases : sequence of `Case`
        Ensembles with their truth.
    least : `int`
        A region with fewer pixels in a stratum does not count for ``lowest`` and ``highest``. Defaults to 1.

    Returns
    -------
    `~astropy.table.Table`
        One row for each level, and each stratum or (``"all"``) all calibrated pixels together:

        - ``coverage``: share of the pixels whose interval holds the truth, averaged over the regions;
        - ``scatter_error``: standard error of this mean, from the differences between regions;
        - ``binomial_error``: :math:`\sqrt{p (1 - p) / R}` with the coverage p of R regions, as if all pixels of one region
          erred together;
        - ``lowest``, ``highest``: coverage in the regions with the lowest and the highest one;
        - ``regions``, ``pixels``: how many there are.

        If each of few regions was left out of the fit in turn, the mean is close to the level nearly by construction:
        factors that are too small for one region are too large for another. The lowest and the highest coverage then say
        more.
    """
    by_region = calibrations
    if isinstance(by_region, StratumFactors):
        by_region = dict.fromkeys({case.region for case in cases}, by_region)
    first = next(iter(by_region.values()))
    rows = []
    for at, level in enumerate(first.levels):
        counted = _counted(by_region, cases, at)
        for stratum in (_ALL, *range(first.regions.size)):
            of_regions = [count for (which, _), count in counted.items() if which == stratum and count[1]]
            if of_regions:
                name = "all" if stratum == _ALL else first.name_of(stratum)
                rows.append((name, level, *_coverage(of_regions, least)))
    table = Table(rows=rows, names=("stratum", "level", *_COLUMNS))
    for name in _COLUMNS[:5]:
        table[name].info.format = ".3f"
    return table


def _counted(
    calibrations: Mapping[str, StratumFactors], cases: Sequence[Case], at: int
) -> dict[tuple[int, str], tuple[int, int]]:
    """How many pixels hold the truth at the level of number ``at``, of how many, by stratum and region."""
    counted: dict[tuple[int, str], tuple[int, int]] = {}
    for case in cases:
        calibration = calibrations[case.region]
        errors, strata = _scaled(calibration, [case])
        known = calibration.has(strata)
        held = errors[at][known] <= calibration.factor(calibration.levels[at])[strata[known]]
        for stratum in (_ALL, *range(calibration.regions.size)):
            chosen = held if stratum == _ALL else held[strata[known] == stratum]
            inside, count = counted.get((stratum, case.region), (0, 0))
            counted[stratum, case.region] = inside + chosen.sum(), count + chosen.size
    return counted


def _coverage(of_regions: Sequence[tuple[int, int]], least: int) -> tuple[float, ...]:
    """Numbers of `_COLUMNS` of the regions' pixels that hold the truth, of how many."""
    shares = [inside / count for inside, count in of_regions]
    mean = float(np.mean(shares))
    scatter = np.std(shares, ddof=1) / np.sqrt(len(shares)) if len(shares) > 1 else np.nan
    binomial = np.sqrt(mean * (1 - mean) / len(shares))
    large = [inside / count for inside, count in of_regions if count >= least] or [np.nan]
    return mean, scatter, binomial, min(large), max(large), len(shares), sum(count for _, count in of_regions)


def _scaled(calibration: StratumFactors, cases: Sequence[Case]) -> tuple[list[NDArray[np.float64]], NDArray[np.uint8]]:
    """Standard errors over `half_width`, of all cases one after the other for each level, and their strata."""
    errors: list[list[NDArray[np.float64]]] = [[] for _ in calibration.levels]
    strata = []
    for case in cases:
        error = standard_errors(case)
        known = np.isfinite(error) | (np.isinf(error) & np.isfinite(case.truth))
        strata.append(calibration.index(case.conditions, error.shape)[known])
        for at, level in enumerate(calibration.levels):
            errors[at].append(error[known] / half_width(level, case.draws))
    return [np.concatenate(of_level) for of_level in errors], np.concatenate(strata)


def _equal_quantile(samples: Sequence[NDArray[np.float64]], level: float) -> float:
    """Quantile of several sets of values, each of which counts the same."""
    values = np.concatenate(samples)
    weights = np.concatenate([np.full(len(sample), 1 / (len(sample) * len(samples))) for sample in samples])
    order = np.argsort(values)
    return np.interp(level, np.cumsum(weights[order]), values[order])
