"""Strata of pixels, and the factors of intervals that belong to them."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from sunpy_magsr.atomic import whole_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["AXES", "UNCALIBRATED", "StratumFactors", "shape_of"]

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
    factors: NDArray[np.float64]
    scatter: NDArray[np.float64]
    regions: NDArray[np.int_]
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

    def index(self, conditions: Mapping[str, ArrayLike], shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """
        Find the stratum of each pixel, whether it was calibrated or not.

        Parameters
        ----------
        conditions : `dict`
            Values of the axes: for each an array of ``shape`` or a number.
        shape : `tuple` of `int`
            Shape of the result.

        Returns
        -------
        `numpy.ndarray`
            Number of the stratum, uint8; 255 where a value is outside of all edges.
        """
        index = np.zeros(shape, dtype=np.uint8)
        inside = np.ones(shape, dtype=bool)
        for axis, edges in self.edges.items():
            upper = (*edges[:-1], np.nextafter(edges[-1], np.inf))  # the last edge is within
            place = np.digitize(np.asarray(conditions[axis], dtype=float), upper) - 1
            inside &= (place >= 0) & (place < len(edges) - 1)
            index = (index * (len(edges) - 1) + np.clip(place, 0, len(edges) - 2)).astype(np.uint8)
        return np.where(inside, index, np.uint8(UNCALIBRATED))

    def has(self, index: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """
        Say which strata have factors.

        Parameters
        ----------
        index : `numpy.ndarray`
            Numbers of strata, from `index`.

        Returns
        -------
        `numpy.ndarray`
            Whether there are factors, bool, of the same shape.
        """
        calibrated = np.zeros(UNCALIBRATED + 1, dtype=bool)
        calibrated[: self.regions.size] = np.isfinite(self._by_stratum()).all(axis=1)
        return calibrated[index]

    def strata(self, conditions: Mapping[str, ArrayLike], shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """
        Find the stratum of each pixel, where it was calibrated.

        Parameters
        ----------
        conditions : `dict`
            As in `index`.
        shape : `tuple` of `int`
            Shape of the result.

        Returns
        -------
        `numpy.ndarray`
            Number of the stratum, uint8; 255 where a value is outside of all edges or the stratum has no factors.
        """
        index = self.index(conditions, shape)
        return np.where(self.has(index), index, np.uint8(UNCALIBRATED))

    def factor(self, level: float) -> NDArray[np.float32]:
        """
        Give the factors of all strata at a level.

        Parameters
        ----------
        level : `float`
            Probability of the interval, between 0 and 1.

        Returns
        -------
        `numpy.ndarray`
            The factors, float32 ``[256]``, indexed by the numbers that `strata` gives; 1 where there is no factor.
        """
        table = np.ones(UNCALIBRATED + 1, dtype=np.float32)
        at_level = [np.interp(level, self.levels, of_stratum) for of_stratum in self._by_stratum()]
        table[: len(at_level)] = np.nan_to_num(at_level, nan=1.0)
        return table

    def name_of(self, stratum: int) -> str:
        """
        Name a stratum in words.

        Parameters
        ----------
        stratum : `int`
            Number of the stratum.

        Returns
        -------
        `str`
            The words, such as ``"field 10-30 G, mu 0.65-1"``.
        """
        spans = [
            [f"{axis} {low:g}-{high:g} {AXES[axis]}".strip() for low, high in itertools.pairwise(of_axis)]
            for axis, of_axis in self.edges.items()
        ]
        return ", ".join(list(itertools.product(*spans))[stratum]).replace("-inf", " and more")

    def _by_stratum(self) -> NDArray[np.float64]:
        return self.factors.reshape(-1, len(self.levels))

    def to_dict(self) -> dict[str, Any]:
        """
        Give the calibration as plain lists and numbers for JSON; `of` reads them.

        Returns
        -------
        `dict`
            The fields by name. `None` stands for an unknown number, and for an edge at infinity.
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
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """
        Make a calibration from what `to_dict` gives.

        Parameters
        ----------
        facts : `dict`
            The fields by name, as in a model's card. In ``edges``, `None` stands for infinity.

        Returns
        -------
        `~sunpy_magsr.uncertainty.Calibration`
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
        Write a JSON file, with factors rounded to three decimals. It appears whole or not at all.

        Parameters
        ----------
        path : `str` or `pathlib.Path`
            Name of the file. A file of that name is replaced.

        Returns
        -------
        `pathlib.Path`
            Path of the file.
        """
        with whole_file(path) as stream:
            stream.write(json.dumps(self.to_dict(), indent=1, allow_nan=False).encode() + b"\n")
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """
        Read a JSON file that `save` wrote.

        Parameters
        ----------
        path : `str` or `pathlib.Path`
            Name of that file. A model's card has the same facts, which `of` reads.

        Returns
        -------
        `~sunpy_magsr.uncertainty.Calibration`
            The factors and their strata.

        Raises
        ------
        OSError, ValueError
            If there is no such file, or it holds something else.
        """
        return cls.of(json.loads(Path(path).read_text()))


def _plain(values: NDArray[np.float64]) -> list[Any]:
    """Numbers for JSON, `None` for NaN."""
    plain = np.round(values, 3).astype(object)
    plain[~np.isfinite(values)] = None
    return plain.tolist()


def shape_of(edges: Mapping[str, Sequence[float]]) -> tuple[int, ...]:
    """
    Count the strata along each axis.

    Parameters
    ----------
    edges : `dict`
        Edges of the strata of each axis.

    Returns
    -------
    `tuple` of `int`
        The numbers, in the order of `AXES`.
    """
    return tuple(len(edges[axis]) - 1 for axis in AXES if axis in edges)
