"""Whether an ensemble is as uncertain as it says: coverage and ranks of the truth among its members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table

from sunpy_magsr.metrics.antithetic import is_paired
from sunpy_magsr.metrics.ensemble import read_members

if TYPE_CHECKING:
    import astropy.units as u
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray
    from sunpy.map import GenericMap

__all__ = ["coverage", "own_axes", "plot_reliability", "rank_histogram", "reliability"]


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
        S members, as in `~sunpy_magsr.metrics.ensemble.read_members`. Of an Ensemble of antithetic pairs, the first member
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
) -> NDArray[np.int_]:
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


def plot_reliability(tables: dict[str, Table], *, axes: Axes | None = None) -> Axes:
    """
    Draw a reliability diagram: coverage against level, with the diagonal of a calibrated ensemble.

    Parameters
    ----------
    tables : `dict` of `str` to `~astropy.table.Table`
        Results of `reliability` or `~sunpy_magsr.uncertainty.pit.reliability_of_regions`, by the names for the legend. The
        latter are drawn with error bars.
    axes : `matplotlib.axes.Axes`, optional
        The axes to draw into. By default those of a new figure, which is not one of pyplot's.

    Returns
    -------
    `matplotlib.axes.Axes`
        The axes. Their figure is ``axes.figure``.

    Raises
    ------
    TypeError
        If ``tables`` is not a `dict`.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from sunpy_magsr.uncertainty import plot_reliability
    >>> axes = plot_reliability({"overconfident": Table({"level": [0.4, 0.8], "coverage": [0.2, 0.5]})})
    >>> axes.get_xlabel()
    'Level'
    """
    if not isinstance(tables, dict):
        msg = f"tables must be a dict of name to Table, got {type(tables).__name__}."
        raise TypeError(msg)
    axes = own_axes(axes)
    axes.plot([0, 1], [0, 1], color="0.6", linestyle="--", label="calibrated")
    for name, table in tables.items():
        (line,) = axes.plot(table["level"], table["coverage"], marker="o", markersize=4, label=name)
        if "error" in table.colnames:
            axes.errorbar(table["level"], table["coverage"], table["error"], fmt="none", color=line.get_color())
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="Level", ylabel="Coverage", aspect="equal")
    axes.legend()
    return axes


def own_axes(axes: Axes | None) -> Axes:
    """
    Make axes if there are none.

    Parameters
    ----------
    axes : `matplotlib.axes.Axes` or `None`
        The axes that the user gave.

    Returns
    -------
    `matplotlib.axes.Axes`
        These, or those of a new figure, which is not one of pyplot's.
    """
    if axes is not None:
        return axes
    from sunpy_magsr._figure import FreeFigure

    return FreeFigure(figsize=(4.5, 4.5), layout="constrained").add_subplot()


def _ranks(members: NDArray[np.floating], truth: NDArray[np.floating]) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    return (members < truth).sum(axis=0), (members == truth).sum(axis=0)


def _independent(members: Any, truth: Any, where: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Members and truth; of antithetic pairs the first members, as ranks assume independent ones."""
    values, true = read_members(members, truth, where=where)
    return (values[::2] if is_paired(members) else values), true


def _expected_counts(members: NDArray[np.floating], truth: NDArray[np.floating]) -> NDArray[np.floating]:
    """Rank histogram with every tie spread evenly over its ranks."""
    below, equal = _ranks(members, truth)
    size = len(members) + 2
    share = 1 / (equal + 1)
    steps = np.bincount(below, share, size) - np.bincount(below + equal + 1, share, size)
    return np.cumsum(steps)[:-1]


def _exact_levels(size: int) -> NDArray[np.floating]:
    """0 and the levels of the intervals between order statistics, ascending."""
    levels = np.arange(size - 1, 0, -2)[::-1] / (size + 1)
    return np.concatenate([[0.0], levels])


def _coverage(counts: NDArray[np.floating], levels: NDArray[np.floating]) -> NDArray[np.floating]:
    size = len(counts) - 1
    nodes = _exact_levels(size)
    highest = (size - 1) / (size + 1)
    if not ((levels > 0) & (levels <= highest + 1e-9)).all():
        msg = f"level must be above 0 and at most {highest:.6g} with {size} members, got {levels.tolist()}."
        raise ValueError(msg)
    inner = [counts[rank : len(counts) - rank].sum() for rank in range(len(nodes) - 1, 0, -1)]
    return np.interp(levels, nodes, np.concatenate([[0.0], inner]) / counts.sum())
