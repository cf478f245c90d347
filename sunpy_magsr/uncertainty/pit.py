"""Where the truth lies in the calibrated distribution of an ensemble, and pictures of it."""

import numpy as np
from astropy.table import Table

from sunpy_magsr.uncertainty.arguments import check_ensemble, read_truth
from sunpy_magsr.uncertainty.calibration import UNCALIBRATED
from sunpy_magsr.uncertainty.conformal import Case, half_width, standard_errors
from sunpy_magsr.uncertainty.reliability import own_axes, plot_reliability

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


def pit(ensemble, truth):
    r"""
    Probability integral transform of the truth (Dawid 1984, :doi:`10.2307/2981683`): the quantile at which it lies.

    :math:`(1 + s p) / 2`, with the level :math:`p` of the smallest `~sunpy_magsr.uncertainty.Ensemble.interval` that holds
    the truth and the sign :math:`s` of its distance from the mean. If intervals of every level hold what they say, and the
    truth is as often above as below the mean, it is uniform between 0 and 1.

    Parameters
    ----------
    ensemble : `~sunpy_magsr.uncertainty.Ensemble`
        If it has no calibration, the intervals are those of the members alone.
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        The field as it is, on the grid of the ensemble; arrays in Gauss.

    Returns
    -------
    `numpy.ndarray`
        float32 ``[Y, X]``, NaN where the truth is not known or the interval is not calibrated.

    Raises
    ------
    TypeError, ValueError
        If ``ensemble`` is no Ensemble, or the truth has another shape.

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
    case = Case(ensemble.mean().data, ensemble.std().data, len(ensemble), truth, {}, "")
    return _quantiles(case, ensemble.facts.calibrations.get("pixel"), ensemble.strata)


def case_pit(case, calibration=None):
    """
    As `pit`, of a case; `None` for intervals of the members alone.

    Parameters
    ----------
    case : `~sunpy_magsr.uncertainty.conformal.Case`
        An ensemble and its truth.
    calibration : `~sunpy_magsr.uncertainty.Calibration`, optional
        Of the intervals.

    Returns
    -------
    `numpy.ndarray`
        float32 of the shape of the truth.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.uncertainty.conformal import Case
    >>> from sunpy_magsr.uncertainty.pit import case_pit
    >>> case_pit(Case(np.zeros(3), np.ones(3), 10**6, np.array([-1.645, 0, 1.645]), {}, "one")).round(2)
    array([0.05, 0.5 , 0.95], dtype=float32)
    """
    strata = None if calibration is None else calibration.strata(case.conditions, np.shape(case.truth))
    return _quantiles(case, calibration, strata)


def _quantiles(case, calibration, strata):
    distance, sign = standard_errors(case), np.sign(np.asarray(case.truth, dtype=float) - case.mean)
    strata = np.zeros(distance.shape, np.uint8) if strata is None else strata
    widths = half_width(_GRID, case.n_samples)
    factors = None if calibration is None else np.array([calibration.factor(level) for level in _GRID])
    result = np.full(distance.shape, np.nan, np.float32)
    for stratum in np.unique(strata[strata != UNCALIBRATED]):
        chosen = (strata == stratum) & ~np.isnan(distance)
        of_stratum = widths if factors is None else np.maximum.accumulate(widths * factors[:, stratum])
        level = np.interp(distance[chosen], of_stratum, _GRID, right=1)
        result[chosen] = (1 + sign[chosen] * level) / 2
    return result


def pit_histogram(values, *, bins=20):
    r"""
    Histogram of `pit` over regions, each of which counts the same.

    Flat is right. High ends are intervals that are too narrow, a dome those that are too wide, a slope is a bias.

    Parameters
    ----------
    values : `dict` of `str` to `numpy.ndarray`
        `pit` of every region.
    bins : `int`
        Defaults to 20.

    Returns
    -------
    `~astropy.table.Table`
        Columns ``low`` and ``high``, the ends of the bins; ``density``, 1 if uniform; and ``error``, the standard
        deviation of the density between regions over :math:`\sqrt{R}`, NaN for one region.

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


def reliability_of_regions(values, *, levels=None):
    """
    Coverage of the intervals at many levels, with an error that counts regions.

    Parameters
    ----------
    values : `dict` of `str` to `numpy.ndarray`
        `pit` of every region.
    levels : array-like of `float`, optional
        By default 0.05, 0.1, ... 0.95.

    Returns
    -------
    `~astropy.table.Table`
        Columns ``level``, ``coverage`` and ``error`` as in `pit_histogram`; for
        `~sunpy_magsr.uncertainty.plot_reliability`.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.uncertainty.pit import reliability_of_regions
    >>> uniform = np.linspace(0, 1, 1001)
    >>> reliability_of_regions({"a": uniform, "b": uniform}, levels=[0.5])["coverage"].round(2).tolist()
    [0.5]
    """
    levels = np.arange(1, 20) / 20 if levels is None else np.asarray(levels, dtype=float)
    shares = [[np.mean(np.abs(2 * _known(one) - 1) <= level) for level in levels] for one in values.values()]
    mean, error = _over_regions(shares)
    return Table({"level": levels, "coverage": mean, "error": error}, meta={"regions": len(values)})


def plot_pit(tables, *, axes=None):
    """
    Draw histograms of `pit`.

    Parameters
    ----------
    tables : `dict` of `str` to `~astropy.table.Table`
        Results of `pit_histogram` by name.
    axes : `matplotlib.axes.Axes`, optional
        Where to draw; by default in a new figure, ``axes.figure``, that pyplot does not know.

    Returns
    -------
    `matplotlib.axes.Axes`
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


def plot_strata(table, *, level=0.9, axes=None):
    """
    Draw the coverage by stratum, with a binomial error that counts regions and the lowest and the highest of them.

    Parameters
    ----------
    table : `~astropy.table.Table`
        From `~sunpy_magsr.uncertainty.Calibration.cross_fit`.
    level : `float`
        One of the table. Defaults to 0.9.
    axes : `matplotlib.axes.Axes`, optional
        Where to draw; by default in a new figure, ``axes.figure``, that pyplot does not know.

    Returns
    -------
    `matplotlib.axes.Axes`

    Raises
    ------
    ValueError
        If the level is not in the table.
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


def draw_diagnostics(values, raw, table, *, level=0.9):
    """
    Draw whether intervals are calibrated: reliability, PIT, and coverage by stratum.

    Parameters
    ----------
    values, raw : `dict` of `str` to `numpy.ndarray`
        `pit` of every region, calibrated without it and not calibrated.
    table : `~astropy.table.Table`
        From `~sunpy_magsr.uncertainty.Calibration.cross_fit`.
    level : `float`
        Of the coverage by stratum. Defaults to 0.9.

    Returns
    -------
    `matplotlib.figure.Figure`
        That pyplot does not know.
    """
    from matplotlib.figure import Figure

    n_strata = np.count_nonzero(table["level"] == level)
    figure = Figure(figsize=(14, max(4.5, 1.5 + 0.25 * n_strata)), layout="constrained")
    axes = figure.subplots(1, 3)
    named = {"members alone": raw, "calibrated intervals": values}
    plot_reliability({name: reliability_of_regions(one) for name, one in named.items()}, axes=axes[0])
    plot_pit({name: pit_histogram(one) for name, one in named.items()}, axes=axes[1])
    plot_strata(table, level=level, axes=axes[2])
    return figure


def _known(values):
    return values[np.isfinite(values)]


def _over_regions(rows):
    rows = np.array(rows)
    error = rows.std(axis=0, ddof=1) / np.sqrt(len(rows)) if len(rows) > 1 else np.full(rows.shape[1], np.nan)
    return rows.mean(axis=0), error
