"""Tests of an ensemble against a truth: coverage, reliability, ranks, PIT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from sunpy.map import GenericMap

from sunpy_magsr.metrics.ensemble import is_paired, read_members
from sunpy_magsr.spectral.plot import FreeFigure, make_axes
from sunpy_magsr.uncertainty.calibration import UNCALIBRATED, Calibration
from sunpy_magsr.uncertainty.ensemble import Ensemble, check_ensemble, read_truth
from sunpy_magsr.uncertainty.intervals import Case, half_width, standard_errors


def pit_histogram(values: Mapping[str, np.ndarray], *, bins: int = 20) -> Table:
    r"""
    Make a histogram of the results of ``diagnostics`` over regions, each of which counts the same.

    The histogram of calibrated intervals is flat. High ends mean that the intervals are too narrow, a dome that they are too
    wide, and a slope that there is a bias.

    Parameters
    ----------
    values : `dict` of `str` to `numpy.ndarray`
        Result of ``diagnostics`` for each region, by its name.
    bins : `int`
        Number of bins. Defaults to 20.

    Returns
    -------
    `~astropy.table.Table`
        The columns ``low`` and ``high``, the ends of the bins; ``density``, which is 1 if the values are uniform; and
        ``error``, the standard deviation of the density between the R regions over :math:`\sqrt{R}`, NaN for one region.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.uncertainty import pit_histogram
    >>> pit_histogram({"a": np.array([0.1, 0.2, 0.9]), "b": np.array([0.1, 0.7, 0.9])}, bins=2)["density"].round(2).tolist()
    [1.0, 1.0]
    """
    edges = np.linspace(0, 1, bins + 1)
    density = [
        np.histogram(_known(of_region), edges)[0] * bins / _known(of_region).size for of_region in values.values()
    ]
    mean, error = _over_regions(density)
    return Table({"low": edges[:-1], "high": edges[1:], "density": mean, "error": error}, meta={"regions": len(values)})


def reliability_of_regions(values: Mapping[str, np.ndarray], *, levels: ArrayLike | None = None) -> Table:
    """Measure the coverage of the intervals at many levels, with an error from the differences between regions."""
    levels = np.arange(1, 20) / 20 if levels is None else np.asarray(levels, dtype=float)
    shares = [[np.mean(np.abs(2 * _known(one) - 1) <= level) for level in levels] for one in values.values()]
    mean, error = _over_regions(shares)
    return Table({"level": levels, "coverage": mean, "error": error}, meta={"regions": len(values)})


def _known(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)]


def _over_regions(of_regions: Sequence[ArrayLike]) -> tuple[np.ndarray, np.ndarray]:
    """Mean over the regions, and its error."""
    rows = np.array(of_regions, dtype=float)
    error = rows.std(axis=0, ddof=1) / np.sqrt(len(rows)) if len(rows) > 1 else np.full(rows.shape[1], np.nan)
    return rows.mean(axis=0), error


def coverage(
    members: Any, truth: GenericMap | u.Quantity | ArrayLike, *, level: float = 0.9, where: ArrayLike | None = None
) -> float:
    r"""
    Measure the share of the pixels whose truth lies in the central interval of the members.

    The share is equal to ``level`` if the ensemble is calibrated. If the truth is like one more member, the interval from
    the k-th lowest to the k-th highest of S members holds it with the probability :math:`(S + 1 - 2k) / (S + 1)`
    (Anderson 1996, J. Climate 9, 1518). The shares are counted at these levels and interpolated linearly between them, so
    that a small number of members brings no bias. For the same reason, a truth that equals m members gets each of the
    m + 1 ranks that it could have, with equal weight.

    Parameters
    ----------
    members : `~sunpy_magsr.uncertainty.Ensemble`, sequence or array-like
        S members, as in ``read_members``. Of an Ensemble of antithetic pairs, the first member
        of each pair counts.
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        The true field on the same grid; plain arrays are in Gauss.
    level : `float`
        Probability of the interval, above 0 and at most (S - 1) / (S + 1). Defaults to 0.9, which needs 19 members.
    where : array-like of `bool`, optional
        The pixels to count, ``[y, x]``; all by default. Choose them without looking at the truth. Among pixels chosen by
        the truth, a calibrated ensemble looks overconfident (Lerch et al. 2017, :doi:`10.1214/16-STS588`).

    Returns
    -------
    `float`
        The share, from 0 to 1. Its error is larger than the number of pixels suggests, because errors of neighboring pixels
        are correlated.

    Raises
    ------
    TypeError
        If ``members`` is not a collection.
    ValueError
        If the shapes differ, no pixel is left, or ``level`` is too high for S members.

    Examples
    --------
    One sigma of a Gaussian:

    >>> import numpy as np
    >>> from sunpy_magsr.uncertainty import coverage
    >>> field = np.random.default_rng(1).normal(0, 100, (9, 200, 200))
    >>> round(coverage(field[:8], field[8], level=0.6827), 2)
    0.68
    """
    counts = _expected_counts(*_independent(members, truth, where))
    return float(_coverage(counts, np.array([level]))[0])


def rank_histogram(
    members: Any, truth: GenericMap | u.Quantity | ArrayLike, *, where: ArrayLike | None = None, seed: int = 0
) -> np.ndarray:
    """
    Count how often the truth has each rank among the members (Hamill 2001, Mon. Weather Rev. 129, 550).

    The histogram of a calibrated ensemble is flat. A U shape means that the spread is too small, a dome that it is too
    large, and a slope that there is a bias. A flat histogram alone proves nothing, because opposite errors in different
    places cancel.

    Parameters
    ----------
    members : `~sunpy_magsr.uncertainty.Ensemble`, sequence or array-like
        The S members, as in `coverage`.
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        The true field, as in `coverage`.
    where : array-like of `bool`, optional
        The pixels to count, as in `coverage`.
    seed : `int`
        Seed of the random numbers that choose the rank of a truth that equals some of the members. Defaults to 0.

    Returns
    -------
    `numpy.ndarray`
        Number of pixels whose truth is above 0, 1, ... S members, int ``[S + 1]``.

    Raises
    ------
    TypeError
        If ``members`` is not a collection.
    ValueError
        If the shapes differ, or no pixel is left.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.uncertainty import rank_histogram
    >>> rank_histogram([[[0.0, 0.0, 0.0]], [[9.0, 9.0, 9.0]]], [[-5.0, 5.0, 20.0]])
    array([1, 1, 1])
    """
    members, truth = _independent(members, truth, where)
    below, equal = _ranks(members, truth)
    ranks = below + np.random.default_rng(seed).integers(0, equal, endpoint=True)
    return np.bincount(ranks, minlength=len(members) + 1)


def reliability(
    members: Any,
    truth: GenericMap | u.Quantity | ArrayLike,
    *,
    levels: ArrayLike | None = None,
    where: ArrayLike | None = None,
) -> Table:
    """
    Measure the `coverage` at many levels.

    Parameters
    ----------
    members : `~sunpy_magsr.uncertainty.Ensemble`, sequence or array-like
        S members, as in `coverage`.
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        The true field, as in `coverage`.
    levels : array-like of `float`, optional
        Probabilities of the intervals. By default those that need no interpolation: (S - 1) / (S + 1), (S - 3) / (S + 1), ...
    where : array-like of `bool`, optional
        The pixels to count, as in `coverage`.

    Returns
    -------
    `~astropy.table.Table`
        The columns ``level`` and ``coverage``. Its ``meta`` has the numbers of ``members`` and ``pixels``.

    Raises
    ------
    TypeError, ValueError
        In the same cases as `coverage`.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.uncertainty import reliability
    >>> field = np.random.default_rng(1).normal(0, 100, (10, 200, 200))
    >>> table = reliability(field[:9], field[9])
    >>> table["level"].tolist()
    [0.2, 0.4, 0.6, 0.8]
    >>> table["coverage"].round(2).tolist()
    [0.2, 0.4, 0.6, 0.8]
    """
    members, truth = _independent(members, truth, where)
    counts = _expected_counts(members, truth)
    levels = _exact_levels(len(members))[1:] if levels is None else np.atleast_1d(np.asarray(levels, dtype=float))
    columns = {"level": levels, "coverage": _coverage(counts, levels)}
    return Table(columns, meta={"members": len(members), "pixels": truth.size})


def plot_reliability(tables: Mapping[str, Table], *, axes: Axes | None = None) -> Axes:
    """
    Draw a reliability diagram: coverage against level, with the diagonal of a calibrated ensemble.

    Parameters
    ----------
    tables : `dict` of `str` to `~astropy.table.Table`
        Results of `reliability` or ``reliability_of_regions``, by the names for the legend. The
        latter are drawn with error bars.
    axes : `matplotlib.axes.Axes`, optional
        The axes to draw into. By default those of a new figure, which is not one of pyplot's.

    Returns
    -------
    `matplotlib.axes.Axes`
        The axes. Their figure is ``axes.figure``.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from sunpy_magsr.uncertainty import plot_reliability
    >>> axes = plot_reliability({"overconfident": Table({"level": [0.4, 0.8], "coverage": [0.2, 0.5]})})
    >>> axes.get_xlabel()
    'Level'
    """
    axes = make_axes(axes, width=4.5, height=4.5)
    axes.plot([0, 1], [0, 1], color="0.6", linestyle="--", label="calibrated")
    for name, table in tables.items():
        (line,) = axes.plot(table["level"], table["coverage"], marker="o", markersize=4, label=name)
        if "error" in table.colnames:
            axes.errorbar(table["level"], table["coverage"], table["error"], fmt="none", color=line.get_color())
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="Level", ylabel="Coverage", aspect="equal")
    axes.legend()
    return axes


def _ranks(members: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (members < truth).sum(axis=0), (members == truth).sum(axis=0)


def _independent(members: Any, truth: Any, where: Any) -> tuple[np.ndarray, np.ndarray]:
    """Members and truth; of antithetic pairs the first members, as ranks assume independent ones."""
    values, true = read_members(members, truth, where=where)
    return (values[::2] if is_paired(members) else values), true


def _expected_counts(members: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Rank histogram with every tie spread evenly over its ranks."""
    below, equal = _ranks(members, truth)
    size = len(members) + 2
    share = 1 / (equal + 1)
    steps = np.bincount(below, share, size) - np.bincount(below + equal + 1, share, size)
    return np.cumsum(steps)[:-1]


def _exact_levels(size: int) -> np.ndarray:
    """0 and the levels of the intervals between order statistics, ascending."""
    levels = np.arange(size - 1, 0, -2)[::-1] / (size + 1)
    return np.concatenate([[0.0], levels])


def _coverage(counts: np.ndarray, levels: np.ndarray) -> np.ndarray:
    size = len(counts) - 1
    nodes = _exact_levels(size)
    highest = (size - 1) / (size + 1)
    if not ((levels > 0) & (levels <= highest + 1e-9)).all():
        msg = f"level must be above 0 and at most {highest:.6g} with {size} members, got {levels.tolist()}."
        raise ValueError(msg)
    inner = [counts[rank : len(counts) - rank].sum() for rank in range(len(nodes) - 1, 0, -1)]
    return np.interp(levels, nodes, np.concatenate([[0.0], inner]) / counts.sum())


# Levels from 0 to nearly 1, finer toward 1.
_GRID = 1 - np.geomspace(1, 1e-5, 400)


def pit(ensemble: Ensemble, truth: GenericMap | u.Quantity | ArrayLike) -> np.ndarray:
    r"""
    Find the quantile at which the truth lies: its probability integral transform (Dawid 1984, :doi:`10.2307/2981683`).

    It is :math:`(1 + s p) / 2`, with the level :math:`p` of the smallest `~sunpy_magsr.uncertainty.Ensemble.interval` that
    holds the truth, and the sign :math:`s` of the truth minus the mean. The values are distributed uniformly between 0 and 1
    if the intervals of every level are calibrated, and the truth is as often above the mean as below it.

    Parameters
    ----------
    ensemble : `~sunpy_magsr.uncertainty.Ensemble`
        The ensemble. If it has no calibration, the intervals are those of the members alone.
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        The true field on the grid of the ensemble; plain arrays are in Gauss.

    Returns
    -------
    `numpy.ndarray`
        The quantile, float32 ``[Y, X]``, NaN where the truth is not known or the interval is not calibrated.

    Raises
    ------
    TypeError
        If ``ensemble`` is not an Ensemble.
    ValueError
        If the truth cannot be read or has another shape.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> import sunpy_magsr
    >>> from sunpy_magsr.data import sample_map
    >>> from sunpy_magsr.uncertainty import pit
    >>> low = sample_map().submap([190, 80] * u.pix, top_right=[209, 99] * u.pix)
    >>> ensemble = sunpy_magsr.superresolve_ensemble(low, n_samples=3, seed=1)
    >>> float(np.nanmedian(pit(ensemble, ensemble.mean())))
    0.5
    """
    check_ensemble(ensemble)
    truth = read_truth(truth, ensemble).data
    case = Case(ensemble.mean().data, ensemble.std().data, ensemble.draws, truth, {}, "")
    strata = ensemble.strata
    return case_pit(case, None if strata is None else ensemble.facts.calibrations["pixel"], strata)


def case_pit(case: Case, calibration: Calibration | None = None, strata: np.ndarray | None = None) -> np.ndarray:
    """Find the quantile at which the truth lies, as `pit` does, for a case."""
    distance, sign = standard_errors(case), np.sign(np.asarray(case.truth, dtype=float) - case.mean)
    if strata is None:
        uniform = np.zeros(distance.shape, np.uint8)
        strata = uniform if calibration is None else calibration.strata(case.conditions, distance.shape)
    widths = half_width(_GRID, case.draws)
    factors = None if calibration is None else np.array([calibration.factor(level) for level in _GRID])
    result = np.full(distance.shape, np.nan, np.float32)
    for stratum in np.unique(strata[strata != UNCALIBRATED]):
        chosen = (strata == stratum) & ~np.isnan(distance)
        of_stratum = widths if factors is None else np.maximum.accumulate(widths * factors[:, stratum])
        level = np.interp(distance[chosen], of_stratum, _GRID, right=1)
        result[chosen] = (1 + sign[chosen] * level) / 2
    return result


def plot_pit(tables: Mapping[str, Table], *, axes: Axes | None = None) -> Axes:
    """
    Draw histograms of the results of `pit`.

    Parameters
    ----------
    tables : `dict` of `str` to `~astropy.table.Table`
        Results of `pit_histogram`, by the names for the legend.
    axes : `matplotlib.axes.Axes`, optional
        The axes to draw into, as in `~sunpy_magsr.uncertainty.plot_reliability`.

    Returns
    -------
    `matplotlib.axes.Axes`
        The axes with the histograms.
    """
    axes = make_axes(axes, width=4.5, height=4.5)
    axes.axhline(1, color="0.6", linestyle="--", label="calibrated")
    for place, (name, table) in enumerate(tables.items()):
        edges = np.append(table["low"], table["high"][-1])
        axes.stairs(table["density"], edges, label=name, color=f"C{place}")
        middle = (edges[1:] + edges[:-1]) / 2
        axes.errorbar(middle, table["density"], table["error"], fmt="none", color=f"C{place}", elinewidth=1)
    axes.set(xlim=(0, 1), ylim=(0, None), xlabel="Quantile of the truth (PIT)", ylabel="Density")
    axes.legend()
    return axes


def plot_strata(table: Table, *, level: float = 0.9, axes: Axes | None = None) -> Axes:
    """
    Draw the coverage of each stratum, its binomial error, and the regions with the lowest and the highest coverage.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Result of `~sunpy_magsr.uncertainty.Calibration.cross_fit`.
    level : `float`
        One of the levels in the table. Defaults to 0.9.
    axes : `matplotlib.axes.Axes`, optional
        The axes to draw into, as in `~sunpy_magsr.uncertainty.plot_reliability`.

    Returns
    -------
    `matplotlib.axes.Axes`
        The axes with one line for each stratum.

    Raises
    ------
    ValueError
        If ``level`` is not in the table.
    """
    rows = table[table["level"] == level]
    if not len(rows):
        msg = f"level must be one of {sorted(set(table['level'].tolist()))}, got {level!r}."
        raise ValueError(msg)
    axes = make_axes(axes, width=4.5, height=4.5)
    places = np.arange(len(rows))[::-1]
    axes.axvline(level, color="0.6", linestyle="--", label="calibrated")
    axes.errorbar(
        rows["coverage"], places, xerr=rows["binomial_error"], fmt="none", color="0.7", label="binomial, of regions"
    )
    axes.hlines(places, rows["lowest"], rows["highest"], color="C0", linewidth=3, label="lowest to highest region")
    axes.plot(rows["coverage"], places, "o", color="C0")
    axes.set_yticks(places, list(rows["stratum"]), fontsize="small")
    axes.set(xlim=(None, 1), ylim=(-0.5, len(rows) + 2), xlabel=f"Coverage of {level:.0%} intervals")
    axes.legend(loc="upper left", fontsize="small")
    return axes


def draw_diagnostics(
    values: Mapping[str, np.ndarray], raw: Mapping[str, np.ndarray], table: Table, *, level: float = 0.9
) -> Figure:
    """Draw how well intervals are calibrated: reliability, histogram of `pit`, and coverage by stratum."""
    n_strata = np.count_nonzero(table["level"] == level)
    figure = FreeFigure(figsize=(14, max(4.5, 1.5 + 0.25 * n_strata)), layout="constrained")
    axes = figure.subplots(1, 3)
    named = {"members alone": raw, "calibrated intervals": values}
    plot_reliability({name: reliability_of_regions(one) for name, one in named.items()}, axes=axes[0])
    plot_pit({name: pit_histogram(one) for name, one in named.items()}, axes=axes[1])
    plot_strata(table, level=level, axes=axes[2])
    return figure
