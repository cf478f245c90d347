"""The ratio of the readings of MDI and HMI."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from sunpy_magsr.maps.grid import bicubic

#: What MDI (level 1.8.2) reads where HMI reads 1 G, as one number for all fields: HMI = 0.701 MDI (Liu et al. 2025,
#: :doi:`10.1007/s11207-025-02523-y`). Liu et al. 2012 (:doi:`10.1007/s11207-012-9976-x`) give 1.40.
MDI_GAIN = 1 / 0.701
#: Standard deviation of the logarithm of the gain from frame to frame. The factors of the three true pairs differ from
#: `hmi_per_mdi` by +9, -3 and -6 %.
MDI_GAIN_SPREAD = 0.08

# HMI over MDI in the true pairs of `docs/validation.rst`, where MDI reads weak and strong field
_WEAK, _STRONG = 0.655, 0.755
_FIELD = 850.0  # Gauss


def hmi_per_mdi(reading: float | npt.NDArray) -> float | npt.NDArray:
    r"""
    Compute the ratio of HMI's reading to MDI's reading of the same field.

    The ratio is larger in strong field, where MDI's response is weaker. In the true pairs it is 0.655 in weak field and 0.70
    to 0.80 above 1500 G. The function is :math:`0.655 + 0.1\,B^2 / (B^2 + (850\,\mathrm{G})^2)`. At 780 G it is 0.701, the
    one number that Liu et al. 2025 (:doi:`10.1007/s11207-025-02523-y`) give for all fields.

    Parameters
    ----------
    reading : `numpy.ndarray` or `float`
        MDI's reading :math:`B` in Gauss, at MDI's resolution.

    Returns
    -------
    `numpy.ndarray` or `float`
        HMI's reading divided by MDI's, of the shape of ``reading``.

    Examples
    --------
    >>> from sunpy_magsr.instrument import hmi_per_mdi
    >>> round(hmi_per_mdi(0.0), 3), round(hmi_per_mdi(-2000.0), 3)
    (0.655, 0.74)
    """
    squared = reading**2
    return _WEAK + (_STRONG - _WEAK) * squared / (squared + _FIELD**2)


def gain_factor(sample: int) -> float:
    """
    Compute a factor by which the ratio of the two instruments may differ in a frame, for one member of an ensemble.

    The ratio differs from frame to frame, and nobody knows it for a single frame. So each member of an ensemble takes
    another quantile of a log-normal distribution of the width `MDI_GAIN_SPREAD`. The quantiles follow van der Corput's
    sequence: 1/2, 1/4, 3/4, 1/8, ... The first member has the median, a factor of 1.
    """
    quantile, share, left = 0.0, 0.5, sample + 1
    while left:
        quantile += share * (left & 1)
        left, share = left >> 1, share / 2
    return float(np.exp(MDI_GAIN_SPREAD * ndtri(quantile)))


def to_hmi(field: npt.NDArray, reading: npt.NDArray, *, sample: int = 0) -> npt.NDArray:
    """
    Convert a high-resolution field from MDI's scale to HMI's.

    The field is multiplied by a factor that depends on what MDI read at each place
    (`~sunpy_magsr.instrument.hmi_per_mdi`, interpolated between MDI's pixels). This factor differs from frame to frame,
    and nobody knows it for a single frame. So each member of an ensemble takes another one
    (``gain_factor``), and the spread of the members' fluxes and field strengths contains this
    uncertainty.
    """
    ratio = np.asarray(hmi_per_mdi(np.asarray(reading, dtype=np.float32)))
    factor = (gain_factor(sample) * ratio).astype(np.float32)
    return field * bicubic(factor, field.shape[0] // factor.shape[0])
