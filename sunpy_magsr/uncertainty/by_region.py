"""Histograms and reliability of calibrated intervals over regions, each of which counts the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from astropy.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["pit_histogram", "reliability_of_regions"]


def pit_histogram(values: Mapping[str, NDArray[np.floating]], *, bins: int = 20) -> Table:
    r"""
    Make a histogram of the results of `~sunpy_magsr.uncertainty.pit` over regions, each of which counts the same.

    The histogram of calibrated intervals is flat. High ends mean that the intervals are too narrow, a dome that they are too
    wide, and a slope that there is a bias.

    Parameters
    ----------
    values : `dict` of `str` to `numpy.ndarray`
        Result of `~sunpy_magsr.uncertainty.pit` for each region, by its name.
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


def reliability_of_regions(values: Mapping[str, NDArray[np.floating]], *, levels: ArrayLike | None = None) -> Table:
    """
    Measure the coverage of the intervals at many levels, with an error from the differences between regions.

    Parameters
    ----------
    values : `dict` of `str` to `numpy.ndarray`
        Result of `~sunpy_magsr.uncertainty.pit` for each region, by its name.
    levels : array-like of `float`, optional
        Probabilities of the intervals. By default 0.05, 0.1, ... 0.95.

    Returns
    -------
    `~astropy.table.Table`
        The columns ``level``, ``coverage``, and ``error`` as in `pit_histogram`.
        `~sunpy_magsr.uncertainty.plot_reliability` draws it.

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


def _known(values: NDArray[np.floating]) -> NDArray[np.floating]:
    return values[np.isfinite(values)]


def _over_regions(of_regions: Sequence[ArrayLike]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Mean over the regions, and its error."""
    rows = np.array(of_regions, dtype=float)
    error = rows.std(axis=0, ddof=1) / np.sqrt(len(rows)) if len(rows) > 1 else np.full(rows.shape[1], np.nan)
    return rows.mean(axis=0), error
