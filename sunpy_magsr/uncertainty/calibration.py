"""Calibration of intervals: factors by stratum, fitted by split conformal prediction."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike

from sunpy_magsr._files import whole_file
from sunpy_magsr.exceptions import warn_user
from sunpy_magsr.uncertainty.intervals import Case, half_width, standard_errors

#: Axes of the strata and their units: strength of the input's field in Gauss, cosine of the heliocentric angle, noise of the
#: input in Gauss, blur of the frame (FWHM) in arcsec, and date of the observation as a decimal year.
AXES = {"field": "G", "mu": "", "noise": "G", "blur": "arcsec", "date": ""}
#: The stratum of pixels for which there are no factors.
UNCALIBRATED = 255
_MOST_STRATA = 200
#: Levels that are fitted by default.
LEVELS = (0.5, 0.68, 0.9, 0.95)
_LEAST_PIXELS = 1000
#: A stratum with fewer regions is not calibrated.
_LEAST_REGIONS = 2
_ALL = -1  # all calibrated strata together
_COLUMNS = ("coverage", "scatter_error", "binomial_error", "lowest", "highest", "regions", "pixels")


@dataclasses.dataclass(frozen=True)
class Calibration:
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

    edges: dict[str, tuple[float, ...]]
    levels: tuple[float, ...]
    factors: np.ndarray
    scatter: np.ndarray
    regions: np.ndarray
    data: str = ""

    def __post_init__(self) -> None:
        edges = {axis: self.edges[axis] for axis in AXES if axis in self.edges}
        ascending = all(len(of_axis) > 1 and np.all(np.diff(of_axis) > 0) for of_axis in self.edges.values())
        strata = _shape_of(self.edges)
        if not edges or len(edges) < len(self.edges) or not ascending or np.prod(strata) > _MOST_STRATA:
            msg = f"edges must be ascending numbers of {', '.join(AXES)} for at most {_MOST_STRATA} strata, got {self.edges}."
            raise ValueError(msg)
        levels = np.asarray(self.levels, dtype=float)
        if not levels.size or not ((levels > 0) & (levels < 1)).all() or np.any(np.diff(levels) <= 0):
            msg = f"levels must be ascending and between 0 and 1, got {self.levels}."
            raise ValueError(msg)
        object.__setattr__(self, "edges", edges)
        shapes = {"factors": (*strata, levels.size), "scatter": (*strata, levels.size), "regions": strata}
        for name, wanted in shapes.items():
            found = np.asarray(getattr(self, name), dtype=float)
            if found.shape != wanted or np.any(found < 0) or np.any(np.isinf(found)):
                msg = f"{name} must be numbers from 0 of shape {wanted}, got shape {found.shape}."
                raise ValueError(msg)
            object.__setattr__(self, name, found.astype(int) if name == "regions" else found)

    def strata(self, conditions: Mapping[str, ArrayLike], shape: tuple[int, ...]) -> np.ndarray:
        """
        Find the stratum of each pixel.

        Parameters
        ----------
        conditions : `dict` of `str` to array-like
            Values of the axes, each an array ``[Y, X]`` or one number.
        shape : `tuple` of `int`
            Shape of the result.

        Returns
        -------
        `numpy.ndarray`
            Numbers of the strata, uint8; 255 where no factors were fitted.
        """
        index = self._index(conditions, shape)
        return np.where(self._has(index), index, np.uint8(UNCALIBRATED))

    def factor(self, level: float) -> np.ndarray:
        """
        Interpolate the factors to a level.

        Parameters
        ----------
        level : `float`
            Probability of the interval.

        Returns
        -------
        `numpy.ndarray`
            The factor by number of the stratum, float32 ``[256]``; 1 where none was fitted.
        """
        table = np.ones(UNCALIBRATED + 1, dtype=np.float32)
        at_level = [np.interp(level, self.levels, of_stratum) for of_stratum in self._by_stratum()]
        table[: len(at_level)] = np.nan_to_num(at_level, nan=1.0)
        return table

    def to_dict(self) -> dict[str, Any]:
        """
        Give the calibration as plain lists and numbers for JSON.

        Returns
        -------
        `dict`
            What `of` reads. Factors are rounded to three decimals.
        """
        return {
            "edges": {axis: [None if np.isinf(edge) else edge for edge in edges] for axis, edges in self.edges.items()},
            "levels": list(self.levels),
            "factors": _plain(self.factors),
            "scatter": _plain(self.scatter),
            "regions": self.regions.tolist(),
            "data": self.data,
        }

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Calibration:
        """
        Make a calibration from plain lists and numbers.

        Parameters
        ----------
        facts : `dict`
            What `to_dict` gave.

        Returns
        -------
        `Calibration`
            The calibration.

        Raises
        ------
        ValueError
            If something is missing or wrong.
        """
        try:
            edges = {
                axis: tuple(np.inf if edge is None else float(edge) for edge in of_axis)
                for axis, of_axis in facts["edges"].items()
            }
            arrays = {name: np.array(facts[name], dtype=float) for name in ("factors", "scatter", "regions")}
            return cls(edges=edges, levels=tuple(facts["levels"]), **arrays, data=str(facts.get("data", "")))
        except (AttributeError, KeyError, TypeError) as error:
            msg = f"a calibration must have edges, levels, factors, scatter and regions, got {str(facts)[:200]} ({error})."
            raise ValueError(msg) from error

    def save(self, path: str | Path) -> Path:
        """
        Write a JSON file, which appears whole or not at all.

        Parameters
        ----------
        path : `str` or `pathlib.Path`
            The file.

        Returns
        -------
        `pathlib.Path`
            Path of the file.
        """
        with whole_file(path) as stream:
            stream.write(json.dumps(self.to_dict(), indent=1, allow_nan=False).encode() + b"\n")
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """
        Read a JSON file.

        Parameters
        ----------
        path : `str` or `pathlib.Path`
            A file that `save` wrote.

        Returns
        -------
        `Calibration`
            The calibration.
        """
        return cls.of(json.loads(Path(path).read_text()))

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
        strata = _shape_of(of_axes)
        unknown, none = np.full((*strata, len(levels)), np.nan), np.zeros(strata, dtype=int)
        empty = cls(of_axes, levels, unknown, unknown, none, data)
        found, scatter, regions = _fit_factors(empty, cases, least=least) if cases else (unknown, unknown, none)
        if not np.isfinite(found).any():
            msg = (
                f"cases must have {_LEAST_REGIONS} regions with {least} pixels in a stratum, got "
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

    def _index(self, conditions: Mapping[str, ArrayLike], shape: tuple[int, ...]) -> np.ndarray:
        """Find the stratum of each pixel, whether it was calibrated or not."""
        index = np.zeros(shape, dtype=np.uint8)
        inside = np.ones(shape, dtype=bool)
        for axis, edges in self.edges.items():
            upper = (*edges[:-1], np.nextafter(edges[-1], np.inf))  # the last edge is within
            place = np.digitize(np.asarray(conditions[axis], dtype=float), upper) - 1
            inside &= (place >= 0) & (place < len(edges) - 1)
            index = (index * (len(edges) - 1) + np.clip(place, 0, len(edges) - 2)).astype(np.uint8)
        return np.where(inside, index, np.uint8(UNCALIBRATED))

    def _has(self, index: np.ndarray) -> np.ndarray:
        """Say which strata have factors."""
        calibrated = np.zeros(UNCALIBRATED + 1, dtype=bool)
        calibrated[: self.regions.size] = np.isfinite(self._by_stratum()).all(axis=1)
        return calibrated[index]

    def _name_of(self, stratum: int) -> str:
        """Name a stratum in words."""
        spans = [
            [f"{axis} {low:g}-{high:g} {AXES[axis]}".strip() for low, high in itertools.pairwise(of_axis)]
            for axis, of_axis in self.edges.items()
        ]
        return ", ".join(list(itertools.product(*spans))[stratum]).replace("-inf", " and more")

    def _by_stratum(self) -> np.ndarray:
        return self.factors.reshape(-1, len(self.levels))


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


def _plain(values: np.ndarray) -> list[Any]:
    """Numbers for JSON, `None` for NaN."""
    plain = np.round(values, 3).astype(object)
    plain[~np.isfinite(values)] = None
    return plain.tolist()


def _shape_of(edges: Mapping[str, Sequence[float]]) -> tuple[int, ...]:
    """Count the strata along each axis."""
    return tuple(len(edges[axis]) - 1 for axis in AXES if axis in edges)


def _fit_factors(
    calibration: Calibration, cases: Sequence[Case], *, least: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit the factors of a calibration."""
    shape = calibration.regions.shape
    regions = sorted({case.region for case in cases})
    found = np.full((len(regions), calibration.regions.size, len(calibration.levels)), np.nan)
    pooled: dict[int, list[list[np.ndarray]]] = {}
    for of_region, region in zip(found, regions, strict=True):
        errors, strata = _scale_errors(calibration, [case for case in cases if case.region == region])
        for stratum in range(calibration.regions.size):
            chosen = [of_level[strata == stratum] for of_level in errors]
            if len(chosen[0]) >= least:
                of_region[stratum] = [np.quantile(*pair) for pair in zip(chosen, calibration.levels, strict=True)]
                pooled.setdefault(stratum, []).append(chosen)
    counts = np.isfinite(found[..., 0]).sum(axis=0)
    result, scatter = np.full((2, *found.shape[1:]), np.nan)
    for stratum in np.flatnonzero(counts >= _LEAST_REGIONS).tolist():
        own = found[np.isfinite(found[:, stratum, 0]), stratum]
        for at, level in enumerate(calibration.levels):
            result[stratum, at] = _equal_quantile([errors[at] for errors in pooled[stratum]], level)
        scatter[stratum] = own.std(axis=0, ddof=1) / np.maximum(own.mean(axis=0), np.finfo(float).tiny)
    levels = (len(calibration.levels),)
    return result.reshape(shape + levels), scatter.reshape(shape + levels), counts.reshape(shape)


def coverage_table(calibrations: Mapping[str, Calibration], cases: Sequence[Case], *, least: int = 1) -> Table:
    """Count how often the intervals hold the truth, by stratum, with the calibration of each region."""
    first = next(iter(calibrations.values()))
    rows = []
    for at, level in enumerate(first.levels):
        counted = _count_held(calibrations, cases, at)
        for stratum in (_ALL, *range(first.regions.size)):
            of_regions = [count for (which, _), count in counted.items() if which == stratum and count[1]]
            if of_regions:
                name = "all" if stratum == _ALL else first._name_of(stratum)
                rows.append((name, level, *_coverage(of_regions, least)))
    table = Table(rows=rows, names=("stratum", "level", *_COLUMNS))
    for name in _COLUMNS[:5]:
        table[name].info.format = ".3f"
    return table


def _count_held(
    calibrations: Mapping[str, Calibration], cases: Sequence[Case], at: int
) -> dict[tuple[int, str], tuple[int, int]]:
    """How many pixels hold the truth at the level of number ``at``, of how many, by stratum and region."""
    counted: dict[tuple[int, str], tuple[int, int]] = {}
    for case in cases:
        calibration = calibrations[case.region]
        errors, strata = _scale_errors(calibration, [case])
        known = calibration._has(strata)
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


def _scale_errors(calibration: Calibration, cases: Sequence[Case]) -> tuple[list[np.ndarray], np.ndarray]:
    """Standard errors over `half_width`, of all cases one after the other for each level, and their strata."""
    errors: list[list[np.ndarray]] = [[] for _ in calibration.levels]
    strata = []
    for case in cases:
        error = standard_errors(case)
        known = np.isfinite(error) | (np.isinf(error) & np.isfinite(case.truth))
        strata.append(calibration._index(case.conditions, error.shape)[known])
        for at, level in enumerate(calibration.levels):
            errors[at].append(error[known] / half_width(level, case.draws))
    return [np.concatenate(of_level) for of_level in errors], np.concatenate(strata)


def _equal_quantile(samples: Sequence[np.ndarray], level: float) -> float:
    """Quantile of several sets of values, each of which counts the same."""
    values = np.concatenate(samples)
    weights = np.concatenate([np.full(len(sample), 1 / (len(sample) * len(samples))) for sample in samples])
    order = np.argsort(values)
    return np.interp(level, np.cumsum(weights[order]), values[order])
