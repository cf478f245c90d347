"""Whether a result has speckle: noise-like texture of both signs that the Sun does not have."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import scipy.ndimage
import scipy.stats
from astropy.stats import mad_std

from sunpy_magsr._fields import PAIR, described_with
from sunpy_magsr.prep.field import read_pair

if TYPE_CHECKING:
    import numpy.typing as npt

    from sunpy_magsr._fields import FieldLike

__all__ = ["Speckle", "asinh_view", "speckle"]

_WEAK_FIELD = 30.0  # Gauss
_NEIGHBORHOOD = 9  # pixels a side
_SCALE = 5.0  # Gauss


@dataclasses.dataclass(frozen=True)
class Speckle:
    """
    Texture of a result's weak field compared with that of the truth; made by `speckle`.

    The texture is measured by second differences from pixel to pixel. Without speckle the first two numbers are 1.

    Parameters
    ----------
    sigma : `float`
        Scaled median absolute deviation of the result's differences over that of the truth's.
    kurtosis : `float`
        Kurtosis (fourth moment over the squared second) of the result's differences over that of the truth's. Below 1
        the texture is more like noise, which is the same everywhere, than that of the truth.
    share : `float`
        Share of the pixels that have weak field.
    """

    sigma: float
    kurtosis: float
    share: float


def asinh_view(field: npt.ArrayLike) -> npt.NDArray[np.floating]:
    r"""
    Compress a field as :math:`5\,\mathrm{G}\,\mathrm{asinh}(B / 5\,\mathrm{G})`, so that weak structure shows too.

    Parameters
    ----------
    field : array-like
        Magnetic field in Gauss.

    Returns
    -------
    `numpy.ndarray`
        The compressed field in Gauss.
    """
    return _SCALE * np.arcsinh(np.asarray(field) / _SCALE)


@described_with(pair=PAIR)
def speckle(result: FieldLike, truth: FieldLike, known: npt.ArrayLike) -> Speckle:
    """
    Compare the texture of a result's weak field, from pixel to pixel, with that of the truth.

    Parameters
    ----------
    {pair}
    known : array-like
        What the input says, such as its interpolation, in Gauss on the same grid. The field counts as weak where this
        is below 30 G in all of the 9 x 9 pixels around.

    Returns
    -------
    `Speckle`
        The comparison. The numbers are NaN where there is no weak field.

    Raises
    ------
    ValueError
        If a field cannot be read, the shapes differ or no pixel is measured in both fields.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.metrics import speckle
    >>> truth = np.random.default_rng(0).normal(0, 3, (64, 64))
    >>> round(speckle(2 * truth, truth, np.zeros((64, 64))).sigma, 3)
    2.0
    """
    pair = read_pair(result, truth)
    weak = scipy.ndimage.maximum_filter(np.abs(np.nan_to_num(known, nan=np.inf)), _NEIGHBORHOOD) < _WEAK_FIELD
    found = []
    for data in (field.data for field in pair):
        values = np.concatenate([np.diff(data, 2, axis=0)[weak[1:-1]], np.diff(data, 2, axis=1)[weak[:, 1:-1]]])
        values = values[np.isfinite(values)]
        if not len(values):
            return Speckle(np.nan, np.nan, 0.0)
        found.append((mad_std(values), scipy.stats.kurtosis(values, fisher=False)))
    (sigma, kurtosis), (of_truth, kurtosis_of_truth) = found
    return Speckle(float(sigma / of_truth), float(kurtosis / kurtosis_of_truth), float(weak.mean()))
