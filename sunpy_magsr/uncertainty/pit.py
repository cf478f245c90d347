"""Where the truth lies in the calibrated distribution of an ensemble, and pictures of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sunpy_magsr.uncertainty.arguments import check_ensemble, read_truth
from sunpy_magsr.uncertainty.by_region import pit_histogram, reliability_of_regions
from sunpy_magsr.uncertainty.conformal import Case, half_width, standard_errors
from sunpy_magsr.uncertainty.reliability import own_axes, plot_reliability
from sunpy_magsr.uncertainty.stratum_factors import UNCALIBRATED

if TYPE_CHECKING:
    from collections.abc import Mapping

    import astropy.units as u
    from astropy.table import Table
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray
    from sunpy.map import GenericMap

    from sunpy_magsr.uncertainty.ensemble import Ensemble
    from sunpy_magsr.uncertainty.stratum_factors import StratumFactors

__all__ = [
    "case_pit",
    "draw_diagnostics",
    "pit",
    "pit_histogram",
    "plot_pit",
    "plot_strata",
    "reliability_of_regions",
]

# Levels from 0 to nearly 1, finer toward 1.
_GRID = 1 - np.geomspace(1, 1e-5, 400)


def pit(ensemble: Ensemble, truth: GenericMap | u.Quantity | ArrayLike) -> NDArray[np.float32]:
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
    return _quantiles(case, ensemble.facts.calibrations.get("pixel"), ensemble.strata)


def case_pit(case: Case, calibration: StratumFactors | None = None) -> NDArray[np.float32]:
    """
    Find the quantile at which the truth lies, as `pit` does, for a case.

    Parameters
    ----------
    case : `~sunpy_magsr.uncertainty.conformal.Case`
        An ensemble and its truth.
    calibration : `~sunpy_magsr.uncertainty.Calibration`, optional
        Calibration of the intervals. By default they are those of the members alone.

    Returns
    -------
    `numpy.ndarray`
        The quantile, float32, of the shape of the truth.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.metrics.antithetic import Draws
    >>> from sunpy_magsr.uncertainty.conformal import Case
    >>> from sunpy_magsr.uncertainty.pit import case_pit
    >>> case_pit(Case(np.zeros(3), np.ones(3), Draws(10**6), np.array([-1.645, 0, 1.645]), {}, "one")).round(2)
    array([0.05, 0.5 , 0.95], dtype=float32)
    """
    strata = None if calibration is None else calibration.strata(case.conditions, np.shape(case.truth))
    return _quantiles(case, calibration, strata)


def _quantiles(case: Case, calibration: StratumFactors | None, strata: NDArray[np.uint8] | None) -> NDArray[np.float32]:
    distance, sign = standard_errors(case), np.sign(np.asarray(case.truth, dtype=float) - case.mean)
    strata = np.zeros(distance.shape, np.uint8) if strata is None else strata
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
    axes = own_axes(axes)
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
    axes = own_axes(axes)
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
    values: Mapping[str, NDArray[np.floating]],
    raw: Mapping[str, NDArray[np.floating]],
    table: Table,
    *,
    level: float = 0.9,
) -> Figure:
    """
    Draw how well intervals are calibrated: reliability, histogram of `pit`, and coverage by stratum.

    Parameters
    ----------
    values : `dict` of `str` to `numpy.ndarray`
        Result of `pit` for each region, with a calibration that was fitted without that region.
    raw : `dict` of `str` to `numpy.ndarray`
        Result of `pit` for each region without calibration.
    table : `~astropy.table.Table`
        Result of `~sunpy_magsr.uncertainty.Calibration.cross_fit`.
    level : `float`
        The level for the coverage by stratum, one of those in the table. Defaults to 0.9.

    Returns
    -------
    `matplotlib.figure.Figure`
        A figure with three panels, which is not one of pyplot's.
    """
    from sunpy_magsr._figure import FreeFigure

    n_strata = np.count_nonzero(table["level"] == level)
    figure = FreeFigure(figsize=(14, max(4.5, 1.5 + 0.25 * n_strata)), layout="constrained")
    axes = figure.subplots(1, 3)
    named = {"members alone": raw, "calibrated intervals": values}
    plot_reliability({name: reliability_of_regions(one) for name, one in named.items()}, axes=axes[0])
    plot_pit({name: pit_histogram(one) for name, one in named.items()}, axes=axes[1])
    plot_strata(table, level=level, axes=axes[2])
    return figure
