"""How the pixels of active regions are found in a field that has been read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
import scipy.ndimage
import skimage.measure
from astropy.stats import gaussian_fwhm_to_sigma

from sunpy_magsr._fields import FIELD, PAIR
from sunpy_magsr.metrics.geometry import AREA_PLATE_SCALE
from sunpy_magsr.metrics.options import read_option

if TYPE_CHECKING:
    import numpy.typing as npt

    from sunpy_magsr.metrics.geometry import PixelGeometry
    from sunpy_magsr.prep.field import Field

__all__ = ["MASK_TEXTS", "MIN_AREA", "SMOOTHING", "THRESHOLD", "area_of_mask", "mask_of", "smoothed"]

THRESHOLD = 100 * u.G
SMOOTHING = 4 * u.arcsec
MIN_AREA = 10 * u.Mm**2

#: What docstrings say of the parameters of functions that need the mask of active regions.
MASK_TEXTS = {
    "field": FIELD,
    "pair": PAIR,
    "mask_options": r"""threshold : `~astropy.units.Quantity`
    Pixels belong to an active region where the smoothed :math:`|B|` is above it. Defaults to 100 G.
smoothing : `~astropy.units.Quantity`
    Full width at half maximum, as an angle, of the Gaussian that smooths :math:`|B|`; 0 for none. Defaults to
    4 arcsec.
min_area : `~astropy.units.Quantity`
    Area on the solar surface of the smallest patch that is kept. Defaults to 10 Mm^2.
""",
    "plate_scale": AREA_PLATE_SCALE,
}


def mask_of(
    field: Field, geometry: PixelGeometry, threshold: u.Quantity, smoothing: u.Quantity, min_area: u.Quantity
) -> npt.NDArray[np.bool_]:
    """
    Find the pixels of active regions in a field that has been read; see `~sunpy_magsr.metrics.active_region_mask`.

    Parameters
    ----------
    field : `~sunpy_magsr.prep.field.Field`
        A field with a plate scale.
    geometry : `~sunpy_magsr.metrics.geometry.PixelGeometry`
        The areas of its pixels.
    threshold, smoothing, min_area : `~astropy.units.Quantity`
        As for `~sunpy_magsr.metrics.active_region_mask`.

    Returns
    -------
    `numpy.ndarray`
        Whether each pixel belongs to an active region, bool ``[y, x]``.

    Raises
    ------
    ValueError
        If an option has another unit or is negative.
    """
    least = read_option(min_area, u.cm**2, "min_area")
    strength = smoothed(np.abs(field.data), field, smoothing)
    area = np.nan_to_num(geometry.surface_area)
    mask = (strength > read_option(threshold, u.G, "threshold")) & (area > 0)
    patches = skimage.measure.label(mask, connectivity=2)
    return mask & (np.bincount(patches.ravel(), weights=area.ravel())[patches] >= least)


def area_of_mask(mask: npt.NDArray[np.bool_], geometry: PixelGeometry) -> u.Quantity:
    """
    Surface area of the pixels of a mask.

    Parameters
    ----------
    mask : `numpy.ndarray`
        Whether each pixel counts, bool ``[y, x]``.
    geometry : `~sunpy_magsr.metrics.geometry.PixelGeometry`
        The areas of the pixels.

    Returns
    -------
    `~astropy.units.Quantity`
        The area in Mm^2.
    """
    return (geometry.surface_area[mask].sum() * u.cm**2).to(u.Mm**2)


def smoothed(values: npt.NDArray[np.float64], field: Field, smoothing: u.Quantity) -> npt.NDArray[np.float64]:
    """
    Smooth values on the grid of a field with a Gaussian that leaves out missing pixels.

    Parameters
    ----------
    values : `numpy.ndarray`
        What to smooth, ``[y, x]``.
    field : `~sunpy_magsr.prep.field.Field`
        The field, which says which pixels are measured and how large they are.
    smoothing : `~astropy.units.Quantity`
        Full width at half maximum of the Gaussian, as an angle.

    Returns
    -------
    `numpy.ndarray`
        The smoothed values ``[y, x]``, NaN where the field is not measured.

    Raises
    ------
    ValueError
        If ``smoothing`` is negative or no angle.
    """
    width = read_option(smoothing, u.arcsec, "smoothing") * gaussian_fwhm_to_sigma
    sigma = [width / scale for scale in reversed(field.arcsec)]
    total, weight = (
        scipy.ndimage.gaussian_filter(part, sigma, mode="constant")
        for part in (np.nan_to_num(values), field.valid.astype(float))
    )
    return np.divide(total, weight, out=np.full(values.shape, np.nan), where=field.valid)
