"""Factors with which intervals hold the truth as often as they say."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from sunpy_magsr.uncertainty.conformal import LEAST_REGIONS, LEVELS, coverage_table, factors
from sunpy_magsr.uncertainty.stratum_factors import AXES, UNCALIBRATED, StratumFactors, shape_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from astropy.table import Table

    from sunpy_magsr.uncertainty.conformal import Case

__all__ = ["AXES", "UNCALIBRATED", "Calibration"]

_LEAST_PIXELS = 1000


class Calibration(StratumFactors):
    r"""
    Factors of intervals by stratum.

    An interval of an ensemble is the mean plus and minus `~sunpy_magsr.uncertainty.conformal.half_width` standard
    deviations, times the factor of the pixel's stratum. With that factor the interval holds the share of the truth that it
    names: split conformal prediction (Papadopoulos et al. 2002, :doi:`10.1007/3-540-36755-1_29`) by groups (Vovk 2012,
    Asian Conference on Machine Learning 25, 475). Factors are interpolated between levels. Below the lowest and above the
    highest level, the factor of that level is used.

    Parameters
    ----------
    edges : `dict`
        For each axis that is used (``"field"``, ``"mu"``, ``"noise"``, ``"blur"``, ``"date"``), the ascending edges of its strata. A
        pixel with a value outside is in no stratum.
    levels : `tuple` of `float`
        Levels that were fitted, ascending, between 0 and 1.
    factors : `numpy.ndarray`
        The factors, ``[strata..., levels]`` with one dimension for each axis; NaN where a stratum was not calibrated.
    scatter : `numpy.ndarray`
        Standard deviation of the factor from region to region as a share of it, of the same shape.
    regions : `numpy.ndarray`
        Number of regions in each stratum, int ``[strata...]``.
    data : `str`
        Description of the data on which the factors were fitted.
    """

    @classmethod
    def fit(
        cls,
        cases: Sequence[Case],
        *,
        edges: Mapping[str, Sequence[float]],
        levels: Sequence[float] = LEVELS,
        least: int = _LEAST_PIXELS,
        data: str = "",
    ) -> Calibration:
        """
        Fit factors.

        Every region counts the same in a stratum, however many of its pixels are there, because the next region to be
        observed will be one more of their kind. A stratum with fewer than two regions is not calibrated.

        Parameters
        ----------
        cases : sequence of `~sunpy_magsr.uncertainty.conformal.Case`
            Ensembles with their truth. The model should not have been trained on any of their regions.
        edges : `dict`
            As in `Calibration`.
        levels : sequence of `float`
            Levels to fit. Defaults to 0.5, 0.68, 0.9 and 0.95.
        least : `int`
            A region with fewer pixels in a stratum does not count in it. Defaults to 1000.
        data : `str`
            Description of the cases.

        Returns
        -------
        `Calibration`
            The factors of all strata.

        Raises
        ------
        ValueError
            If the edges or levels are wrong, or no stratum has two regions.

        Examples
        --------
        Members whose standard deviation is half of what it should be:

        >>> import numpy as np
        >>> from sunpy_magsr.metrics.antithetic import Draws
        >>> from sunpy_magsr.uncertainty import Calibration
        >>> from sunpy_magsr.uncertainty.conformal import Case
        >>> rng = np.random.default_rng(1)
        >>> zero, five = np.zeros((100, 100)), np.full((100, 100), 5.0)
        >>> cases = [Case(zero, five, Draws(10**6), rng.normal(0, 10, (100, 100)), {"field": 0.0}, name) for name in "ab"]
        >>> Calibration.fit(cases, edges={"field": (0, np.inf)}, levels=[0.68]).factors.round(1)
        array([[2.]])
        """
        levels = tuple(float(level) for level in levels)
        of_axes = {axis: tuple(float(edge) for edge in of_axis) for axis, of_axis in edges.items()}
        strata = shape_of(of_axes)
        unknown, none = np.full((*strata, len(levels)), np.nan), np.zeros(strata, dtype=int)
        empty = cls(of_axes, levels, unknown, unknown, none, data)
        found, scatter, regions = factors(empty, cases, least=least) if cases else (unknown, unknown, none)
        if not np.isfinite(found).any():
            msg = (
                f"cases must have {LEAST_REGIONS} regions with {least} pixels in a stratum, got "
                f"{len({case.region for case in cases})} region(s) with fewer."
            )
            raise ValueError(msg)
        return dataclasses.replace(empty, factors=found, scatter=scatter, regions=regions)

    @classmethod
    def cross_fit(cls, cases: Sequence[Case], **options: Any) -> Table:
        """
        Measure how often the intervals hold the truth in regions on which the factors were not fitted.

        Parameters
        ----------
        cases : sequence of `~sunpy_magsr.uncertainty.conformal.Case`
            As in `fit`, which raises the same errors.
        **options
            Options of `fit`.

        Returns
        -------
        `~astropy.table.Table`
            The coverage, as `~sunpy_magsr.uncertainty.conformal.coverage_table` gives it.
        """
        return coverage_table(cls.fit_without_each(cases, **options), cases)

    @classmethod
    def fit_without_each(cls, cases: Sequence[Case], **options: Any) -> dict[str, Calibration]:
        """
        Fit factors as many times as there are regions, each time without one of them.

        Parameters
        ----------
        cases : sequence of `~sunpy_magsr.uncertainty.conformal.Case`
            Ensembles with their truth, as in `fit`.
        **options
            Options of `fit`, which raises the same errors.

        Returns
        -------
        `dict` of `str` to `Calibration`
            The factors, by the name of the region that was left out.
        """
        return {
            region: cls.fit([case for case in cases if case.region != region], **options)
            for region in sorted({case.region for case in cases})
        }
