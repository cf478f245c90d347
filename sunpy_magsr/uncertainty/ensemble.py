"""Samples of one magnetogram, their statistics pixel by pixel, and calibrated intervals."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from sunpy.map import GenericMap

from sunpy_magsr.exceptions import warn_user
from sunpy_magsr.maps.field import Field, read_field
from sunpy_magsr.metrics.ensemble import Draws, draws_of
from sunpy_magsr.uncertainty.calibration import UNCALIBRATED, Facts
from sunpy_magsr.uncertainty.files import read_ensemble, save_ensemble
from sunpy_magsr.uncertainty.intervals import check_level, half_width
from sunpy_magsr.uncertainty.members import Moments, StoredMoments, keep_members, release
from sunpy_magsr.uncertainty.pictures import as_html, draw_ensemble, show, smooth_std
from sunpy_magsr.uncertainty.quantities import add_shared_error, find_quantity

_ROWS = 64
#: Bits of an ensemble's ``flags`` and of the extension MASK of its file.
MISSING, NOT_CALIBRATED, NOT_TRAINED = 1, 2, 4


class Ensemble:
    """
    Samples of one super-resolved magnetogram, with calibrated intervals.

    `sunpy_magsr.superresolve_ensemble` makes an ensemble, and `Ensemble.load` reads one from a file. Its samples, also
    called members, differ where the input does not determine the field. Iterating gives them as Maps, one by one, and ``ensemble[3]`` is ``ensemble.sample(3)``.

    Parameters
    ----------
    members : `numpy.ndarray` or sequence of `numpy.ndarray` or `None`
        The samples, float32 in Gauss, ``[S, Y, X]``, at least two. `None` if only their moments are known.
    make_map : callable
        The function that puts an array into a Map, called as ``make_map(data, statistic, std=None, flagged=None)``.
    facts : ``Facts``, optional
        Calibrations and flags of the pixels. By default the ensemble has no calibration.
    moments : ``Moments``, optional
        Mean and standard deviation of the members. By default they are computed from ``members``.
    is_paired : `bool`
        Whether ``members`` are antithetic pairs, if ``moments`` does not say it. Defaults to `False`.
    """

    def __init__(
        self,
        members: np.ndarray | Sequence[np.ndarray] | None,
        make_map: Callable[..., GenericMap],
        facts: Facts | None = None,
        *,
        moments: Moments | StoredMoments | None = None,
        is_paired: bool = False,
    ) -> None:
        if moments is None:
            if members is None:
                msg = "members must be given where moments are not, got None."
                raise ValueError(msg)
            members, moments = keep_members(members, len(members), is_paired=is_paired)
        self._members: Any = members
        self._moments, self._make_map = moments, make_map
        self._std = moments.std
        self.facts = Facts() if facts is None else facts

    def __repr__(self) -> str:
        rows, columns = self.shape
        level = "calibrated" if "pixel" in self.facts.calibrations else "not calibrated"
        kept = "" if self.has_members else ", members not kept"
        return f"<Ensemble of {len(self)} samples, {columns} x {rows} pixels, intervals {level}{kept}>"

    def _repr_html_(self) -> str:
        return as_html(self)

    def __len__(self) -> int:
        return self._moments.draws.count

    def __iter__(self) -> Iterator[GenericMap]:
        return (self.sample(number) for number in range(len(self)))

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and number of columns of each member."""
        return self._moments.mean.shape

    @property
    def draws(self) -> Draws:
        """Number of members, and whether they are antithetic pairs."""
        return self._moments.draws

    @property
    def is_paired(self) -> bool:
        """Whether members 0 and 1, 2 and 3, ... were drawn from noise and its negative."""
        return self._moments.draws.is_paired

    @property
    def has_members(self) -> bool:
        """Whether the members were kept."""
        return self._members is not None

    @property
    def members(self) -> np.ndarray:
        """
        All members, a read-only float32 `numpy.ndarray` in Gauss, ``[S, Y, X]``.

        If the ensemble was drawn with ``store``, the array is mapped to that file and is read from the disk part by part.
        """
        if not self.has_members:
            msg = "members must have been kept for this, and the ensemble's file has none; save it with members=True."
            raise ValueError(msg)
        return self._members

    def __getitem__(self, number: int) -> GenericMap:
        return self.sample(number)

    def sample(self, number: int) -> GenericMap:
        """
        One of the members.

        Parameters
        ----------
        number : `int`
            Its number, from 0.

        Returns
        -------
        `sunpy.map.GenericMap`
            A copy of the member.
        """
        if not 0 <= number < len(self):
            msg = f"number must be 0 to {len(self) - 1}, got {number!r}."
            raise ValueError(msg)
        data = np.array(self.members[number], dtype=np.float32)
        release(self.members)
        return self._make_map(data, f"sample {number}")

    def mean(self) -> GenericMap:
        """
        Mean of the members.

        Returns
        -------
        `sunpy.map.GenericMap`
            The mean, with the standard deviation of a member as its ``uncertainty``.

        Notes
        -----
        In sunpy, ``submap``, ``rotate``, ``resample``, ``reproject_to`` and arithmetic return a Map without
        ``uncertainty``, and ``save`` writes none. Apply the same cut to `std`, and write files with
        `sunpy_magsr.io.write_fits`.
        """
        return self._make_map(self._moments.mean.copy(), "mean", std=self._std.copy())

    def std(self, *, smoothing: u.Quantity | None = None) -> GenericMap:
        """
        Standard deviation of a member, estimated from all members (``Draws``).

        It often shows the grid of the input's pixels. This is right: where the mean over an input pixel is known, the model
        is less sure at the corners of that pixel than at its center.

        Parameters
        ----------
        smoothing : `~astropy.units.Quantity`, optional
            Full width at half maximum of a Gaussian over which the variance is averaged, as an angle. By default nothing
            is averaged.

        Returns
        -------
        `sunpy.map.GenericMap`
            The standard deviation in Gauss.
        """
        if smoothing is None:
            return self._make_map(self._std.copy(), "standard deviation")
        smap = self._make_map(self._std.copy(), "standard deviation, smoothed")
        return self._make_map(smooth_std(smap, smoothing), "standard deviation, smoothed")

    def median(self) -> GenericMap:
        """
        Median of the members.

        Returns
        -------
        `sunpy.map.GenericMap`
            The median in Gauss.
        """
        return self._make_map(self._quantile(0.5), "median")

    def quantile(self, q: float) -> GenericMap:
        """
        Quantile of the members, pixel by pixel and not calibrated.

        It is the quantile of type 8 of Hyndman & Fan 1996 (:doi:`10.1080/00031305.1996.10473566`). It is never below the
        lowest or above the highest member. For an interval that is calibrated, use `interval`.

        Parameters
        ----------
        q : `float`
            Probability, from 0 to 1.

        Returns
        -------
        `sunpy.map.GenericMap`
            The quantile in Gauss.
        """
        if not 0 <= q <= 1:
            msg = f"q must be from 0 to 1, got {q!r}."
            raise ValueError(msg)
        return self._make_map(self._quantile(q), f"quantile {q:.4g}")

    def _quantile(self, q: float) -> np.ndarray:
        result = np.empty(self.shape, np.float32)
        for start in range(0, len(result), _ROWS):
            rows = self.members[:, start : start + _ROWS]
            result[start : start + _ROWS] = np.quantile(rows, q, axis=0, method="median_unbiased")
            release(self.members)
        return result

    @property
    def flags(self) -> np.ndarray:
        """
        Flags of each pixel, uint8 ``[Y, X]``.

        A flag is the sum of these numbers: 1, the input has no measurement there; 2, no calibration holds for such pixels,
        and `interval` is made from the members alone; 4, the input is outside of what the model was trained on (its field,
        its noise, or its distance from the limb).
        """
        if self.facts.flags is None:
            flags = np.where(np.isnan(self._moments.mean), MISSING, 0).astype(np.uint8)
            measured = flags == 0
            if self.strata is not None:
                flags[measured & (self.strata == UNCALIBRATED)] |= NOT_CALIBRATED
            if self.facts.make_untrained is not None:
                flags[measured & self.facts.make_untrained()] |= NOT_TRAINED
            self.facts.flags = flags
        return self.facts.flags

    @property
    def strata(self) -> np.ndarray | None:
        """Stratum of each pixel in the calibration, uint8 ``[Y, X]``, or `None` if there is no calibration."""
        facts = self.facts
        if facts.strata is None and facts.make_strata is not None and "pixel" in facts.calibrations:
            facts.strata = facts.make_strata(facts.calibrations["pixel"])
        return facts.strata

    def interval(self, level: float = 0.9) -> tuple[GenericMap, GenericMap]:
        r"""
        Interval that holds the field that HMI would have measured with a probability of ``level``, pixel by pixel.

        It is :math:`m \pm f\,w\,\sigma` with the mean m and the standard deviation :math:`\sigma` of the members, the half
        width w for their number (``half_width``), and the calibrated factor f of the
        pixel's stratum (`~sunpy_magsr.uncertainty.Calibration`). Pixels for which no calibration holds get a factor of 1. They are
        masked in both Maps, and a warning says how many they are.

        The probability is that of one pixel chosen at random. The errors of neighbors are correlated, so the sum of the
        lower ends is not a lower end of the sum over many pixels. For sums, use `propagate`.

        Parameters
        ----------
        level : `float`
            Probability of the interval, between 0 and 1. Defaults to 0.9.

        Returns
        -------
        low : `sunpy.map.GenericMap`
            The lower end in Gauss.
        high : `sunpy.map.GenericMap`
            The upper end in Gauss.

        Raises
        ------
        ValueError
            If ``level`` is not between 0 and 1.

        Warns
        -----
        ``MagsrUserWarning``
            If the model, or some of the pixels, have no calibration.
        """
        check_level(level)
        width = half_width(level, self._moments.draws) * self._std
        flagged = None
        if self.strata is None:
            warn_user(
                "This model has no calibration; the interval is that of a Gaussian of the members' mean and spread.",
                stacklevel=2,
            )
        else:
            width *= self.facts.calibrations["pixel"].factor(level)[self.strata]
            flagged = (self.strata == UNCALIBRATED) & ~np.isnan(width)
            if flagged.any():
                warn_user(
                    f"{100 * flagged.sum() / (~np.isnan(width)).sum():.3g}% of the pixels are like none that the intervals "
                    "were calibrated on, and masked in them; ensemble.flags tells why.",
                    stacklevel=2,
                )
            flagged = flagged if flagged.any() else None
        ends = ((self._moments.mean - width, "lower"), (self._moments.mean + width, "upper"))
        low, high = (
            self._make_map(data.astype(np.float32), f"{end} end of {100 * level:g} percent interval", flagged=flagged)
            for data, end in ends
        )
        return low, high

    def propagate(self, func: str | Callable[[GenericMap], Any], *, level: float = 0.9) -> Any:
        r"""
        Measure every member, and give the mean of the values and an interval.

        The interval is :math:`m \pm f\,w\,\sigma` of the values, as in `interval`, with the correlation of partners as it is
        found in the values. The factor f is calibrated for the `~sunpy_magsr.uncertainty.QUANTITIES`. For them, half a per cent of the value is added in
        quadrature to :math:`\sigma`, because errors that all members of one model share do not average out over a large
        area. For other functions, f is 1.

        Parameters
        ----------
        func : `str` or callable
            The name of one of the `~sunpy_magsr.uncertainty.QUANTITIES`, or a function that takes a Map and returns a number,
            a `~astropy.units.Quantity`, or a `dict` or dataclass of these.
        level : `float`
            Probability of the interval, between 0 and 1. Defaults to 0.9.

        Returns
        -------
        value : `float` or `~astropy.units.Quantity`
            The mean over the members. If ``func`` returns a `dict` or a dataclass, one `dict` is returned instead, with
            the three numbers ``(value, low, high)`` for each name.
        low : `float` or `~astropy.units.Quantity`
            The lower end of the interval. It is not negative if no member's value is negative.
        high : `float` or `~astropy.units.Quantity`
            The upper end of the interval.

        Raises
        ------
        ValueError
            If ``level`` is not between 0 and 1, ``func`` is an unknown name, or the members were not kept.
        """
        check_level(level)
        name, measure = find_quantity(func)
        found = [measure(smap) for smap in self]
        if dataclasses.is_dataclass(found[0]):
            found = [{field.name: getattr(one, field.name) for field in dataclasses.fields(one)} for one in found]
        if isinstance(found[0], dict):
            return {key: self._spread([one[key] for one in found], level, None) for key in found[0]}
        return self._spread(found, level, name)

    def _spread(self, found: list[Any], level: float, name: str | None) -> tuple[Any, Any, Any]:
        """Mean and ends of the interval of the members' values; ``name`` is that of a quantity with a calibration."""
        values = u.Quantity(found) if isinstance(found[0], u.Quantity) else np.array(found, dtype=float)
        draws = draws_of(getattr(values, "value", values), is_paired=self.is_paired)
        mean, factor = values.mean(), 1.0
        std = np.sqrt(((values - mean) ** 2).sum() / draws.variance_divisor)
        if name is not None:
            std = add_shared_error(mean, std)
            factor = self.facts.frame_factor(name, level)
        width = factor * half_width(level, draws) * std
        low = mean - width
        return mean, (np.maximum(low, 0 * mean) if (values >= 0).all() else low), mean + width

    def save(
        self, path: str | Path, *, members: bool = False, precision: u.Quantity | None = None, overwrite: bool = False
    ) -> Path:
        """
        Write the ensemble to one file, ``.fits`` or ``.asdf``; see ``sunpy_magsr.uncertainty.files.save_ensemble``.

        Parameters
        ----------
        path : `str` or `pathlib.Path`
            The file.
        members : `bool`
            Whether to write the members too. Defaults to `False`: the file then has the mean, the standard deviation, the
            flags and the calibration, which give the same intervals.
        precision : `~astropy.units.Quantity`, optional
            Compress a FITS file, with values rounded to steps of this magnetic field. By default nothing is rounded.
        overwrite : `bool`
            Whether a file of this name may be replaced. Defaults to `False`.

        Returns
        -------
        `pathlib.Path`
            Path of the file.
        """
        return save_ensemble(self, path, members=members, precision=precision, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path) -> Ensemble:
        """
        Read a file that `save` wrote; see ``sunpy_magsr.uncertainty.files.read_ensemble``.

        Parameters
        ----------
        path : `str` or `pathlib.Path`
            Name of that file. It is taken for FITS unless it ends in ``.asdf``.

        Returns
        -------
        `Ensemble`
            The ensemble, without members if they were not saved. The members in a FITS file that is not compressed are
            mapped to it, and read when they are needed.
        """
        return cls(**read_ensemble(path))

    def plot(self, *, number: int = 0) -> Figure:
        """
        Draw the mean, the standard deviation and one member side by side.

        Parameters
        ----------
        number : `int`
            The number of the member. Defaults to 0.

        Returns
        -------
        `matplotlib.figure.Figure`
            The figure, which is not one of pyplot's.
        """
        return draw_ensemble(self, number=number)

    def quicklook(self) -> None:
        """Show a summary of the ensemble in the web browser, as `sunpy.map.GenericMap.quicklook` does for a Map."""
        show(self)


def check_ensemble(ensemble: object) -> None:
    """Check that an argument is an ensemble."""
    if not isinstance(ensemble, Ensemble):
        msg = f"ensemble must be an Ensemble, got {type(ensemble).__name__}."
        raise TypeError(msg)


def read_truth(truth: GenericMap | u.Quantity | ArrayLike, ensemble: Ensemble) -> Field:
    """Read the truth of an ensemble."""
    field = read_field(truth, name="truth")
    if field.data.shape != ensemble.shape:
        msg = f"truth must have the shape of the ensemble, {ensemble.shape}, got {field.data.shape}."
        raise ValueError(msg)
    return field
