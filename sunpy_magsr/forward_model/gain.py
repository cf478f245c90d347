"""Scale between the two instruments."""

import numpy as np
from scipy.special import ndtri

__all__ = ["MDI_GAIN", "MDI_GAIN_SPREAD", "gain_factor", "hmi_per_mdi"]

#: What MDI (level 1.8.2) reads for a field in which HMI reads 1 G, as one number: HMI = 0.701 MDI (Liu et al. 2025,
#: :doi:`10.1007/s11207-025-02523-y`); 1.40 in Liu et al. 2012 (:doi:`10.1007/s11207-012-9976-x`).
MDI_GAIN = 1 / 0.701
#: How much it differs from frame to frame, as a standard deviation of its logarithm: what `hmi_per_mdi` leaves of the
#: true pairs' factors, which are +9, -3 and -6 % off it.
MDI_GAIN_SPREAD = 0.08

# Of HMI over MDI in the true pairs of `docs/validation.rst`, by the strength that MDI reads.
_WEAK, _STRONG = 0.655, 0.755
_FIELD = 850.0  # Gauss


def hmi_per_mdi(reading):
    r"""
    What HMI reads where MDI reads 1 G.

    MDI's response is less in strong field: in the true pairs HMI / MDI is 0.655 in weak field and 0.70 to 0.80 above
    1500 G. The curve is :math:`0.655 + 0.1\,B^2 / (B^2 + (850\,\mathrm{G})^2)`; it passes 0.701, the one number of
    Liu et al. 2025 (:doi:`10.1007/s11207-025-02523-y`), at 780 G.

    Parameters
    ----------
    reading : `numpy.ndarray` or `float`
        MDI's field in Gauss, at MDI's resolution.

    Returns
    -------
    `numpy.ndarray` or `float`
        Of the same shape.

    Examples
    --------
    >>> from sunpy_magsr.forward_model import hmi_per_mdi
    >>> round(hmi_per_mdi(0.0), 3), round(hmi_per_mdi(-2000.0), 3)
    (0.655, 0.74)
    """
    squared = reading**2
    return _WEAK + (_STRONG - _WEAK) * squared / (squared + _FIELD**2)


def gain_factor(sample):
    """
    Factor by which the scale between the instruments may be off in a frame, for one member of an ensemble.

    The members of an ensemble share the quantiles of a log-normal distribution of width `MDI_GAIN_SPREAD` evenly, in the
    order of van der Corput's sequence: 1/2, 1/4, 3/4, 1/8, ... A single sample so has the most likely scale.

    Parameters
    ----------
    sample : `int`
        Number of the member, from 0.

    Returns
    -------
    `float`
    """
    quantile, share, left = 0.0, 0.5, sample + 1
    while left:
        quantile += share * (left & 1)
        left, share = left >> 1, share / 2
    return float(np.exp(MDI_GAIN_SPREAD * ndtri(quantile)))
