"""Calibrations, the quantities that they hold for, and what an ensemble knows of its own."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Table
from sunpy.map import GenericMap

from sunpy_magsr import metrics
from sunpy_magsr.exceptions import warn_user
from sunpy_magsr.uncertainty.intervals import (
    LEAST_REGIONS,
    LEVELS,
    UNCALIBRATED,
    Case,
    StratumFactors,
    coverage_table,
    factors,
    shape_of,
)

_SHARED_ERROR = 0.005


def inversion_line_length(field: GenericMap, **options: Any) -> u.Quantity:
    """Length of the inversion lines between strong fields; see `~sunpy_magsr.metrics.sharp_parameters`."""
    return metrics.sharp_parameters(field, **options).inversion_line_length


def sharp_flux(field: GenericMap, **options: Any) -> u.Quantity:
    """Deprojected unsigned flux of active regions; see `~sunpy_magsr.metrics.sharp_parameters`."""
    return metrics.sharp_parameters(field, **options).unsigned_flux


#: Measurements that `~sunpy_magsr.uncertainty.Ensemble.propagate` knows by name, and that a model may have a calibration for:
#: the unsigned flux of all pixels and of those above 100 G, the area of active regions, their deprojected flux as in SHARP's
#: USFLUX, and the length of inversion lines between strong fields.
QUANTITIES: dict[str, Callable[..., Any]] = {
    "unsigned_flux": metrics.unsigned_flux,
    "strong_flux": functools.partial(metrics.unsigned_flux, threshold=100 * u.G),
    "active_region_area": metrics.active_region_area,
    "sharp_flux": sharp_flux,
    "inversion_line_length": inversion_line_length,
}


def quantity_named(func: str | Callable[..., Any]) -> tuple[str | None, Callable[..., Any]]:
    """Find a measurement and its name."""
    if isinstance(func, str):
        if func not in QUANTITIES:
            msg = f"func must be a function or one of {', '.join(QUANTITIES)}, got {func!r}."
            raise ValueError(msg)
        return func, QUANTITIES[func]
    return next((name for name, known in QUANTITIES.items() if known is func), None), func


def error_floor(mean: Any, std: Any) -> Any:
    """Add the error that all members share, half a per cent of the value, to their standard deviation."""
    return np.sqrt(std**2 + (_SHARED_ERROR * mean) ** 2)


_LEAST_PIXELS = 1000


class Calibration(StratumFactors):
    r"""
    Factors of intervals by stratum.

    An interval of an ensemble is the mean plus and minus ``half_width`` standard
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
        cases : sequence of ``Case``
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
        >>> from sunpy_magsr.metrics.ensemble import Draws
        >>> from sunpy_magsr.uncertainty import Calibration
        >>> from sunpy_magsr.uncertainty.intervals import Case
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
        cases : sequence of ``Case``
            As in `fit`, which raises the same errors.
        **options
            Options of `fit`.

        Returns
        -------
        `~astropy.table.Table`
            The coverage, as ``coverage_table`` gives it.
        """
        return coverage_table(cls.fit_without_each(cases, **options), cases)

    @classmethod
    def fit_without_each(cls, cases: Sequence[Case], **options: Any) -> dict[str, Calibration]:
        """
        Fit factors as many times as there are regions, each time without one of them.

        Parameters
        ----------
        cases : sequence of ``Case``
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


@dataclasses.dataclass
class Facts:
    """
    What is known about an ensemble apart from its members.

    Parameters
    ----------
    calibrations : `dict` of `str` to `~sunpy_magsr.uncertainty.Calibration`
        The calibration of the pixels, by the name ``"pixel"``, and those of `~sunpy_magsr.uncertainty.QUANTITIES`, by their
        names.
    make_strata : callable, optional
        A function that takes the calibration of the pixels and returns the stratum of each pixel, uint8 ``[Y, X]``.
    make_untrained : callable, optional
        A function without arguments that returns whether the input is outside of what the model was trained on, bool
        ``[Y, X]``.
    frame : `dict`
        Values of the calibrations' axes for the frame as a whole.
    flags : `numpy.ndarray`, optional
        Flags of the pixels, uint8 ``[Y, X]``. By default the ensemble makes them when they are needed.
    strata : `numpy.ndarray`, optional
        Strata of the pixels, uint8 ``[Y, X]``. By default the ensemble makes them when they are needed.
    """

    calibrations: dict[str, Calibration] = dataclasses.field(default_factory=dict)
    make_strata: Callable[[Calibration], np.ndarray] | None = None
    make_untrained: Callable[[], np.ndarray] | None = None
    frame: dict[str, float] = dataclasses.field(default_factory=dict)
    flags: np.ndarray | None = None
    strata: np.ndarray | None = None

    def frame_factor(self, name: str, level: float) -> float:
        """Give the factor of the interval of a quantity that was measured on the whole frame."""
        calibration = self.calibrations.get(name)
        stratum = UNCALIBRATED if calibration is None else int(calibration.strata(self.frame, ()))
        if calibration is None or stratum == UNCALIBRATED:
            warn_user(
                f"{name} is not calibrated for this model and input; the interval is that of the members.", stacklevel=4
            )
            return 1.0
        return float(calibration.factor(level)[stratum])
