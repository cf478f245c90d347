"""Factors with which intervals hold the truth as often as they say."""

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np

from sunpy_magsr.atomic import whole_file
from sunpy_magsr.uncertainty.conformal import LEAST_REGIONS, LEVELS, coverage_table, factors

__all__ = ["AXES", "UNCALIBRATED", "Calibration"]

#: What strata are made of: strength of the input's field in Gauss, cosine of the heliocentric angle, noise of the input in
#: Gauss, and date of the observation as a decimal year.
AXES = {"field": "G", "mu": "", "noise": "G", "date": ""}
#: The stratum of pixels for which there are no factors.
UNCALIBRATED = 255
_LEAST_PIXELS = 1000
_MOST_STRATA = 200


@dataclasses.dataclass(frozen=True)
class Calibration:
    r"""
    Factors of intervals by stratum.

    An interval of an ensemble is the mean plus and minus `~sunpy_magsr.uncertainty.conformal.half_width` standard
    deviations, times the factor of the pixel's stratum. The factor is what makes the interval hold the share of the truth
    that it names: split conformal prediction (Papadopoulos et al. 2002, :doi:`10.1007/3-540-36755-1_29`) by groups (Vovk
    2012, Asian Conference on Machine Learning 25, 475). Between levels it is interpolated; beyond them it is that of the
    last.

    Attributes
    ----------
    edges : `dict`
        Of each axis of `AXES` that is used, the ascending edges of its strata. A value outside has none.
    levels : `tuple` of `float`
        Levels that were fitted, ascending.
    factors : `numpy.ndarray`
        ``[strata..., levels]``, one dimension for each axis; NaN where a stratum was not calibrated.
    scatter : `numpy.ndarray`
        Of the same shape: standard deviation of the factor from region to region, as a share of it.
    regions : `numpy.ndarray`
        int ``[strata...]``: how many there were.
    data : `str`
        What it was fitted on.
    """

    edges: dict
    levels: tuple
    factors: np.ndarray
    scatter: np.ndarray
    regions: np.ndarray
    data: str = ""

    def __post_init__(self):
        edges = {axis: self.edges[axis] for axis in AXES if axis in self.edges}
        ascending = all(len(of_axis) > 1 and np.all(np.diff(of_axis) > 0) for of_axis in self.edges.values())
        shape = tuple(len(of_axis) - 1 for of_axis in edges.values())
        if not edges or len(edges) < len(self.edges) or not ascending or np.prod(shape) > _MOST_STRATA:
            msg = f"edges must be ascending numbers of {', '.join(AXES)} for at most {_MOST_STRATA} strata, got {self.edges}."
            raise ValueError(msg)
        levels = np.asarray(self.levels, dtype=float)
        if not levels.size or not ((levels > 0) & (levels < 1)).all() or np.any(np.diff(levels) <= 0):
            msg = f"levels must be ascending and between 0 and 1, got {self.levels}."
            raise ValueError(msg)
        object.__setattr__(self, "edges", edges)
        for name, wanted in (
            ("factors", (*shape, levels.size)),
            ("scatter", (*shape, levels.size)),
            ("regions", shape),
        ):
            found = np.asarray(getattr(self, name), dtype=float)
            if found.shape != wanted or np.any(found < 0) or np.any(np.isinf(found)):
                msg = f"{name} must be numbers from 0 of shape {wanted}, got shape {found.shape}."
                raise ValueError(msg)
            object.__setattr__(self, name, found.astype(int) if name == "regions" else found)

    @classmethod
    def fit(cls, cases, *, edges, levels=LEVELS, least=_LEAST_PIXELS, data=""):
        """
        Fit factors.

        Every region counts the same in a stratum, however many pixels it has there, for the next region is one more of
        their kind. With fewer than two regions a stratum is not calibrated.

        Parameters
        ----------
        cases : sequence of `~sunpy_magsr.uncertainty.conformal.Case`
            Ensembles with their truth. None of their regions should have trained the model.
        edges : `dict`
            As in `Calibration`.
        levels : sequence of `float`
            Levels to fit. Defaults to 0.5, 0.68, 0.9 and 0.95.
        least : `int`
            A region with fewer pixels in a stratum does not count in it. Defaults to 1000.
        data : `str`
            What the cases are.

        Returns
        -------
        `Calibration`

        Raises
        ------
        ValueError
            If the edges or levels are wrong, or no stratum has two regions.

        Examples
        --------
        Members whose standard deviation is half of what it should be:

        >>> import numpy as np
        >>> from sunpy_magsr.uncertainty import Calibration
        >>> from sunpy_magsr.uncertainty.conformal import Case
        >>> rng = np.random.default_rng(1)
        >>> zero, five = np.zeros((100, 100)), np.full((100, 100), 5.0)
        >>> cases = [Case(zero, five, 10**6, rng.normal(0, 10, (100, 100)), {"field": 0.0}, name) for name in "ab"]
        >>> Calibration.fit(cases, edges={"field": (0, np.inf)}, levels=[0.68]).factors.round(1)
        array([[2.]])
        """
        levels = tuple(float(level) for level in levels)
        edges = {axis: tuple(float(edge) for edge in of_axis) for axis, of_axis in edges.items()}
        shape = tuple(len(edges[axis]) - 1 for axis in AXES if axis in edges)
        unknown = np.full((*shape, len(levels)), np.nan)
        empty = cls(edges, levels, unknown, unknown, np.zeros(shape), data)
        found, scatter, regions = factors(empty, cases, least=least) if cases else (unknown, unknown, np.zeros(shape))
        if not np.isfinite(found).any():
            msg = (
                f"cases must have {LEAST_REGIONS} regions with {least} pixels in a stratum, got "
                f"{len({case.region for case in cases})} region(s) with fewer."
            )
            raise ValueError(msg)
        return dataclasses.replace(empty, factors=found, scatter=scatter, regions=regions)

    @classmethod
    def cross_fit(cls, cases, **options):
        """
        Fit without each region, and judge by it.

        Parameters
        ----------
        cases : sequence of `~sunpy_magsr.uncertainty.conformal.Case`
            As in `fit`.
        **options
            Of `fit`.

        Returns
        -------
        `~astropy.table.Table`
            From `~sunpy_magsr.uncertainty.conformal.coverage_table`: coverage in regions on which the factors were not
            fitted.

        Raises
        ------
        ValueError
            As `fit`.
        """
        return coverage_table(cls.fit_without_each(cases, **options), cases)

    @classmethod
    def fit_without_each(cls, cases, **options):
        """
        Fit without each region.

        Parameters
        ----------
        cases : sequence of `~sunpy_magsr.uncertainty.conformal.Case`
            As in `fit`.
        **options
            Of `fit`.

        Returns
        -------
        `dict` of `str` to `Calibration`
            By the region that was left out.

        Raises
        ------
        ValueError
            As `fit`.
        """
        return {
            region: cls.fit([case for case in cases if case.region != region], **options)
            for region in sorted({case.region for case in cases})
        }

    def index(self, conditions, shape):
        """
        Stratum of each pixel, calibrated or not; `UNCALIBRATED` outside of all. See `strata`.

        Parameters
        ----------
        conditions : `dict`
            Values of the axes, arrays of ``shape`` or numbers.
        shape : `tuple` of `int`
            Of the result.

        Returns
        -------
        `numpy.ndarray`
            uint8.
        """
        index = np.zeros(shape, dtype=np.uint8)
        inside = np.ones(shape, dtype=bool)
        for axis, edges in self.edges.items():
            upper = (*edges[:-1], np.nextafter(edges[-1], np.inf))  # the last edge is within
            place = np.digitize(np.asarray(conditions[axis], dtype=float), upper) - 1
            inside &= (place >= 0) & (place < len(edges) - 1)
            index = (index * (len(edges) - 1) + np.clip(place, 0, len(edges) - 2)).astype(np.uint8)
        return np.where(inside, index, np.uint8(UNCALIBRATED))

    def has(self, index):
        """Whether there are factors for strata that `index` gives, bool."""
        calibrated = np.zeros(UNCALIBRATED + 1, dtype=bool)
        calibrated[: self.regions.size] = np.isfinite(self._by_stratum()).all(axis=1)
        return calibrated[index]

    def strata(self, conditions, shape):
        """As `index`, and `UNCALIBRATED` too where there are no factors."""
        index = self.index(conditions, shape)
        return np.where(self.has(index), index, np.uint8(UNCALIBRATED))

    def factor(self, level):
        """
        Factors at a level.

        Parameters
        ----------
        level : `float`
            Between 0 and 1.

        Returns
        -------
        `numpy.ndarray`
            float32 ``[256]``: of each number that `strata` gives; 1 where there is none.
        """
        table = np.ones(UNCALIBRATED + 1, dtype=np.float32)
        at_level = [np.interp(level, self.levels, of_stratum) for of_stratum in self._by_stratum()]
        table[: len(at_level)] = np.nan_to_num(at_level, nan=1.0)
        return table

    def name_of(self, stratum):
        """A stratum in words, such as ``"field 10-30 G, mu 0.65-1"``."""
        spans = [
            [f"{axis} {low:g}-{high:g} {AXES[axis]}".strip() for low, high in itertools.pairwise(of_axis)]
            for axis, of_axis in self.edges.items()
        ]
        return ", ".join(list(itertools.product(*spans))[stratum]).replace("-inf", " and more")

    def _by_stratum(self):
        return self.factors.reshape(-1, len(self.levels))

    def to_dict(self):
        """Plain lists and numbers for JSON, with `None` for what is not known; see `of`."""
        plain = {
            name: np.where(np.isfinite(value), np.round(value, 3), None).tolist()
            for name, value in (("factors", self.factors), ("scatter", self.scatter))
        }
        edges = {axis: [None if np.isinf(edge) else edge for edge in of_axis] for axis, of_axis in self.edges.items()}
        regions = self.regions.tolist()
        return {"edges": edges, "levels": list(self.levels), **plain, "regions": regions, "data": self.data}

    @classmethod
    def of(cls, facts):
        """
        Make a calibration of what `to_dict` gives.

        Parameters
        ----------
        facts : `dict`
            As in a model's card. In ``edges``, `None` stands for no limit.

        Returns
        -------
        `Calibration`

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

    def save(self, path):
        """
        Write a JSON file, whole or not at all.

        Parameters
        ----------
        path : `str` or `pathlib.Path`
            The file; one that is there is replaced.

        Returns
        -------
        `pathlib.Path`
        """
        with whole_file(path) as stream:
            stream.write(json.dumps(self.to_dict(), indent=1, allow_nan=False).encode() + b"\n")
        return Path(path)

    @classmethod
    def load(cls, path):
        """
        Read what `save` wrote.

        Parameters
        ----------
        path : `str` or `pathlib.Path`
            The file.

        Returns
        -------
        `Calibration`

        Raises
        ------
        OSError, ValueError
            If there is none, or it holds something else.
        """
        return cls.of(json.loads(Path(path).read_text()))
