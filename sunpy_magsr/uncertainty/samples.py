"""Samples of one magnetogram and their statistics, pixel by pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sunpy_magsr.uncertainty.members import keep_members, release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import astropy.units as u
    from numpy.typing import NDArray
    from sunpy.map import GenericMap

    from sunpy_magsr.metrics.antithetic import Draws
    from sunpy_magsr.uncertainty.members import Moments, StoredMoments

__all__ = ["Samples"]

_ROWS = 64


class Samples:
    """
    Samples of one magnetogram and their statistics, pixel by pixel.

    `len` gives the number of samples, also called members. Iterating gives them as Maps, one by one.

    Parameters
    ----------
    members, make_map, moments, is_paired : object
        As in `~sunpy_magsr.uncertainty.Ensemble`, which also has calibrated intervals.
    """

    def __init__(
        self,
        members: NDArray[np.float32] | Sequence[NDArray[np.float32]] | None,
        make_map: Callable[..., GenericMap],
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
    def members(self) -> NDArray[np.float32]:
        """
        All members, a read-only float32 `numpy.ndarray` in Gauss, ``[S, Y, X]``.

        If the ensemble was drawn with ``store``, the array is mapped to that file and is read from the disk part by part.
        """
        if not self.has_members:
            msg = "members must have been kept for this, and the ensemble's file has none; save it with members=True."
            raise ValueError(msg)
        return self._members

    def sample(self, number: int) -> GenericMap:
        """
        One of the members.

        Parameters
        ----------
        number : `int`
            The number of the member, from 0 to ``len(ensemble) - 1``.

        Returns
        -------
        `sunpy.map.GenericMap`
            The member in Gauss. It is a copy.

        Raises
        ------
        ValueError
            If there is no such member, or the members were not kept.
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
            The mean in Gauss. Its ``uncertainty`` is the standard deviation of the members.

        Notes
        -----
        In sunpy, ``submap``, ``rotate``, ``resample``, ``reproject_to`` and arithmetic return a Map without
        ``uncertainty``, and ``save`` writes none. Apply the same cut to `std`, and write files with
        `sunpy_magsr.io.write_fits`.
        """
        return self._make_map(self._moments.mean.copy(), "mean", std=self._std.copy())

    def std(self, *, smoothing: u.Quantity | None = None) -> GenericMap:
        """
        Standard deviation of a member, estimated from all members (`~sunpy_magsr.metrics.antithetic.Draws`).

        It often shows the grid of the input's pixels. This is right: where the mean over an input pixel is known, the model
        is less sure at the corners of that pixel than at its center.

        Parameters
        ----------
        smoothing : `~astropy.units.Quantity`, optional
            Average the variance over a Gaussian with this full width at half maximum, an angle in arcsec. Two input pixels
            (4 arcsec for MDI) remove the grid. By default nothing is averaged.

        Returns
        -------
        `sunpy.map.GenericMap`
            The standard deviation in Gauss.

        Raises
        ------
        ValueError
            If ``smoothing`` is not a positive angle.
        """
        if smoothing is None:
            return self._make_map(self._std.copy(), "standard deviation")
        from sunpy_magsr.uncertainty.pictures import smoothed_std

        smap = self._make_map(self._std.copy(), "standard deviation, smoothed")
        return self._make_map(smoothed_std(smap, smoothing), "standard deviation, smoothed")

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
        lowest or above the highest member. For an interval that is calibrated, use
        `~sunpy_magsr.uncertainty.Ensemble.interval`.

        Parameters
        ----------
        q : `float`
            The probability, from 0 to 1.

        Returns
        -------
        `sunpy.map.GenericMap`
            The quantile in Gauss.

        Raises
        ------
        ValueError
            If ``q`` is not from 0 to 1, or the members were not kept.
        """
        if not 0 <= q <= 1:
            msg = f"q must be from 0 to 1, got {q!r}."
            raise ValueError(msg)
        return self._make_map(self._quantile(q), f"quantile {q:.4g}")

    def _quantile(self, q: float) -> NDArray[np.float32]:
        result = np.empty(self.shape, np.float32)
        for start in range(0, len(result), _ROWS):
            rows = self.members[:, start : start + _ROWS]
            result[start : start + _ROWS] = np.quantile(rows, q, axis=0, method="median_unbiased")
            release(self.members)
        return result
