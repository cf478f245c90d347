"""An ensemble of super-resolved magnetograms."""

from __future__ import annotations

import dataclasses
import html
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from sunpy_magsr.exceptions import warn_user
from sunpy_magsr.uncertainty.calibration import UNCALIBRATED
from sunpy_magsr.uncertainty.conformal import check_level, half_width
from sunpy_magsr.uncertainty.facts import Facts
from sunpy_magsr.uncertainty.members import keep_members, release
from sunpy_magsr.uncertainty.quantities import error_floor, quantity_named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from matplotlib.figure import Figure
    from sunpy.map import GenericMap

__all__ = ["MISSING", "NOT_CALIBRATED", "NOT_TRAINED", "Ensemble"]

#: Bits of an ensemble's ``flags`` and of the extension MASK of its file.
MISSING, NOT_CALIBRATED, NOT_TRAINED = 1, 2, 4
_ROWS = 64


class Ensemble:
    """
    Samples of the posterior of one magnetogram.

    Made by `sunpy_magsr.superresolve_ensemble`, or read by `Ensemble.load`. The members differ where the input leaves
    structure open. Iterating gives them as Maps, one by one.

    Parameters
    ----------
    members : `numpy.ndarray` or sequence of `numpy.ndarray`
        float32 Gauss, ``[S, Y, X]``, at least two.
    make_map : callable
        ``make_map(data, statistic, std=None, flagged=None) -> Map``.
    facts : `Facts`, optional
        What is known beside the members.

    Attributes
    ----------
    facts : `Facts`
        Calibrations and their strata.
    """

    def __init__(self, members, make_map, facts=None, *, moments=None):
        if moments is None:
            members, moments = keep_members(members, len(members))
        self._members, self._moments, self._make_map = members, moments, make_map
        self._std = moments.std
        self.facts = Facts() if facts is None else facts

    def __len__(self) -> int:
        return self._moments.count

    def __iter__(self) -> Iterator[GenericMap]:
        return (self.sample(number) for number in range(len(self)))

    def __repr__(self) -> str:
        rows, columns = self.shape
        level = "calibrated" if "pixel" in self.facts.calibrations else "not calibrated"
        kept = "" if self.has_members else ", members not kept"
        return f"<Ensemble of {len(self)} samples, {columns} x {rows} pixels, intervals {level}{kept}>"

    def _repr_html_(self) -> str:
        from sunpy_magsr.uncertainty.pictures import as_html

        return as_html(self, title=html.escape(repr(self)))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a member."""
        return self._moments.mean.shape

    @property
    def has_members(self) -> bool:
        """Whether the members were kept."""
        return self._members is not None

    @property
    def members(self) -> np.ndarray:
        """
        All members, `numpy.ndarray` float32 Gauss ``[S, Y, X]``, read only.

        If the ensemble was drawn with ``store``, it is mapped to that file: what is read is fetched when it is read.
        """
        if not self.has_members:
            msg = "members must have been kept for this, and the ensemble's file has none; save it with members=True."
            raise ValueError(msg)
        return self._members

    @property
    def flags(self) -> np.ndarray:
        """
        What is to be said of each pixel, uint8 ``[Y, X]``.

        The sum of 1, the input has no measurement; 2, there is no calibration for such pixels, and `interval` is that of the members
        alone; 4, the input is outside of what the model was trained on (its field, its noise, or too near the limb).
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
        if self.facts.strata is None and "pixel" in self.facts.calibrations:
            self.facts.strata = self.facts.make_strata(self.facts.calibrations["pixel"])
        return self.facts.strata

    def sample(self, number: int) -> GenericMap:
        """
        One member.

        Parameters
        ----------
        number : `int`
            0 to ``len(ensemble) - 1``.

        Returns
        -------
        `sunpy.map.GenericMap`
            In Gauss.
        """
        if not 0 <= number < len(self):
            msg = f"number must be 0 to {len(self) - 1}, got {number!r}."
            raise ValueError(msg)
        data = np.array(self.members[number], dtype=np.float32)
        release(self.members)
        return self._make_map(data, f"sample {number}")

    def mean(self) -> GenericMap:
        """Mean of the members, a Map in Gauss with their standard deviation as ``uncertainty``."""
        return self._make_map(self._moments.mean.copy(), "mean", std=self._std.copy())

    def std(self, *, smoothing: u.Quantity | None = None) -> GenericMap:
        """
        Standard deviation between the members (n - 1 in the denominator).

        Where the input's pixels are conserved it has their lattice, which is right: inside a pixel whose mean is known,
        the corners are less known than the center.

        Parameters
        ----------
        smoothing : `~astropy.units.Quantity`, optional
            Width of a Gaussian (full, at half maximum) over which the variance is averaged, in arcsec: 4 arcsec for two
            pixels of MDI take the lattice away, for a look at where the result is sure.

        Returns
        -------
        `sunpy.map.GenericMap`
            In Gauss.
        """
        if smoothing is None:
            return self._make_map(self._std.copy(), "standard deviation")
        from sunpy_magsr.uncertainty.pictures import smoothed_std

        smap = self._make_map(self._std.copy(), "standard deviation, smoothed")
        return self._make_map(smoothed_std(smap, smoothing), "standard deviation, smoothed")

    def median(self) -> GenericMap:
        """Median of the members, a Map in Gauss."""
        return self._make_map(self._quantile(0.5), "median")

    def quantile(self, q: float) -> GenericMap:
        """
        Quantile of the members, pixel by pixel, not calibrated.

        That of Hyndman & Fan 1996 (:doi:`10.1080/00031305.1996.10473566`), type 8; with few members it ends at the lowest
        and the highest one. For an interval that holds what it says, see `interval`.

        Parameters
        ----------
        q : `float`
            From 0 to 1.

        Returns
        -------
        `sunpy.map.GenericMap`
            In Gauss.
        """
        if not 0 <= q <= 1:
            msg = f"q must be from 0 to 1, got {q!r}."
            raise ValueError(msg)
        return self._make_map(self._quantile(q), f"quantile {q:.4g}")

    def interval(self, level: float = 0.9) -> tuple[GenericMap, GenericMap]:
        r"""
        Interval that holds the field that HMI would have measured with a probability of ``level``, pixel by pixel.

        :math:`m \pm f\,t_{S-1}\,\sqrt{1 + 1/S}\,\sigma` with mean and standard deviation of the S members, Student's t
        (`~sunpy_magsr.uncertainty.conformal.half_width`) and the calibrated factor of the pixel's stratum
        (`~sunpy_magsr.uncertainty.Calibration`). Pixels that no stratum holds have a factor of 1, are masked in the two
        Maps and counted in a warning.

        The probability is that of a pixel chosen at random. Neighbors err together: the ends of many pixels are no bounds
        of their sum, for which there is `propagate`.

        Parameters
        ----------
        level : `float`
            Between 0 and 1. Defaults to 0.9.

        Returns
        -------
        low, high : `sunpy.map.GenericMap`
            In Gauss.

        Warns
        -----
        `~sunpy_magsr.exceptions.MagsrUserWarning`
            If the model, or some of the pixels, have no calibration.
        """
        check_level(level)
        width = half_width(level, len(self)) * self._std
        flagged = None
        if self.strata is None:
            warn_user(
                "This model has no calibration; the interval is that of a Gaussian of the members' mean and spread."
            )
        else:
            width *= self.facts.calibrations["pixel"].factor(level)[self.strata]
            flagged = (self.strata == UNCALIBRATED) & ~np.isnan(width)
            if flagged.any():
                warn_user(
                    f"{flagged.sum() / max(1, (~np.isnan(width)).sum()):.0%} of the pixels are like none that the intervals "
                    "were calibrated on, and masked in them; ensemble.flags tells why."
                )
            flagged = flagged if flagged.any() else None
        ends = ((self._moments.mean - width, "lower"), (self._moments.mean + width, "upper"))
        return tuple(
            self._make_map(data.astype(np.float32), f"{end} end of {100 * level:g} percent interval", flagged=flagged)
            for data, end in ends
        )

    def propagate(self, func: str | Callable[[GenericMap], Any], *, level: float = 0.9) -> Any:
        r"""
        Carry the ensemble through any measurement.

        ``func`` is evaluated on every member. The interval is :math:`m \pm f\,t_{S-1}\,\sqrt{1 + 1/S}\,\sigma` of its
        values, as in `interval`. A factor is known for the `~sunpy_magsr.uncertainty.QUANTITIES`, in whose spread
        half a per cent of the value is added in quadrature: what members of one model have in common does not average
        out over a large area. For other functions it is 1.

        Parameters
        ----------
        func : `str` or callable
            Name of one of the `~sunpy_magsr.uncertainty.QUANTITIES`, or ``func(Map)`` to a number, a
            `~astropy.units.Quantity`, or a `dict` or dataclass of these.
        level : `float`
            Probability of the interval, between 0 and 1. Defaults to 0.9.

        Returns
        -------
        value, low, high : `float` or `~astropy.units.Quantity`
            Mean over the members and the ends of the interval, which is not negative where no value is. If ``func`` gives
            several, a `dict` of three such numbers for each name.
        """
        check_level(level)
        name, measure = quantity_named(func)
        found = [measure(smap) for smap in self]
        if dataclasses.is_dataclass(found[0]):
            found = [{field.name: getattr(one, field.name) for field in dataclasses.fields(one)} for one in found]
        if isinstance(found[0], dict):
            return {key: self._spread([one[key] for one in found], level, None) for key in found[0]}
        return self._spread(found, level, name)

    def _spread(self, values, level, name):
        values = u.Quantity(values) if isinstance(values[0], u.Quantity) else np.array(values, dtype=float)
        mean, std, factor = values.mean(), values.std(ddof=1), 1.0
        if name is not None:
            std = error_floor(mean, std)
            factor = self.facts.frame_factor(name, level)
        width = factor * half_width(level, len(self)) * std
        low = mean - width
        return mean, (np.maximum(low, 0 * mean) if (values >= 0).all() else low), mean + width

    def save(
        self,
        path: str | Path,
        *,
        members: bool = False,
        precision: u.Quantity | None = None,
        overwrite: bool = False,
    ) -> Path:
        """
        Write the ensemble to one file, ``.fits`` or ``.asdf``; see `sunpy_magsr.uncertainty.files.save_ensemble`.

        Parameters
        ----------
        path : `str` or `pathlib.Path`
            The file.
        members : `bool`
            Whether to write the members too. Defaults to `False`: mean, spread, flags and calibration, from which the
            same intervals follow.
        precision : `~astropy.units.Quantity`, optional
            Compress a FITS file, with values rounded to steps of this size.
        overwrite : `bool`
            Whether to replace a file that is there. Defaults to `False`.

        Returns
        -------
        `pathlib.Path`
        """
        from sunpy_magsr.uncertainty.files import save_ensemble

        return save_ensemble(self, path, members=members, precision=precision, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path) -> Ensemble:
        """
        Read what `save` wrote.

        Parameters
        ----------
        path : `str` or `pathlib.Path`
            The file.

        Returns
        -------
        `Ensemble`
            Without members if they were not saved; those of a FITS file are mapped to it.
        """
        from sunpy_magsr.uncertainty.files import load_ensemble

        return load_ensemble(path)

    def plot(self, *, number: int = 0) -> Figure:
        """
        Draw mean, spread and one member side by side.

        Parameters
        ----------
        number : `int`
            The member. Defaults to 0.

        Returns
        -------
        `matplotlib.figure.Figure`
        """
        from sunpy_magsr.uncertainty.pictures import draw_ensemble

        return draw_ensemble(self, number=number)

    def quicklook(self) -> None:
        """Show what the ensemble is in the web browser, as `sunpy.map.GenericMap.quicklook` does for a Map."""
        from sunpy_magsr.uncertainty.pictures import show

        show(self)

    def _quantile(self, q):
        result = np.empty(self.shape, np.float32)
        for start in range(0, len(result), _ROWS):
            rows = self.members[:, start : start + _ROWS]
            result[start : start + _ROWS] = np.quantile(rows, q, axis=0, method="median_unbiased")
            release(self.members)
        return result
