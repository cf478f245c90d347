"""Which features of a result are recovered, missed or invented."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
import scipy.ndimage
import skimage.measure

from sunpy_magsr._fields import PAIR, PLATE_SCALE, described_with
from sunpy_magsr.prep.field import read_field, read_pair

if TYPE_CHECKING:
    import numpy.typing as npt

    from sunpy_magsr._fields import FieldLike
    from sunpy_magsr.prep.field import Field

__all__ = ["FeatureSplit", "feature_split"]


@dataclasses.dataclass(frozen=True)
class FeatureSplit:
    """
    Shares of improvement, omission and hallucination; made by `feature_split`.

    Parameters
    ----------
    n_true : `int`
        Number of features in the detail of the truth.
    n_result : `int`
        Number of features in the detail of the result.
    improvement : `float`
        Share of the true detail that the result recovers, from 0 to 1. NaN if the truth has no feature.
    omission : `float`
        Share of the true detail that the result misses, which is 1 - ``improvement``.
    hallucination : `float`
        Share of the result's detail that the truth does not have, from 0 to 1. 0 if the result has no feature.
    labels : `numpy.ndarray`
        What each pixel belongs to, uint8 ``[y, x]``: 1 to an improvement, 2 to an omission, 3 to a hallucination (which
        is drawn over the others), 0 to no feature.
    """

    n_true: int
    n_result: int
    improvement: float
    omission: float
    hallucination: float
    labels: npt.NDArray[np.uint8] = dataclasses.field(repr=False, compare=False)


@described_with(pair=PAIR, plate_scale=PLATE_SCALE)
def feature_split(
    result: FieldLike,
    truth: FieldLike,
    low: FieldLike,
    *,
    noise: u.Quantity,
    floor: float = 5,
    min_size: float | u.Quantity = 4,
    plate_scale: u.Quantity | None = None,
) -> FeatureSplit:
    r"""
    Split the detail that a result adds to its input into improvement, omission and hallucination.

    The detail is what the low-resolution field L does not have: :math:`d_t = T - L` in the truth T and
    :math:`d_r = R - L` in the result R. A feature of a detail :math:`d` is a patch P of touching pixels (8 neighbors)
    of one sign with :math:`|d| > k \sigma`, where k is the ``floor``. Its weight is :math:`w_P = \sum_P |d|`.

    - A feature of :math:`d_t` is improved if :math:`\langle d_r \rangle_P / \langle d_t \rangle_P \geq 1/2`, else
      omitted: improvement is :math:`\sum_\mathrm{improved} w_P / \sum w_P`, omission the rest.
    - A feature of :math:`d_r` is hallucinated if :math:`\langle d_t \rangle_P / \langle d_r \rangle_P < 1/2`:
      hallucination is :math:`\sum_\mathrm{hallucinated} w_P / \sum w_P`.

    A feature of the wrong sign is omitted and hallucinated. One of more than twice the true strength is improved and
    hallucinated. The three notions are those of opensr-test (Aybar et al. 2024,
    :doi:`10.1109/LGRS.2024.3401394`), which compares images pixel by pixel. This function compares signed fields with
    known noise feature by feature, so its numbers cannot be compared with theirs.

    Parameters
    ----------
    {pair}
    low : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        What was known: the low-resolution field, interpolated to the same grid.
    noise : `~astropy.units.Quantity`
        Standard deviation :math:`\sigma` of the noise of the truth in Gauss.
    floor : `float`
        The factor k. With the default, 5, a pixel of white noise is above it once in 1.7 million.
    min_size : `int` or `~astropy.units.Quantity`
        Size of the smallest feature, as a number of pixels or as an area on the sky in arcsec². Defaults to 4 pixels.
    {plate_scale}

    Returns
    -------
    `FeatureSplit`
        The three shares. Pixels that are not measured in all three fields belong to no feature.

    Raises
    ------
    ValueError
        If a field cannot be read, the shapes differ, or no pixel is measured in all three fields. Also if ``noise``,
        ``floor`` or ``min_size`` is not positive.

    Notes
    -----
    Positions count: a feature that lies its own size away is omitted and hallucinated. Features that touch are one.
    Foreshortening is not corrected. ``plate_scale`` is needed only for ``min_size`` in arcsec².

    Examples
    --------
    A result that finds the spot of the truth and makes up another, half as strong:

    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_magsr.metrics.features import feature_split
    >>> low, truth = np.zeros((2, 32, 32))
    >>> truth[4:8, 4:8] = 400
    >>> result = truth.copy()
    >>> result[20:24, 20:24] = -200
    >>> feature_split(result, truth, low, noise=10 * u.G)
    FeatureSplit(n_true=1, n_result=2, improvement=1.0, omission=0.0, hallucination=0.33333333)
    """
    pair = read_pair(result, truth, plate_scale=plate_scale)
    true, known = pair[1], read_field(low, plate_scale=plate_scale, name="low")
    if known.data.shape != true.data.shape:
        msg = f"low must have the shape of truth, {true.data.shape}, got {known.data.shape}."
        raise ValueError(msg)
    limit = _floor(noise, floor)
    size = _pixels(min_size, true)
    made_detail, true_detail = (np.nan_to_num(field.data - known.data) for field in pair)
    # a pixel that one of the three does not have is a feature of none
    measured = true.valid & known.valid
    if not measured.any():
        msg = "low must have a measured pixel in common with result and truth, got none."
        raise ValueError(msg)
    true_patches, true_flux, true_ratio = _features(true_detail, made_detail, limit, size)
    made_patches, made_flux, made_ratio = _features(made_detail, true_detail, limit, size)
    improved, confirmed = true_ratio >= 0.5, made_ratio >= 0.5
    labels = np.concatenate([[0], np.where(improved, 1, 2)]).astype(np.uint8)[true_patches]
    labels[np.concatenate([[False], ~confirmed])[made_patches]] = 3
    improvement = float(true_flux[improved].sum() / true_flux.sum()) if true_flux.size else np.nan
    hallucination = float(made_flux[~confirmed].sum() / made_flux.sum()) if made_flux.size else 0.0
    return FeatureSplit(true_flux.size, made_flux.size, improvement, 1 - improvement, hallucination, labels)


def _features(
    detail: npt.NDArray[np.float64], other: npt.NDArray[np.float64], limit: float, size: float
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Patches of ``detail`` numbered from 1, and of each its flux and the share of it that ``other`` has."""
    signs = np.where(np.abs(detail) > limit, np.sign(detail), 0).astype(np.int8)
    patches = skimage.measure.label(signs, connectivity=2)
    kept = np.bincount(patches.ravel()) >= size
    kept[0] = False
    patches = np.where(kept, np.cumsum(kept), 0)[patches]
    numbers = np.arange(1, kept.sum() + 1)
    total = scipy.ndimage.sum_labels(detail, patches, numbers)
    return patches, np.abs(total), scipy.ndimage.sum_labels(other, patches, numbers) / total


def _floor(noise: u.Quantity, floor: float) -> float:
    if not (isinstance(noise, u.Quantity) and noise.isscalar and noise.unit.is_equivalent(u.G) and noise > 0):
        msg = f"noise must be a positive scalar Quantity in G, got {noise!r}."
        raise ValueError(msg)
    if not floor > 0:
        msg = f"floor must be positive, got {floor!r}."
        raise ValueError(msg)
    return noise.to_value(u.G) * floor


def _pixels(min_size: float | u.Quantity, field: Field) -> float:
    message = f"min_size must be a positive number of pixels or Quantity in arcsec2, got {min_size!r}."
    if isinstance(min_size, u.Quantity):
        if not min_size.unit.is_equivalent(u.arcsec**2):
            raise ValueError(message)
        width, height = field.arcsec
        min_size = min_size.to_value(u.arcsec**2) / (width * height)
    if not min_size > 0:
        raise ValueError(message)
    return min_size
