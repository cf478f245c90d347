"""Flux elements: the patches of one polarity that a field consists of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
import scipy.sparse
from skimage.measure import label
from skimage.morphology import h_maxima
from skimage.segmentation import watershed

from sunpy_magsr._fields import FIELD, described_with
from sunpy_magsr.metrics.geometry import AREA_PLATE_SCALE, pixel_areas
from sunpy_magsr.metrics.options import read_option
from sunpy_magsr.prep.field import read_field

if TYPE_CHECKING:
    import numpy.typing as npt

    from sunpy_magsr._fields import FieldLike

__all__ = ["MIN_AREA", "PROMINENCE", "THRESHOLD", "element_labels", "matched", "read_limits", "segmented"]

THRESHOLD = 50 * u.G
PROMINENCE = 50 * u.G
MIN_AREA = 0.5 * u.Mm**2
_EIGHT = np.ones((3, 3))


@described_with(field=FIELD, plate_scale=AREA_PLATE_SCALE)
def element_labels(
    field: FieldLike,
    *,
    threshold: u.Quantity = THRESHOLD,
    prominence: u.Quantity = PROMINENCE,
    min_area: u.Quantity = MIN_AREA,
    plate_scale: u.Quantity | None = None,
) -> npt.NDArray[np.int32]:
    r"""
    Divide a field into its flux elements and number them.

    Pixels at or below the threshold are cut off. What remains of each polarity is divided by a watershed of
    :math:`-|B|` (8 neighbors), so that an element is a peak and all that lies downhill from it. This is the "downhill"
    method of magnetic tracking (DeForest et al. 2007, :doi:`10.1086/518994`). Two peaks are two elements if the field
    between them falls by at least the prominence below the lower peak.

    Parameters
    ----------
    {field}
    threshold : `~astropy.units.Quantity`
        Pixels with :math:`|B|` at or below it belong to no element. Defaults to 50 G, five times the noise of HMI's 45 s
        magnetograms.
    prominence : `~astropy.units.Quantity`
        How far the field must rise to a peak from the valley that separates it from a higher one. A patch in which
        :math:`|B|` never reaches this value is no element. Defaults to 50 G.
    min_area : `~astropy.units.Quantity`
        Area on the solar surface of the smallest element. Defaults to 0.5 Mm^2, four pixels of HMI at disk center.
    {plate_scale}

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
    return segmented(np.nan_to_num(measured.data), area, *read_limits(threshold, prominence, min_area))


def read_limits(threshold: u.Quantity, prominence: u.Quantity, min_area: u.Quantity) -> tuple[float, float, float]:
    """
    Check the options of `element_labels` and give them as numbers.

    Parameters
    ----------
    threshold, prominence, min_area : `~astropy.units.Quantity`
        As for `element_labels`.

    Returns
    -------
    threshold : `float`
        The threshold in Gauss.
    prominence : `float`
        The prominence in Gauss.
    min_area : `float`
        The area in cm^2.

    Raises
    ------
    ValueError
        If one of them has another unit, or is too small.
    """
    return (
        read_option(threshold, u.G, "threshold"),
        read_option(prominence, u.G, "prominence", zero=False),
        read_option(min_area, u.cm**2, "min_area"),
    )


def segmented(
    data: npt.NDArray[np.floating],
    area: npt.NDArray[np.floating],
    threshold: float,
    prominence: float,
    min_area: float,
) -> npt.NDArray[np.int32]:
    """
    Divide a field into flux elements as `element_labels` does, from plain numbers.

    Parameters
    ----------
    data : `numpy.ndarray`
        Magnetic field in Gauss ``[y, x]``, 0 where it is not measured.
    area : `numpy.ndarray`
        Area of the pixels on the solar surface in cm^2 ``[y, x]``, 0 where no element may lie.
    threshold, prominence, min_area : `float`
        The options as `read_limits` gives them.

    Returns
    -------
    `numpy.ndarray`
        The number of the element in which each pixel lies, int32 ``[y, x]``; 0 where there is none.
    """
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


def matched(
    labels: npt.NDArray[np.integer],
    field: npt.NDArray[np.floating],
    other_labels: npt.NDArray[np.integer],
    other: npt.NDArray[np.floating],
    *,
    share: float = 1 / 3,
) -> npt.NDArray[np.bool_]:
    r"""
    Say which flux elements of a field are in another field as well.

    The overlap of two elements is the flux that both have, :math:`\sum \min(|B_1|, |B_2|)` over the pixels where their
    polarity is the same. They match if each of them overlaps most with the other one (the dual-maximum-overlap
    criterion of DeForest et al. 2007, :doi:`10.1086/518994`) and if the overlap is at least a share of the flux
    :math:`\sum |B|` of the stronger one. So an element with less than a third of the strength, or one that lies its
    own size away, does not match.

    Parameters
    ----------
    labels : `numpy.ndarray`
        The elements of the field ``[y, x]``, from `element_labels` or `segmented`.
    field : `numpy.ndarray`
        The field ``[y, x]``, 0 where it is not measured.
    other_labels : `numpy.ndarray`
        The elements of the other field, on the same grid.
    other : `numpy.ndarray`
        The other field, in the same unit.
    share : `float`
        The least share, from 0 to 1. Defaults to a third.

    Returns
    -------
    `numpy.ndarray`
        Whether each element of ``labels`` has a match, bool ``[element]``.
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
