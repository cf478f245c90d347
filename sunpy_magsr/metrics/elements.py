"""Flux elements: the patches of one polarity that a field consists of."""

import astropy.units as u
import numpy as np
import scipy.sparse
from skimage.measure import label
from skimage.morphology import h_maxima
from skimage.segmentation import watershed

from sunpy_magsr.metrics.geometry import pixel_areas
from sunpy_magsr.metrics.options import read_option
from sunpy_magsr.prep.field import read_field

__all__ = ["MIN_AREA", "PROMINENCE", "THRESHOLD", "element_labels", "matched", "read_limits", "segmented"]

THRESHOLD = 50 * u.G
PROMINENCE = 50 * u.G
MIN_AREA = 0.5 * u.Mm**2
_EIGHT = np.ones((3, 3))


def element_labels(field, *, threshold=THRESHOLD, prominence=PROMINENCE, min_area=MIN_AREA, plate_scale=None):
    r"""
    Divide a field into its flux elements.

    Each polarity is cut off at the threshold and divided by a watershed of :math:`-|B|` (8 neighbors): an element is a
    peak and all that lies downhill from it. This is the "downhill" method of magnetic tracking (DeForest et al. 2007,
    :doi:`10.1086/518994`). Two peaks are two elements if the field between them falls by the prominence below the lower
    one.

    Parameters
    ----------
    field : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        ``[y, x]``; arrays in Gauss.
    threshold : `~astropy.units.Quantity`
        Pixels with :math:`|B|` at or below it belong to no element. Defaults to 50 G, five times the noise of HMI's 45 s
        magnetograms.
    prominence : `~astropy.units.Quantity`
        Of a peak. An element whose own peak is lower is none. Defaults to 50 G.
    min_area : `~astropy.units.Quantity`
        Smallest element, as an area of the solar surface. Defaults to 0.5 Mm^2, four pixels of HMI at disk center.
    plate_scale : `~astropy.units.Quantity`, optional
        Of an array, which counts as lying at disk center, 1 AU away.

    Returns
    -------
    `numpy.ndarray`
        int32 ``[y, x]``: 0 where there is no element, else its number. Those of positive polarity come first. Where
        :math:`\mu < 0.1` there are none.

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
    field = read_field(field, plate_scale=plate_scale)
    area = np.nan_to_num(pixel_areas(field).surface_area)
    return segmented(np.nan_to_num(field.data), area, *read_limits(threshold, prominence, min_area))


def read_limits(threshold, prominence, min_area):
    """The options of `element_labels` as numbers in Gauss, Gauss and cm^2."""
    return (
        read_option(threshold, u.G, "threshold"),
        read_option(prominence, u.G, "prominence", zero=False),
        read_option(min_area, u.cm**2, "min_area"),
    )


def segmented(data, area, threshold, prominence, min_area):
    """
    As `element_labels`, of plain numbers.

    Parameters
    ----------
    data : `numpy.ndarray`
        Gauss ``[y, x]``, 0 where not measured.
    area : `numpy.ndarray`
        Of the pixels on the surface, cm^2 ``[y, x]``.
    threshold, prominence, min_area : `float`
        As `read_limits` gives them.

    Returns
    -------
    `numpy.ndarray`
        int32 ``[y, x]``.
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


def matched(labels, field, other_labels, other, *, share=1 / 3):
    r"""
    Which flux elements of a field are in another field as well.

    The overlap of two elements is the flux that both have, :math:`\sum \min(|B_1|, |B_2|)` where their polarity is the
    same. Two are one and the same if each is the one that the other overlaps most with (the dual-maximum-overlap
    criterion of DeForest et al. 2007, :doi:`10.1086/518994`), and the overlap is at least a share of the stronger
    one's flux, :math:`\sum |B|`. So one of less than a third of the strength, or moved by its own size, is another.

    Parameters
    ----------
    labels, other_labels : `numpy.ndarray`
        From `element_labels` or `segmented`, ``[y, x]`` on one grid.
    field, other : `numpy.ndarray`
        The fields, ``[y, x]``, 0 where not measured.
    share : `float`
        0 to 1. Defaults to a third.

    Returns
    -------
    `numpy.ndarray`
        bool ``[elements]``, of those of ``labels``.
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
