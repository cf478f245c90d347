"""An ensemble of super-resolved magnetograms."""

import astropy.units as u
import numpy as np

__all__ = ["Ensemble", "running_moments"]

_ROWS = 256


def running_moments(fields):
    """
    Mean and sample standard deviation without keeping the members (Welford 1962,
    :doi:`10.1080/00401706.1962.10490022`).

    Parameters
    ----------
    fields : iterable of `numpy.ndarray`
        At least two arrays of one shape.

    Returns
    -------
    mean, std : `numpy.ndarray`
        float32, of that shape.
    """
    mean = squares = None
    for count, field in enumerate(fields, start=1):
        if mean is None:
            mean, squares = field.copy(), np.zeros_like(field)
            continue
        delta = field - mean
        mean += delta / count
        squares += delta * (field - mean)
    return mean, np.sqrt(squares / (count - 1))


class Ensemble:
    """
    Samples of the posterior of one magnetogram.

    Made by `sunpy_magsr.superresolve_ensemble`. The members differ where the input leaves structure open.

    Parameters
    ----------
    members : `list` of `numpy.ndarray`
        float32 Gauss ``[y, x]`` each.
    make_map : callable
        ``make_map(data, statistic) -> Map``.
    """

    def __init__(self, members, make_map):
        self._members = members
        self._make_map = make_map

    def __len__(self):
        return len(self._members)

    def __repr__(self):
        return f"<Ensemble of {len(self)} samples, {self._members[0].shape[1]} x {self._members[0].shape[0]} pixels>"

    def sample(self, number):
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
        return self._make_map(self._members[number].copy(), f"sample {number}")

    def mean(self):
        """Mean of the members, a Map in Gauss with their standard deviation as ``uncertainty``."""
        mean, std = running_moments(self._members)
        return self._make_map(mean, "mean", std=std)

    def std(self):
        """Standard deviation between the members (n - 1 in the denominator), a Map in Gauss."""
        return self._make_map(running_moments(self._members)[1], "standard deviation")

    def median(self):
        """Median of the members, a Map in Gauss."""
        return self._make_map(self._quantile(0.5), "median")

    def interval(self, level=0.9):
        """
        Central interval of the members, pixel by pixel.

        Quantiles are those of Hyndman & Fan 1996 (:doi:`10.1080/00031305.1996.10473566`), type 8; with few
        members they end at the lowest and highest one.

        Parameters
        ----------
        level : `float`
            Share of the distribution inside, between 0 and 1. Defaults to 0.9.

        Returns
        -------
        low, high : `sunpy.map.GenericMap`
            In Gauss.
        """
        if not 0 < level < 1:
            msg = f"level must be between 0 and 1, got {level!r}."
            raise ValueError(msg)
        tail = (1 - level) / 2
        return tuple(self._make_map(self._quantile(q), f"quantile {q:.4g}") for q in (tail, 1 - tail))

    def propagate(self, func, *, level=0.9):
        """
        Carry the ensemble through any measurement.

        Parameters
        ----------
        func : callable
            ``func(Map) -> number`` or `~astropy.units.Quantity`.
        level : `float`
            Share of the distribution inside the interval. Defaults to 0.9.

        Returns
        -------
        value, low, high : `float` or `~astropy.units.Quantity`
            Median over the members and the ends of the central interval.
        """
        values = [func(self.sample(number)) for number in range(len(self))]
        values = u.Quantity(values) if isinstance(values[0], u.Quantity) else np.array(values)
        tail = (1 - level) / 2
        return tuple(np.quantile(values, q, method="median_unbiased") for q in (0.5, tail, 1 - tail))

    def _quantile(self, q):
        result = np.empty_like(self._members[0])
        for start in range(0, len(result), _ROWS):
            rows = np.stack([member[start : start + _ROWS] for member in self._members])
            result[start : start + _ROWS] = np.quantile(rows, q, axis=0, method="median_unbiased")
        return result
