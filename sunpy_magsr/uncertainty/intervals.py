"""Half widths of intervals: factors by stratum, conformal calibration of them."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike
from scipy import stats

from sunpy_magsr._files import whole_file
from sunpy_magsr.metrics.ensemble import Draws

#: Axes of the strata and their units: strength of the input's field in Gauss, cosine of the heliocentric angle, noise of the
#: input in Gauss, blur of the frame (FWHM) in arcsec, and date of the observation as a decimal year.
AXES = {"field": "G", "mu": "", "noise": "G", "blur": "arcsec", "date": ""}
#: The stratum of pixels for which there are no factors.
UNCALIBRATED = 255
_MOST_STRATA = 200


@dataclasses.dataclass(frozen=True)
class StratumFactors:
    """
    Factors of intervals for every stratum of pixels.

    Parameters
    ----------
    edges, levels, factors, scatter, regions, data : object
        As in `~sunpy_magsr.uncertainty.Calibration`, which can also fit the factors.
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
        strata = shape_of(self.edges)
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

    def index(self, conditions: Mapping[str, ArrayLike], shape: tuple[int, ...]) -> np.ndarray:
        """Find the stratum of each pixel, whether it was calibrated or not."""
        index = np.zeros(shape, dtype=np.uint8)
        inside = np.ones(shape, dtype=bool)
        for axis, edges in self.edges.items():
            upper = (*edges[:-1], np.nextafter(edges[-1], np.inf))  # the last edge is within
            place = np.digitize(np.asarray(conditions[axis], dtype=float), upper) - 1
            inside &= (place >= 0) & (place < len(edges) - 1)
            index = (index * (len(edges) - 1) + np.clip(place, 0, len(edges) - 2)).astype(np.uint8)
        return np.where(inside, index, np.uint8(UNCALIBRATED))

    def has(self, index: np.ndarray) -> np.ndarray:
        """Say which strata have factors."""
        calibrated = np.zeros(UNCALIBRATED + 1, dtype=bool)
        calibrated[: self.regions.size] = np.isfinite(self._by_stratum()).all(axis=1)
        return calibrated[index]

    def strata(self, conditions: Mapping[str, ArrayLike], shape: tuple[int, ...]) -> np.ndarray:
        """Find the stratum of each pixel, where it was calibrated."""
        index = self.index(conditions, shape)
        return np.where(self.has(index), index, np.uint8(UNCALIBRATED))

    def factor(self, level: float) -> np.ndarray:
        """Give the factors of all strata at a level."""
        table = np.ones(UNCALIBRATED + 1, dtype=np.float32)
        at_level = [np.interp(level, self.levels, of_stratum) for of_stratum in self._by_stratum()]
        table[: len(at_level)] = np.nan_to_num(at_level, nan=1.0)
        return table

    def name_of(self, stratum: int) -> str:
        """Name a stratum in words."""
        spans = [
            [f"{axis} {low:g}-{high:g} {AXES[axis]}".strip() for low, high in itertools.pairwise(of_axis)]
            for axis, of_axis in self.edges.items()
        ]
        return ", ".join(list(itertools.product(*spans))[stratum]).replace("-inf", " and more")

    def _by_stratum(self) -> np.ndarray:
        return self.factors.reshape(-1, len(self.levels))

    def to_dict(self) -> dict[str, Any]:
        """Give the calibration as plain lists and numbers for JSON; `of` reads them."""
        return {
            "edges": {axis: [None if np.isinf(edge) else edge for edge in edges] for axis, edges in self.edges.items()},
            "levels": list(self.levels),
            "factors": _plain(self.factors),
            "scatter": _plain(self.scatter),
            "regions": self.regions.tolist(),
            "data": self.data,
        }

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """Make a calibration from what `to_dict` gives."""
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
        """Write a JSON file, with factors rounded to three decimals. It appears whole or not at all."""
        with whole_file(path) as stream:
            stream.write(json.dumps(self.to_dict(), indent=1, allow_nan=False).encode() + b"\n")
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a JSON file that `save` wrote."""
        return cls.of(json.loads(Path(path).read_text()))


def _plain(values: np.ndarray) -> list[Any]:
    """Numbers for JSON, `None` for NaN."""
    plain = np.round(values, 3).astype(object)
    plain[~np.isfinite(values)] = None
    return plain.tolist()


def shape_of(edges: Mapping[str, Sequence[float]]) -> tuple[int, ...]:
    """Count the strata along each axis."""
    return tuple(len(edges[axis]) - 1 for axis in AXES if axis in edges)


#: Levels that are fitted by default.
LEVELS = (0.5, 0.68, 0.9, 0.95)
#: A stratum with fewer regions is not calibrated.
LEAST_REGIONS = 2
_ALL = -1  # all calibrated strata together
_COLUMNS = ("coverage", "scatter_error", "binomial_error", "lowest", "highest", "regions", "pixels")


@dataclasses.dataclass(frozen=True)
class Case:
    """
    An ensemble whose truth is known.

    Parameters
    ----------
    mean, std : `numpy.ndarray`
        Mean and standard deviation of the members: of a field in Gauss, ``[Y, X]``, or of a quantity that was measured on
        several fields, ``[N]``.
    draws : ``Draws``
        Number of members, and whether they are pairs.
    truth : `numpy.ndarray`
        The truth, of the same shape, NaN where it is not known.
    conditions : `dict`
        Values of the axes of the strata (``AXES``): for each an array or a number.
    region : `str`
        Name of the observed region. Cases of one region are not independent.
    """

    mean: np.ndarray
    std: np.ndarray
    draws: Draws
    truth: np.ndarray
    conditions: Mapping[str, ArrayLike]
    region: str


def check_level(level: float) -> None:
    """Check the probability of an interval."""
    if not 0 < level < 1:
        msg = f"level must be between 0 and 1, got {level!r}."
        raise ValueError(msg)


def half_width(level: ArrayLike, draws: Draws) -> np.ndarray:
    r"""
    Give half the width of a prediction interval, in standard deviations of the members.

    If the truth and S members are drawn from one Gaussian distribution, the truth is within :math:`t_\nu \sqrt{1 + v}`
    standard deviations from the mean, with Student's t at the level (Student 1908, :doi:`10.1093/biomet/6.1.1`). For
    independent members :math:`\nu = S - 1` and :math:`v = 1/S`; for antithetic pairs both are those of
    ``Draws``. With few members their standard deviation is not well known, and the interval
    is wider.
    """
    student = stats.t.ppf((1 + np.asarray(level)) / 2, draws.degrees_of_freedom)
    return student * np.sqrt(1 + draws.mean_variance)


def standard_errors(case: Case) -> np.ndarray:
    """Give the distance of the truth from the mean, in standard deviations of the members."""
    error = np.abs(np.asarray(case.truth, dtype=float) - case.mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error == 0, 0.0, error / case.std)


def factors(
    calibration: StratumFactors, cases: Sequence[Case], *, least: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit the factors of a calibration."""
    shape = calibration.regions.shape
    regions = sorted({case.region for case in cases})
    found = np.full((len(regions), calibration.regions.size, len(calibration.levels)), np.nan)
    pooled: dict[int, list[list[np.ndarray]]] = {}
    for of_region, region in zip(found, regions, strict=True):
        errors, strata = _scaled(calibration, [case for case in cases if case.region == region])
        for stratum in range(calibration.regions.size):
            chosen = [of_level[strata == stratum] for of_level in errors]
            if len(chosen[0]) >= least:
                of_region[stratum] = [np.quantile(*pair) for pair in zip(chosen, calibration.levels, strict=True)]
                pooled.setdefault(stratum, []).append(chosen)
    counts = np.isfinite(found[..., 0]).sum(axis=0)
    result, scatter = np.full((2, *found.shape[1:]), np.nan)
    for stratum in np.flatnonzero(counts >= LEAST_REGIONS).tolist():
        own = found[np.isfinite(found[:, stratum, 0]), stratum]
        for at, level in enumerate(calibration.levels):
            result[stratum, at] = _equal_quantile([errors[at] for errors in pooled[stratum]], level)
        scatter[stratum] = own.std(axis=0, ddof=1) / np.maximum(own.mean(axis=0), np.finfo(float).tiny)
    levels = (len(calibration.levels),)
    return result.reshape(shape + levels), scatter.reshape(shape + levels), counts.reshape(shape)


def coverage_table(
    calibrations: StratumFactors | Mapping[str, StratumFactors], cases: Sequence[Case], *, least: int = 1
) -> Table:
    r"""Count how often calibrated intervals hold the truth, by stratum."""
    by_region = calibrations
    if isinstance(by_region, StratumFactors):
        by_region = dict.fromkeys({case.region for case in cases}, by_region)
    first = next(iter(by_region.values()))
    rows = []
    for at, level in enumerate(first.levels):
        counted = _counted(by_region, cases, at)
        for stratum in (_ALL, *range(first.regions.size)):
            of_regions = [count for (which, _), count in counted.items() if which == stratum and count[1]]
            if of_regions:
                name = "all" if stratum == _ALL else first.name_of(stratum)
                rows.append((name, level, *_coverage(of_regions, least)))
    table = Table(rows=rows, names=("stratum", "level", *_COLUMNS))
    for name in _COLUMNS[:5]:
        table[name].info.format = ".3f"
    return table


def _counted(
    calibrations: Mapping[str, StratumFactors], cases: Sequence[Case], at: int
) -> dict[tuple[int, str], tuple[int, int]]:
    """How many pixels hold the truth at the level of number ``at``, of how many, by stratum and region."""
    counted: dict[tuple[int, str], tuple[int, int]] = {}
    for case in cases:
        calibration = calibrations[case.region]
        errors, strata = _scaled(calibration, [case])
        known = calibration.has(strata)
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


def _scaled(calibration: StratumFactors, cases: Sequence[Case]) -> tuple[list[np.ndarray], np.ndarray]:
    """Standard errors over `half_width`, of all cases one after the other for each level, and their strata."""
    errors: list[list[np.ndarray]] = [[] for _ in calibration.levels]
    strata = []
    for case in cases:
        error = standard_errors(case)
        known = np.isfinite(error) | (np.isinf(error) & np.isfinite(case.truth))
        strata.append(calibration.index(case.conditions, error.shape)[known])
        for at, level in enumerate(calibration.levels):
            errors[at].append(error[known] / half_width(level, case.draws))
    return [np.concatenate(of_level) for of_level in errors], np.concatenate(strata)


def _equal_quantile(samples: Sequence[np.ndarray], level: float) -> float:
    """Quantile of several sets of values, each of which counts the same."""
    values = np.concatenate(samples)
    weights = np.concatenate([np.full(len(sample), 1 / (len(sample) * len(samples))) for sample in samples])
    order = np.argsort(values)
    return np.interp(level, np.cumsum(weights[order]), values[order])
