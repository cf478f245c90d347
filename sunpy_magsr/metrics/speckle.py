"""Whether a result has speckle: noise-like texture of both signs that the Sun does not have."""

import dataclasses

import numpy as np
import scipy.ndimage
import scipy.stats
from astropy.stats import mad_std

from sunpy_magsr.prep.field import read_pair

__all__ = ["Speckle", "asinh_view", "speckle"]

_WEAK_FIELD = 30.0  # Gauss
_NEIGHBORHOOD = 9  # pixels a side
_SCALE = 5.0  # Gauss


@dataclasses.dataclass(frozen=True)
class Speckle:
    """
    Second differences of a result's weak field over those of the truth; without speckle both are 1.

    Attributes
    ----------
    sigma : `float`
        Ratio of the scaled median absolute deviations.
    kurtosis : `float`
        Ratio of the fourth moments over the squared second: below 1 the texture is more like noise, which is the same
        everywhere, than the truth's.
    share : `float`
        Of the pixels that have weak field.
    """

    sigma: float
    kurtosis: float
    share: float


def asinh_view(field):
    r"""
    Field in which weak and strong structure count alike: :math:`5\,\mathrm{G}\,\mathrm{asinh}(B / 5\,\mathrm{G})`.

    Parameters
    ----------
    field : array-like
        Gauss.

    Returns
    -------
    `numpy.ndarray`
        Gauss.
    """
    return _SCALE * np.arcsinh(np.asarray(field) / _SCALE)


def speckle(result, truth, known):
    """
    Compare the pixel-to-pixel texture of weak field with the truth's.

    Parameters
    ----------
    result, truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic fields ``[y, x]`` on the same grid; plain arrays are in Gauss.
    known : array-like
        What the input says, Gauss on the same grid, such as its interpolation: the field is weak where this is below
        30 G within 9 x 9 pixels.

    Returns
    -------
    `Speckle`
        NaN where there is no weak field.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.metrics import speckle
    >>> truth = np.random.default_rng(0).normal(0, 3, (64, 64))
    >>> round(speckle(2 * truth, truth, np.zeros((64, 64))).sigma, 3)
    2.0
    """
    result, truth = (field.data for field in read_pair(result, truth))
    weak = scipy.ndimage.maximum_filter(np.abs(np.nan_to_num(known, nan=np.inf)), _NEIGHBORHOOD) < _WEAK_FIELD
    found = []
    for field in (result, truth):
        values = [np.diff(field, 2, axis=0)[weak[1:-1]], np.diff(field, 2, axis=1)[weak[:, 1:-1]]]
        values = np.concatenate(values)
        values = values[np.isfinite(values)]
        if not len(values):
            return Speckle(np.nan, np.nan, 0.0)
        found.append((mad_std(values), scipy.stats.kurtosis(values, fisher=False)))
    (sigma, kurtosis), (of_truth, kurtosis_of_truth) = found
    return Speckle(float(sigma / of_truth), float(kurtosis / kurtosis_of_truth), float(weak.mean()))
