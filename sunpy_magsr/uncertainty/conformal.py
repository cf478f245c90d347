"""What intervals are made of, and the factors that make them right."""

import dataclasses

import numpy as np
from astropy.table import Table
from scipy import stats

__all__ = ["LEVELS", "Case", "check_level", "coverage_table", "factors", "half_width", "standard_errors"]

LEVELS = (0.5, 0.68, 0.9, 0.95)
LEAST_REGIONS = 2


@dataclasses.dataclass(frozen=True)
class Case:
    """
    An ensemble whose truth is known.

    Attributes
    ----------
    mean, std : `numpy.ndarray`
        Of the members: Gauss ``[Y, X]``, or any quantity of several fields ``[N]``.
    n_samples : `int`
        Number of members.
    truth : `numpy.ndarray`
        Of the same shape, NaN where it is not known.
    conditions : `dict`
        What the strata are made of (`~sunpy_magsr.uncertainty.calibration.AXES`): of each an array or a number.
    region : `str`
        What was observed: cases of one region are not independent.
    """

    mean: np.ndarray
    std: np.ndarray
    n_samples: int
    truth: np.ndarray
    conditions: dict
    region: str


def check_level(level):
    """Raise `ValueError` unless the probability of an interval is between 0 and 1."""
    if not 0 < level < 1:
        msg = f"level must be between 0 and 1, got {level!r}."
        raise ValueError(msg)


def half_width(level, n_samples):
    r"""
    Half the width of a prediction interval, in standard deviations of the members.

    If the truth and S members are drawn from one Gaussian distribution, the truth is within
    :math:`t_{S-1} \sqrt{1 + 1/S}` standard deviations from the mean, with Student's t at the level (Student 1908,
    :doi:`10.1093/biomet/6.1.1`): with few members their standard deviation is not well known, and the interval is wider.

    Parameters
    ----------
    level : `float` or `numpy.ndarray`
        Probability of the interval.
    n_samples : `int`
        Members, at least 2.

    Returns
    -------
    `float` or `numpy.ndarray`

    Examples
    --------
    >>> from sunpy_magsr.uncertainty.conformal import half_width
    >>> round(float(half_width(0.6827, 10**6)), 3), round(float(half_width(0.6827, 4)), 3)
    (1.0, 1.338)
    """
    return stats.t.ppf((1 + np.asarray(level)) / 2, n_samples - 1) * np.sqrt(1 + 1 / n_samples)


def standard_errors(case):
    """
    Distance of the truth from the mean, in standard deviations of the members.

    Parameters
    ----------
    case : `Case`
        The ensemble.

    Returns
    -------
    `numpy.ndarray`
        Of its shape, NaN where the truth is not known. A truth that all members agree on has 0.
    """
    error = np.abs(np.asarray(case.truth, dtype=float) - case.mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error == 0, 0.0, error / case.std)


def factors(calibration, cases, *, least):
    """
    Fit the factors of a calibration.

    Parameters
    ----------
    calibration : `~sunpy_magsr.uncertainty.Calibration`
        Its strata and levels.
    cases : sequence of `Case`
        As in its ``fit``.
    least : `int`
        Pixels of a region that make it count in a stratum.

    Returns
    -------
    factors, scatter, regions : `numpy.ndarray`
        As in the calibration.
    """
    shape = calibration.regions.shape
    found, pooled = [], {}
    for region in sorted({case.region for case in cases}):
        errors, strata = _scaled(calibration, [case for case in cases if case.region == region])
        found.append(np.full((calibration.regions.size, len(calibration.levels)), np.nan))
        for stratum in range(len(found[-1])):
            chosen = [of_level[strata == stratum] for of_level in errors]
            if len(chosen[0]) >= least:
                found[-1][stratum] = [np.quantile(*pair) for pair in zip(chosen, calibration.levels, strict=True)]
                pooled.setdefault(stratum, []).append(chosen)
    found = np.array(found)
    counts = np.isfinite(found[..., 0]).sum(axis=0)
    result, scatter = np.full((2, *found.shape[1:]), np.nan)
    for stratum in np.flatnonzero(counts >= LEAST_REGIONS):
        own = found[np.isfinite(found[:, stratum, 0]), stratum]
        for at, level in enumerate(calibration.levels):
            result[stratum, at] = _equal_quantile([of_region[at] for of_region in pooled[stratum]], level)
        scatter[stratum] = own.std(axis=0, ddof=1) / np.maximum(own.mean(axis=0), np.finfo(float).tiny)
    levels = (len(calibration.levels),)
    return result.reshape(shape + levels), scatter.reshape(shape + levels), counts.reshape(shape)


def coverage_table(calibrations, cases, *, least=1):
    r"""
    How often calibrated intervals hold the truth, by stratum.

    Parameters
    ----------
    calibrations : `~sunpy_magsr.uncertainty.Calibration` or `dict`
        One for all cases, or of each region one that was fitted without it.
    cases : sequence of `Case`
        The ensembles.
    least : `int`
        A region with fewer pixels in a stratum is neither ``lowest`` nor ``highest`` there.

    Returns
    -------
    `~astropy.table.Table`
        Rows: strata and all calibrated pixels together, and levels. ``coverage`` is the mean over the regions of the
        share of the truth inside; ``scatter_error`` its standard error from the regions' differences; ``binomial_error``
        :math:`\sqrt{p (1 - p) / R}`, which counts each of the R regions once, as if all of its pixels erred together. ``lowest`` and ``highest``
        are the regions': fitted without each of few regions, factors err in turn to either side, so the mean is right nearly
        by construction, and these tell more.
    """
    by_region = (
        calibrations if isinstance(calibrations, dict) else dict.fromkeys({case.region for case in cases}, calibrations)
    )
    first = next(iter(by_region.values()))
    rows = []
    for at, level in enumerate(first.levels):
        inside, counts = {}, {}
        for case in cases:
            (errors, strata), calibration = _scaled(by_region[case.region], [case]), by_region[case.region]
            table = calibration.factor(level)
            known = calibration.has(strata)
            held = errors[at][known] <= table[strata[known]]
            for stratum in (-1, *range(first.regions.size)):
                chosen = held if stratum < 0 else held[strata[known] == stratum]
                key = (stratum, case.region)
                inside[key] = inside.get(key, 0) + chosen.sum()
                counts[key] = counts.get(key, 0) + chosen.size
        for stratum in (-1, *range(first.regions.size)):
            keys = [key for key in counts if key[0] == stratum and counts[key]]
            if keys:
                shares = [inside[key] / counts[key] for key in keys]
                mean = np.mean(shares)
                scatter = np.std(shares, ddof=1) / np.sqrt(len(shares)) if len(shares) > 1 else np.nan
                name = "all" if stratum < 0 else first.name_of(stratum)
                binomial = np.sqrt(mean * (1 - mean) / len(shares))
                large = [share for share, key in zip(shares, keys, strict=True) if counts[key] >= least] or [np.nan]
                pixels = sum(counts[key] for key in keys)
                rows.append((name, level, mean, scatter, binomial, min(large), max(large), len(shares), pixels))
    names = (
        "stratum",
        "level",
        "coverage",
        "scatter_error",
        "binomial_error",
        "lowest",
        "highest",
        "regions",
        "pixels",
    )
    table = Table(rows=rows, names=names)
    for name in names[2:7]:
        table[name].info.format = ".3f"
    return table


def _scaled(calibration, cases):
    """Standard errors over `half_width`, of all cases one after the other for each level, and their strata."""
    errors, strata = [[] for _ in calibration.levels], []
    for case in cases:
        error = standard_errors(case)
        known = np.isfinite(error) | (np.isinf(error) & np.isfinite(case.truth))
        strata.append(calibration.index(case.conditions, error.shape)[known])
        for at, level in enumerate(calibration.levels):
            errors[at].append(error[known] / half_width(level, case.n_samples))
    return [np.concatenate(of_level) for of_level in errors], np.concatenate(strata)


def _equal_quantile(samples, level):
    """Quantile of several samples that count the same."""
    values = np.concatenate(samples)
    weights = np.concatenate([np.full(len(sample), 1 / (len(sample) * len(samples))) for sample in samples])
    order = np.argsort(values)
    return np.interp(level, np.cumsum(weights[order]), values[order])
