"""Conversion from MDI's scale to HMI's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sunpy_magsr.forward_model.interpolation import bicubic
from sunpy_magsr.forward_model import gain_factor, hmi_per_mdi

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["to_hmi"]


def to_hmi(field: npt.NDArray, reading: npt.NDArray, *, sample: int = 0) -> npt.NDArray:
    """
    Convert a high-resolution field from MDI's scale to HMI's.

    The field is multiplied by a factor that depends on what MDI read at each place
    (`~sunpy_magsr.forward_model.hmi_per_mdi`, interpolated between MDI's pixels). This factor differs from frame to frame,
    and nobody knows it for a single frame. So each member of an ensemble takes another one
    (`~sunpy_magsr.forward_model.gain_factor`), and the spread of the members' fluxes and field strengths contains this
    uncertainty.

    Parameters
    ----------
    field : `numpy.ndarray`
        Field on MDI's scale in Gauss ``[f y, f x]`` with a whole number f.
    reading : `numpy.ndarray`
        MDI's magnetogram in Gauss ``[y, x]``.
    sample : `int`
        Number of the member of the ensemble, counted from 0. Defaults to 0.

    Returns
    -------
    `numpy.ndarray`
        Field on HMI's scale in Gauss, of the same shape and data type.
    """
    ratio = np.asarray(hmi_per_mdi(np.asarray(reading, dtype=np.float32)))
    factor = (gain_factor(sample) * ratio).astype(np.float32)
    return field * bicubic(factor, field.shape[0] // factor.shape[0])
