"""Flux elements, and small features of two fields compared."""

from __future__ import annotations

import dataclasses

import astropy.units as u
import numpy as np
import scipy.ndimage
import scipy.sparse
import skimage.measure
from skimage.measure import label
from skimage.morphology import h_maxima
from skimage.segmentation import watershed

from sunpy_magsr._options import read_option
from sunpy_magsr.maps.field import Field, FieldLike, pixel_areas, read_field, read_pair

THRESHOLD = 50 * u.G
PROMINENCE = 50 * u.G
MIN_AREA = 0.5 * u.Mm**2
_EIGHT = np.ones((3, 3))


def element_labels(
    field: FieldLike,
    *,
    threshold: u.Quantity = THRESHOLD,
    prominence: u.Quantity = PROMINENCE,
    min_area: u.Quantity = MIN_AREA,
    plate_scale: u.Quantity | None = None,
) -> np.ndarray:
    r"""
    Divide a field into its flux elements and number them.

    Pixels at or below the threshold are cut off. What remains of each polarity is divided by a watershed of
    :math:`-|B|` (8 neighbors), so that an element is a peak and all that lies downhill from it. This is the "downhill"
    method of magnetic tracking (DeForest et al. 2007, :doi:`10.1086/518994`). Two peaks are two elements if the field
    between them falls by at least the prominence below the lower peak.

    Parameters
    ----------
    field : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic field ``[y, x]``; a plain array is in Gauss.
    threshold : `~astropy.units.Quantity`
        Pixels with :math:`|B|` at or below it belong to no element. Defaults to 50 G, five times the noise of HMI's 45 s
        magnetograms.
    prominence : `~astropy.units.Quantity`
        How far the field must rise to a peak from the valley that separates it from a higher one. A patch in which
        :math:`|B|` never reaches this value is no element. Defaults to 50 G.
    min_area : `~astropy.units.Quantity`
        Area on the solar surface of the smallest element. Defaults to 0.5 Mm^2, four pixels of HMI at disk center.
    plate_scale : `~astropy.units.Quantity`, optional
        Size of the pixels of a plain array: one number, or ``(x, y)``, in arcsec/pix, or in deg/pix for a heliographic
        (CEA) grid. A Map knows its own.
        An array counts as lying at disk center, 1 AU away.

    Returns
    -------
    `numpy.ndarray`
        The number of the element in which each pixel lies, int32 ``[y, x]``, and 0 where there is none. Elements of
        positive polarity have the first numbers. Where :math:`\mu < 0.1` there are no elements.

    Raises
    ------
    ValueError
        If the field cannot be read, an array comes without a plate scale or an option has another unit.

    Examples
    --------
    Two peaks that touch, and one of the other polarity:

    >>> import astropy.units as u
    >>> from sunpy_magsr.metrics import element_labels
    >>> element_labels([[90.0, 300.0, 80.0, 200.0, -300.0, 9.0]], plate_scale=2 * u.arcsec / u.pix)
    array([[1, 1, 1, 2, 3, 0]], dtype=int32)
    """
    measured = read_field(field, plate_scale=plate_scale)
    area = np.nan_to_num(pixel_areas(measured).surface_area)
    return segment(np.nan_to_num(measured.data), area, *read_limits(threshold, prominence, min_area))


def read_limits(threshold: u.Quantity, prominence: u.Quantity, min_area: u.Quantity) -> tuple[float, float, float]:
    """Check the options of `element_labels` and give them as numbers."""
    return (
        read_option(threshold, u.G, "threshold"),
        read_option(prominence, u.G, "prominence", zero=False),
        read_option(min_area, u.cm**2, "min_area"),
    )


def segment(data: np.ndarray, area: np.ndarray, threshold: float, prominence: float, min_area: float) -> np.ndarray:
    """Divide a field into flux elements as `element_labels` does, from plain numbers."""
    result, n_before = np.zeros(data.shape, np.int32), 0
    for polarity in (1, -1):
        strength = polarity * data
        inside = (strength > threshold) & (area > 0)
        if not inside.any():
            continue
        strength = np.where(inside, strength, 0)
        peaks = label(h_maxima(strength, prominence, footprint=_EIGHT), connectivity=2)
        elements = watershed(-strength, peaks, mask=inside, connectivity=2)
        is_kept = np.bincount(elements.ravel(), weights=area.ravel()) >= min_area
        is_kept[0] = False
        numbers = np.where(is_kept, np.cumsum(is_kept) + n_before, 0).astype(np.int32)
        result += numbers[elements]
        n_before += int(is_kept.sum())
    return result


def match_elements(
    labels: np.ndarray, field: np.ndarray, other_labels: np.ndarray, other: np.ndarray, *, share: float = 1 / 3
) -> np.ndarray:
    r"""
    Say which flux elements of a field are in another field as well.

    The overlap of two elements is the flux that both have, :math:`\sum \min(|B_1|, |B_2|)` over the pixels where their
    polarity is the same. They match if each of them overlaps most with the other one (the dual-maximum-overlap
    criterion of DeForest et al. 2007, :doi:`10.1086/518994`) and if the overlap is at least a share of the flux
    :math:`\sum |B|` of the stronger one. So an element with less than a third of the strength, or one that lies its
    own size away, does not match.
    """
    sizes = labels.max() + 1, other_labels.max() + 1
    if min(sizes) == 1:
        return np.zeros(sizes[0] - 1, dtype=bool)
    both = (labels > 0) & (other_labels > 0) & (field * other > 0)
    shared = np.minimum(np.abs(field[both]), np.abs(other[both]))
    overlap = scipy.sparse.coo_array((shared, (labels[both], other_labels[both])), shape=sizes).tocsr()
    partner, back = overlap.argmax(axis=1), overlap.argmax(axis=0)
    own = np.arange(sizes[0])
    flux, other_flux = (
        np.bincount(of.ravel(), weights=np.abs(values).ravel(), minlength=size)
        for of, values, size in ((labels, field, sizes[0]), (other_labels, other, sizes[1]))
    )
    strongest = overlap[own, partner]
    is_mutual = (strongest > 0) & (back[partner] == own)
    return (is_mutual & (strongest >= share * np.maximum(flux, other_flux[partner])))[1:]


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
    labels: np.ndarray = dataclasses.field(repr=False, compare=False)


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
    result : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic field that is compared with the truth, ``[y, x]``; a plain array is in Gauss.
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        True magnetic field on the same grid. A pixel that is missing in one of the two fields is left out of both.
    low : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        What was known: the low-resolution field, interpolated to the same grid.
    noise : `~astropy.units.Quantity`
        Standard deviation :math:`\sigma` of the noise of the truth in Gauss.
    floor : `float`
        The factor k. With the default, 5, a pixel of white noise is above it once in 1.7 million.
    min_size : `int` or `~astropy.units.Quantity`
        Size of the smallest feature, as a number of pixels or as an area on the sky in arcsec². Defaults to 4 pixels.
    plate_scale : `~astropy.units.Quantity`, optional
        Size of the pixels of a plain array: one number, or ``(x, y)``, in arcsec/pix, or in deg/pix for a heliographic
        (CEA) grid. A Map knows its own.

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
    >>> from sunpy_magsr.metrics.elements import feature_split
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
    if not floor > 0:
        msg = f"floor must be positive, got {floor!r}."
        raise ValueError(msg)
    limit = floor * read_option(noise, u.G, "noise", zero=False)
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
    detail: np.ndarray, other: np.ndarray, limit: float, size: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Patches of ``detail`` numbered from 1, and of each its flux and the share of it that ``other`` has."""
    signs = np.where(np.abs(detail) > limit, np.sign(detail), 0).astype(np.int8)
    patches = skimage.measure.label(signs, connectivity=2)
    kept = np.bincount(patches.ravel()) >= size
    kept[0] = False
    patches = np.where(kept, np.cumsum(kept), 0)[patches]
    numbers = np.arange(1, kept.sum() + 1)
    total = scipy.ndimage.sum_labels(detail, patches, numbers)
    return patches, np.abs(total), scipy.ndimage.sum_labels(other, patches, numbers) / total


def _pixels(min_size: float | u.Quantity, field: Field) -> float:
    if isinstance(min_size, u.Quantity):
        area = read_option(min_size, u.arcsec**2, "min_size", zero=False)
        width, height = field.arcsec
        return area / (width * height)
    if not min_size > 0:
        msg = f"min_size must be a positive number of pixels or Quantity in arcsec2, got {min_size!r}."
        raise ValueError(msg)
    return min_size
