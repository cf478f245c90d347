"""Whether an ensemble is as uncertain as it says: coverage and ranks of the truth among its members."""

import numpy as np
from astropy.table import Table

from sunpy_magsr.metrics.ensemble import read_members

__all__ = ["coverage", "own_axes", "plot_reliability", "rank_histogram", "reliability"]


def coverage(members, truth, *, level=0.9, where=None):
    r"""
    Share of the pixels whose truth lies in the central interval of the members; ``level`` is right.

    Of S members that are as good as the truth, the interval from the k-th lowest to the k-th highest holds the truth
    with probability :math:`(S + 1 - 2k) / (S + 1)` (Anderson 1996, J. Climate 9, 1518). The counted shares are
    interpolated linearly between these levels, so that a calibrated ensemble of any size has a coverage of
    ``level``, without bias from the small number of members. For the same reason a truth equal to m members has
    each of the m + 1 ranks it could take with equal weight.

    Parameters
    ----------
    members, truth
        As in `~sunpy_magsr.metrics.ensemble.read_members`.
    level : `float`
        Above 0, at most (S - 1) / (S + 1).
    where : array-like of `bool`, optional
        ``[y, x]``, pixels to count. Choose them without looking at the truth: selected by the truth, a calibrated
        ensemble looks overconfident (Lerch et al. 2017, :doi:`10.1214/16-STS588`).

    Returns
    -------
    `float`
        0 to 1. Its error is larger than from counting pixels, since neighbors err together.

    Raises
    ------
    TypeError, ValueError
        As `~sunpy_magsr.metrics.ensemble.read_members`; also if ``level`` is more than S members can tell.

    Examples
    --------
    One sigma of a Gaussian:

    >>> import numpy as np
    >>> from sunpy_magsr.uncertainty import coverage
    >>> field = np.random.default_rng(1).normal(0, 100, (9, 200, 200))
    >>> round(coverage(field[:8], field[8], level=0.6827), 2)
    0.68
    """
    counts = _expected_counts(*read_members(members, truth, where=where))
    return float(_coverage(counts, np.array([level]))[0])


def rank_histogram(members, truth, *, where=None, seed=0):
    """
    How often the truth takes each rank among the members (Hamill 2001, Mon. Weather Rev. 129, 550).

    Flat is right; a U shape is an overconfident ensemble, a dome one with too much spread, a slope a bias. A flat
    histogram is necessary, not sufficient: opposite errors in different places cancel.

    Parameters
    ----------
    members, truth
        As in `~sunpy_magsr.metrics.ensemble.read_members`.
    where : array-like of `bool`, optional
        ``[y, x]``, pixels to count; see `coverage`.
    seed : `int`
        Of the random ranks of a truth equal to members.

    Returns
    -------
    `numpy.ndarray`
        int ``[S + 1]``: pixels whose truth is above 0, 1, ... S members.

    Raises
    ------
    TypeError, ValueError
        As `~sunpy_magsr.metrics.ensemble.read_members`.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.uncertainty import rank_histogram
    >>> rank_histogram([[[0.0, 0.0, 0.0]], [[9.0, 9.0, 9.0]]], [[-5.0, 5.0, 20.0]])
    array([1, 1, 1])
    """
    members, truth = read_members(members, truth, where=where)
    below, equal = _ranks(members, truth)
    ranks = below + np.random.default_rng(seed).integers(0, equal, endpoint=True)
    return np.bincount(ranks, minlength=len(members) + 1)


def reliability(members, truth, *, levels=None, where=None):
    """
    Coverage at many levels.

    Parameters
    ----------
    members, truth
        As in `~sunpy_magsr.metrics.ensemble.read_members`.
    levels : array-like of `float`, optional
        As in `coverage`. By default those that need no interpolation, (S - 1) / (S + 1), (S - 3) / (S + 1), ...
    where : array-like of `bool`, optional
        ``[y, x]``, pixels to count; see `coverage`.

    Returns
    -------
    `~astropy.table.Table`
        Columns ``level`` and ``coverage``; ``members`` and ``pixels`` in its ``meta``.

    Raises
    ------
    TypeError, ValueError
        As `coverage`.

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
    members, truth = read_members(members, truth, where=where)
    counts = _expected_counts(members, truth)
    levels = _exact_levels(len(members))[1:] if levels is None else np.atleast_1d(np.asarray(levels, dtype=float))
    columns = {"level": levels, "coverage": _coverage(counts, levels)}
    return Table(columns, meta={"members": len(members), "pixels": truth.size})


def plot_reliability(tables, *, axes=None):
    """
    Reliability diagram: coverage against level, with the diagonal of a calibrated ensemble.

    Parameters
    ----------
    tables : `dict` of `str` to `~astropy.table.Table`
        Results of `reliability` or `~sunpy_magsr.uncertainty.pit.reliability_of_regions` by name; of the latter with
        error bars.
    axes : `matplotlib.axes.Axes`, optional
        Where to draw; by default in a new figure, ``axes.figure``, that pyplot does not know.

    Returns
    -------
    `matplotlib.axes.Axes`

    Raises
    ------
    TypeError
        If ``tables`` is not a dict.

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


def own_axes(axes):
    """Those that were given, or those of a new figure that pyplot does not know."""
    if axes is not None:
        return axes
    from matplotlib.figure import Figure

    return Figure(figsize=(4.5, 4.5), layout="constrained").add_subplot()


def _ranks(members, truth):
    return (members < truth).sum(axis=0), (members == truth).sum(axis=0)


def _expected_counts(members, truth):
    """Rank histogram with every tie spread evenly over its ranks."""
    below, equal = _ranks(members, truth)
    size = len(members) + 2
    share = 1 / (equal + 1)
    steps = np.bincount(below, share, size) - np.bincount(below + equal + 1, share, size)
    return np.cumsum(steps)[:-1]


def _exact_levels(size):
    """0 and the levels of the intervals between order statistics, ascending."""
    levels = np.arange(size - 1, 0, -2)[::-1] / (size + 1)
    return np.concatenate([[0.0], levels])


def _coverage(counts, levels):
    size = len(counts) - 1
    nodes = _exact_levels(size)
    highest = (size - 1) / (size + 1)
    if not ((levels > 0) & (levels <= highest + 1e-9)).all():
        msg = f"level must be above 0 and at most {highest:.6g} with {size} members, got {levels.tolist()}."
        raise ValueError(msg)
    inner = [counts[rank : len(counts) - rank].sum() for rank in range(len(nodes) - 1, 0, -1)]
    return np.interp(levels, nodes, np.concatenate([[0.0], inner]) / counts.sum())
