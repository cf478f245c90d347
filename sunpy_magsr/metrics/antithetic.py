"""Members of an ensemble that are drawn in pairs, from noise and its negative."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["PAIR_CORRELATION", "Draws", "draws_of", "is_paired", "pair_correlation"]

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

    >>> from sunpy_magsr.metrics.antithetic import Draws
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


def draws_of(values: npt.NDArray[np.floating], *, is_paired: bool) -> Draws:
    """
    Find the correlation of partners in a quantity that was measured on each member.

    The correlation of a quantity such as the flux is not that of pixels, and can have the other sign.

    Parameters
    ----------
    values : `numpy.ndarray`
        The quantity, one for each of S members, or several of one kind ``[S, N]``, whose correlation is taken to be the same.
    is_paired : `bool`
        Whether the members are antithetic pairs.

    Returns
    -------
    `Draws`
        Number of members and correlation of partners.
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

    Parameters
    ----------
    squares : `float`
        Sum of the squared deviations of all members of pairs from their mean.
    differences : `float`
        Sum of the squares of half the differences.
    pairs : `int`
        Number of pairs.

    Returns
    -------
    `float`
        The correlation :math:`\rho`, `PAIR_CORRELATION` if there are fewer than two pairs or nothing varies.
    """
    if pairs < 2 or not squares > 0:
        return PAIR_CORRELATION
    of_difference, of_sum = differences / pairs, (squares / 2 - differences) / (pairs - 1)
    return (of_sum - of_difference) / (of_sum + of_difference)


def is_paired(members: Any) -> bool:
    """
    Find out whether members are antithetic pairs.

    Parameters
    ----------
    members : `~sunpy_magsr.uncertainty.Ensemble`, sequence or array-like
        Members of an ensemble.

    Returns
    -------
    `bool`
        Whether an Ensemble says so. Members in an array or a sequence count as independent.
    """
    return bool(getattr(members, "is_paired", False))
