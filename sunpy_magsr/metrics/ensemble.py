"""Scores of ensembles, of independent and of antithetic members."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence, Sized
from typing import Any, TypeAlias

import astropy.units as u
import numpy as np
import numpy.typing as npt
import scipy.special
import sunpy.map

from sunpy_magsr.maps.field import FieldLike, read_field

MembersLike: TypeAlias = Iterable[sunpy.map.GenericMap] | Sequence[FieldLike] | npt.ArrayLike
Values: TypeAlias = np.ndarray


#: In headers (MAGSRDRW), for members that were drawn in pairs with noise and its negative.
ANTITHETIC = "antithetic"


#: Correlation of two partners in a pixel, for ensembles of fewer than two pairs, which cannot tell it. Pairs of the bundled
#: model have -0.70 to -0.77 on averaged HMI, and -0.39 to -0.61 on frames of MDI, where the correlation is strongest in strong
#: field (``docs/dev_guide/decisions/uncertainty.rst``).
PAIR_CORRELATION = -0.6
_LEAST_FREEDOM = 0.5


@dataclasses.dataclass(frozen=True)
class Draws:
    r"""
    What the number of members, and whether they are antithetic pairs, means for their statistics.

    The first and second member are partners, as are the third and fourth, and so on (antithetic variates, Hammersley &
    Morton 1956, :doi:`10.1017/S0305004100031455`). Each member alone is a sample like any other. The errors of partners
    have the correlation :math:`\rho`, so the variance of the mean of S members is :math:`\sigma^2 (1 + c) / S`, with
    :math:`c = \rho \, 2 \lfloor S / 2 \rfloor / S`. An odd last member has no partner.

    Parameters
    ----------
    count : `int`
        Number of members S.
    is_paired : `bool`
        Whether the members are pairs. Defaults to `False`: they are independent.
    correlation : `float`
        Correlation :math:`\rho` of partners. Defaults to `PAIR_CORRELATION`.

    Examples
    --------
    The mean of 8 members in pairs is as good as that of 20 independent ones:

    >>> from sunpy_magsr.metrics.ensemble import Draws
    >>> round(1 / Draws(8, is_paired=True).mean_variance), round(1 / Draws(8).mean_variance)
    (20, 8)
    """

    count: int
    is_paired: bool = False
    correlation: float = PAIR_CORRELATION

    @property
    def _shared(self) -> float:
        return self.correlation * 2 * (self.count // 2) / self.count if self.is_paired else 0.0

    @property
    def mean_variance(self) -> float:
        """Variance of the mean of the members over the variance of a member."""
        return (1 + self._shared) / self.count

    @property
    def variance_divisor(self) -> float:
        """Number by which the sum of squared deviations from the mean is divided to estimate the variance of a member."""
        return self.count - 1 - self._shared

    @property
    def degrees_of_freedom(self) -> float:
        r"""
        Degrees of freedom of that estimate.

        For pairs, the variance is the sum of those of half the difference and half the sum of partners, with the shares
        :math:`(1 - \rho) / 2` and :math:`(1 + \rho) / 2` and with S/2 and S/2 - 1 degrees of freedom (Satterthwaite 1946,
        :doi:`10.2307/3002019`).
        """
        if not self.is_paired:
            return self.count - 1
        pairs = self.count / 2
        difference, total = (1 - self.correlation) / 2, (1 + self.correlation) / 2
        return 1 / (difference**2 / pairs + total**2 / max(pairs - 1, _LEAST_FREEDOM))


def draws_of(values: np.ndarray, *, is_paired: bool) -> Draws:
    """
    Find the correlation of partners in a quantity that was measured on each member.

    The correlation of a quantity such as the flux is not that of pixels, and can have the other sign.
    """
    count = len(values)
    pairs = count // 2
    if not is_paired or pairs < 2:
        return Draws(count, is_paired)
    of_pairs = values[: 2 * pairs]
    differences = float(((of_pairs[::2] - of_pairs[1::2]) ** 2).sum()) / 4
    return Draws(
        count, is_paired, pair_correlation(float(((of_pairs - of_pairs.mean(axis=0)) ** 2).sum()), differences, pairs)
    )


def pair_correlation(squares: float, differences: float, pairs: int) -> float:
    r"""
    Estimate the correlation of partners.

    Half the difference and half the sum of partners have the variances :math:`\sigma^2 (1 \mp \rho) / 2`. Half the
    difference has no mean, as either of them may be the first.
    """
    if pairs < 2 or not squares > 0:
        return PAIR_CORRELATION
    of_difference, of_sum = differences / pairs, (squares / 2 - differences) / (pairs - 1)
    return (of_sum - of_difference) / (of_sum + of_difference)


def is_paired(members: Any) -> bool:
    """Find out whether members are antithetic pairs."""
    return bool(getattr(members, "is_paired", False))


def read_members(
    members: MembersLike, truth: FieldLike, *, where: npt.ArrayLike | None = None
) -> tuple[Values, Values]:
    """Read an ensemble and the truth where all of them are measured."""
    if isinstance(members, sunpy.map.GenericMap) or not isinstance(members, Sized):
        msg = f"members must be an Ensemble, a sequence of fields or an array [S, y, x], got {type(members).__name__}."
        raise TypeError(msg)
    names = [f"members[{number}]" for number in range(len(members))]
    return _read(members, names, truth, where)


def crps(members: MembersLike, truth: FieldLike, *, where: npt.ArrayLike | None = None) -> u.Quantity:
    r"""
    Continuous ranked probability score of an ensemble, as a mean over pixels; lower is better.

    The score of Gneiting & Raftery 2007 (:doi:`10.1198/016214506000001437`) is taken with the fair estimate of Ferro
    2014 (:doi:`10.1002/qj.2270`),

    .. math:: \frac{1}{S} \sum_i |x_i - y| - \frac{1}{2 S (S - 1)} \sum_{i,j} |x_i - x_j| ,

    which has the same expectation for any number S of members. So ensembles of different size can be compared. With
    one member it is the mean absolute error, so an ensemble can also be compared with a single result. If an Ensemble
    consists of antithetic pairs, the second sum leaves out partners, as they are farther apart than independent members.
    Each pixel is scored by itself: whether the correlations between pixels are right does not count.

    Parameters
    ----------
    members : `~sunpy_magsr.uncertainty.Ensemble`, sequence or array-like
        S members: an Ensemble, a sequence of Maps, Quantities or arrays ``[y, x]`` in Gauss, or an array ``[S, y, x]``.
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic field ``[y, x]`` on the same grid. Only the shapes are compared, not the coordinates.
    where : array-like of `bool`, optional
        Pixels to measure, ``[y, x]``; all by default. Choose them without looking at the truth. Among pixels chosen by the
        truth, ensembles that predict too much score better (Lerch et al. 2017, :doi:`10.1214/16-STS588`) and calibrated
        ones look overconfident.

    Returns
    -------
    `~astropy.units.Quantity`
        The score in Gauss. That of a pixel, and by chance the mean, can be negative.

    Raises
    ------
    TypeError
        If ``members`` is not a collection.
    ValueError
        If a field cannot be read, there is no member, the shapes differ, or no pixel is left.

    Examples
    --------
    Two members that are 30 G and 10 G too weak, and one that is 20 G too weak:

    >>> import numpy as np
    >>> from sunpy_magsr.metrics.ensemble import crps
    >>> crps([np.full((2, 2), 90.0), np.full((2, 2), 110.0)], np.full((2, 2), 120.0))
    <Quantity 10. G>
    >>> crps([np.full((2, 2), 100.0)], np.full((2, 2), 120.0))
    <Quantity 20. G>
    """
    fields, true = read_members(members, truth, where=where)
    size = len(fields)
    error = np.mean([np.abs(field - true).mean() for field in fields])
    if size == 1:
        return error * u.G
    of_partners, partners = 0.0, 0
    if is_paired(members):
        partners = size // 2
        of_partners = np.abs(fields[0 : 2 * partners : 2] - fields[1 : 2 * partners : 2]).mean(axis=1).sum()
    distances = size * (size - 1) / 2 - partners
    if distances == 0:
        msg = "members must be at least 3 if they are antithetic pairs, got 2."
        raise ValueError(msg)
    fields.sort(axis=0)
    # The sum over i < j of |x_i - x_j|, from the sorted members.
    weights = 2 * np.arange(size) - size + 1
    return (error - (weights @ fields.mean(axis=1) - of_partners) / (2 * distances)) * u.G


def crps_gaussian(
    mean: FieldLike, std: FieldLike, truth: FieldLike, *, where: npt.ArrayLike | None = None
) -> u.Quantity:
    r"""
    Continuous ranked probability score of a Gaussian prediction, as a mean over pixels; lower is better.

    It is for methods that predict a mean :math:`\mu` and a standard deviation :math:`\sigma` of each pixel, and can be
    compared with `crps`. The closed form is that of Gneiting & Raftery 2007 (:doi:`10.1198/016214506000001437`), with
    :math:`z = (y - \mu) / \sigma`,

    .. math:: \sigma \left[ z (2 \Phi(z) - 1) + 2 \varphi(z) - 1 / \sqrt{\pi} \right] .

    Where the standard deviation is 0, it is the absolute error.
    """
    (center, width), true = _read((mean, std), ("mean", "std"), truth, where)
    if (width < 0).any():
        msg = f"std must not be negative, got {width.min():.6g} G."
        raise ValueError(msg)
    error = true - center
    z = np.divide(error, width, out=np.copysign(np.inf, error), where=width > 0)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    score = error * scipy.special.erf(z / np.sqrt(2)) + width * (2 * density - 1 / np.sqrt(np.pi))
    return score.mean() * u.G


def spread_skill(members: MembersLike, truth: FieldLike, *, where: npt.ArrayLike | None = None) -> float:
    r"""
    Ratio of the spread of the members to the error of their mean.

    It is 1 where the spread is right and below 1 where the ensemble is overconfident. Fortin et al. 2014
    (:doi:`10.1175/JHM-D-14-0008.1`) give it as

    .. math:: \sqrt{\left(1 + \frac{1}{S}\right) \langle s^2 \rangle \Big/ \langle (\bar{x} - y)^2 \rangle}

    with the variance :math:`s^2` of the members (S - 1 in the denominator) and means over the pixels. If an Ensemble
    consists of antithetic pairs, 1/S and S - 1 are replaced by the numbers of ``Draws``. Too
    little spread
    in one place and too much in another cancel. To see such places, use several ``where``, for instance the pixels with
    more than 100 G in the mean of the members, and `~sunpy_magsr.uncertainty.rank_histogram`.

    Parameters
    ----------
    members : `~sunpy_magsr.uncertainty.Ensemble`, sequence or array-like
        S members: an Ensemble, a sequence of Maps, Quantities or arrays ``[y, x]`` in Gauss, or an array ``[S, y, x]``.
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic field ``[y, x]`` on the same grid. Only the shapes are compared, not the coordinates.
    where : array-like of `bool`, optional
        Pixels to measure, ``[y, x]``; all by default. Choose them without looking at the truth. Among pixels chosen by the
        truth, ensembles that predict too much score better (Lerch et al. 2017, :doi:`10.1214/16-STS588`) and calibrated
        ones look overconfident.

    Returns
    -------
    `float`
        The ratio of spread to error.

    Raises
    ------
    TypeError
        If ``members`` is not a collection.
    ValueError
        If there are fewer than two members, the shapes differ, no pixel is left, or the mean has no error anywhere.

    Examples
    --------
    Members and a truth that are drawn from the same distribution:

    >>> import numpy as np
    >>> from sunpy_magsr.metrics.ensemble import spread_skill
    >>> field = np.random.default_rng(1).normal(0, 100, (9, 200, 200))
    >>> round(spread_skill(field[:8], field[8]), 1)
    1.0
    """
    fields, true = read_members(members, truth, where=where)
    size = len(fields)
    if size < 2:
        msg = f"members must be at least 2 to have a spread, got {size}."
        raise ValueError(msg)
    mean = fields.mean(axis=0)
    draws = Draws(size, is_paired(members))
    variance = sum(np.mean((field - mean) ** 2) for field in fields) / draws.variance_divisor
    error = np.mean((mean - true) ** 2)
    if error == 0:
        msg = "truth must differ from the mean of the members in some pixel, got none."
        raise ValueError(msg)
    return float(np.sqrt((1 + draws.mean_variance) * variance / error))


def _read(
    fields: Iterable[FieldLike], names: Sequence[str], truth: FieldLike, where: npt.ArrayLike | None
) -> tuple[Values, Values]:
    true = read_field(truth, name="truth").data
    chosen = np.isfinite(true)
    if where is not None:
        where = np.asarray(where)
        if where.dtype != bool or where.shape != true.shape:
            msg = f"where must be a bool array of shape {true.shape}, got {where.dtype} {where.shape}."
            raise ValueError(msg)
        chosen &= where
    if not names:
        msg = "members must hold at least one field, got none."
        raise ValueError(msg)
    values = np.empty((len(names), np.count_nonzero(chosen)))
    for row, field, name in zip(values, fields, names, strict=True):
        data = read_field(field, name=name).data
        if data.shape != true.shape:
            msg = f"{name} must have the shape of truth, {true.shape}, got {data.shape}."
            raise ValueError(msg)
        row[:] = data[chosen]
    true = true[chosen]
    measured = np.isfinite(values).all(axis=0)
    if not measured.any():
        msg = "truth must share a measured pixel inside where with all members, got none."
        raise ValueError(msg)
    return (values, true) if measured.all() else (values[:, measured], true[measured])
