"""From MDI's scale to HMI's."""

import numpy as np

from sunpy_magsr.backends.interpolation import bicubic
from sunpy_magsr.forward_model import gain_factor, hmi_per_mdi

__all__ = ["to_hmi"]


def to_hmi(field, reading, *, sample=0):
    """
    Put a high-resolution field on HMI's scale.

    The factor depends on what MDI read there (`~sunpy_magsr.forward_model.hmi_per_mdi`), interpolated between its pixels;
    and as it differs from frame to frame by more than that says, each member of an ensemble takes another one
    (`~sunpy_magsr.forward_model.gain_factor`), so that the spread of fluxes and field strengths contains it.

    Parameters
    ----------
    field : `numpy.ndarray`
        On MDI's scale, Gauss ``[f y, f x]``.
    reading : `numpy.ndarray`
        MDI's magnetogram, Gauss ``[y, x]``.
    sample : `int`
        Number of the member, from 0.

    Returns
    -------
    `numpy.ndarray`
        Of the field's shape and type.
    """
    factor = (gain_factor(sample) * hmi_per_mdi(np.asarray(reading, dtype=np.float32))).astype(np.float32)
    return field * bicubic(factor, field.shape[0] // factor.shape[0])
