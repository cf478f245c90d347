"""What the detail is worth: recovered, missed or invented features."""

import dataclasses

import astropy.units as u
import numpy as np
import scipy.ndimage
import skimage.measure

from sunpy_magsr.prep.field import read_field, read_pair

__all__ = ["FeatureSplit", "feature_split"]


@dataclasses.dataclass(frozen=True)
class FeatureSplit:
    """
    Shares of improvement, omission and hallucination; see `feature_split`.

    Attributes
    ----------
    n_true, n_result : `int`
        Features in the detail of the truth and of the result.
    improvement : `float`
        Share of the true detail that the result recovers, 0 to 1; NaN without a true feature.
    omission : `float`
        1 - ``improvement``.
    hallucination : `float`
        Share of the result's detail that the truth does not have, 0 to 1; 0 if the result has no feature.
    labels : `numpy.ndarray`
        uint8 ``[y, x]``: 1 improvement, 2 omission, 3 hallucination (drawn over the others), 0 elsewhere.
    """

    n_true: int
    n_result: int
    improvement: float
    omission: float
    hallucination: float
    labels: np.ndarray = dataclasses.field(repr=False, compare=False)


def feature_split(result, truth, low, *, noise, floor=5, min_size=4, plate_scale=None):
    r"""
    Split the detail that a result adds to its input into improvement, omission and hallucination.

    The detail is what is not in the low-resolution field L: :math:`d_t = T - L` in the truth and
    :math:`d_r = R - L` in the result. A feature of :math:`d` is a patch P of touching pixels (8 neighbors) of one
    sign with :math:`|d| > k \sigma`, the floor, and weighs :math:`w_P = \sum_P |d|`.

    - A feature of :math:`d_t` is improved if :math:`\langle d_r \rangle_P / \langle d_t \rangle_P \geq 1/2`, else
      omitted: improvement is :math:`\sum_\mathrm{improved} w_P / \sum w_P`, omission the rest.
    - A feature of :math:`d_r` is hallucinated if :math:`\langle d_t \rangle_P / \langle d_r \rangle_P < 1/2`:
      hallucination is :math:`\sum_\mathrm{hallucinated} w_P / \sum w_P`.

    A feature of the wrong sign is omitted and hallucinated; one of more than twice the true strength is improved and
    hallucinated. The three notions are those of opensr-test (Aybar et al. 2024,
    :doi:`10.1109/LGRS.2024.3401394`), which weighs distances of images pixel by pixel; for signed fields with known
    noise this asks feature by feature, and its numbers are not comparable with theirs.

    Parameters
    ----------
    result, truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        ``[y, x]`` on one grid; arrays in Gauss.
    low : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        What was known: the low-resolution field interpolated to the same grid.
    noise : `~astropy.units.Quantity`
        Standard deviation of the noise of the truth in Gauss.
    floor : `float`
        k, in units of ``noise``. At 5 a white-noise pixel passes once in 1.7 million.
    min_size : `int` or `~astropy.units.Quantity`
        Smallest feature, in pixels or as an area on the sky in arcsec². Defaults to 4 pixels.
    plate_scale : `~astropy.units.Quantity`, optional
        Of arrays, for ``min_size`` in arcsec².

    Returns
    -------
    `FeatureSplit`
        Pixels not measured in all three fields belong to no feature.

    Raises
    ------
    ValueError
        As `~sunpy_magsr.prep.field.read_pair`; also if ``noise``, ``floor`` or ``min_size`` is not positive.

    Notes
    -----
    Positions count: a feature moved by its own size is omitted and hallucinated. Features that touch are one.
    Foreshortening is not corrected.

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
    result, truth = read_pair(result, truth, plate_scale=plate_scale)
    known = read_field(low, plate_scale=plate_scale, name="low")
    if known.data.shape != truth.data.shape:
        msg = f"low must have the shape of truth, {truth.data.shape}, got {known.data.shape}."
        raise ValueError(msg)
    limit = _floor(noise, floor)
    size = _pixels(min_size, truth)
    details = [np.nan_to_num(field.data - known.data) for field in (truth, result)]
    # a pixel that one of the three does not have is a feature of none
    measured = truth.valid & known.valid
    if not measured.any():
        msg = "low must have a measured pixel in common with result and truth, got none."
        raise ValueError(msg)
    true_patches, true_flux, true_ratio = _features(*details, limit, size)
    made_patches, made_flux, made_ratio = _features(*details[::-1], limit, size)
    improved, confirmed = true_ratio >= 0.5, made_ratio >= 0.5
    labels = np.concatenate([[0], np.where(improved, 1, 2)]).astype(np.uint8)[true_patches]
    labels[np.concatenate([[False], ~confirmed])[made_patches]] = 3
    improvement = float(true_flux[improved].sum() / true_flux.sum()) if true_flux.size else np.nan
    hallucination = float(made_flux[~confirmed].sum() / made_flux.sum()) if made_flux.size else 0.0
    return FeatureSplit(true_flux.size, made_flux.size, improvement, 1 - improvement, hallucination, labels)


def _features(detail, other, limit, size):
    """Patches of ``detail`` numbered from 1, and of each its flux and the share of it that ``other`` has."""
    signs = np.where(np.abs(detail) > limit, np.sign(detail), 0).astype(np.int8)
    patches = skimage.measure.label(signs, connectivity=2)
    kept = np.bincount(patches.ravel()) >= size
    kept[0] = False
    patches = np.where(kept, np.cumsum(kept), 0)[patches]
    numbers = np.arange(1, kept.sum() + 1)
    total = scipy.ndimage.sum_labels(detail, patches, numbers)
    return patches, np.abs(total), scipy.ndimage.sum_labels(other, patches, numbers) / total


def _floor(noise, floor):
    if not (isinstance(noise, u.Quantity) and noise.isscalar and noise.unit.is_equivalent(u.G) and noise > 0):
        msg = f"noise must be a positive scalar Quantity in G, got {noise!r}."
        raise ValueError(msg)
    if not floor > 0:
        msg = f"floor must be positive, got {floor!r}."
        raise ValueError(msg)
    return noise.to_value(u.G) * floor


def _pixels(min_size, field):
    message = f"min_size must be a positive number of pixels or Quantity in arcsec2, got {min_size!r}."
    if isinstance(min_size, u.Quantity):
        if not min_size.unit.is_equivalent(u.arcsec**2):
            raise ValueError(message)
        width, height = field.arcsec
        min_size = min_size.to_value(u.arcsec**2) / (width * height)
    if not min_size > 0:
        raise ValueError(message)
    return min_size
