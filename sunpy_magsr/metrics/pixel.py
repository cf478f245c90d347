"""Differences of two fields, pixel by pixel, and speckle."""

from __future__ import annotations

import dataclasses

import astropy.units as u
import numpy as np
import numpy.typing as npt
import scipy.ndimage
import scipy.stats
import skimage.metrics
from astropy.stats import mad_std

from sunpy_magsr._options import read_option
from sunpy_magsr.maps.field import FieldLike, read_pair

_WINDOW = 7
_DATA_RANGE = 6000 * u.G


def psnr(result: FieldLike, truth: FieldLike, *, data_range: u.Quantity = _DATA_RANGE) -> float:
    r"""
    Peak signal-to-noise ratio of a result.

    For a result :math:`B` and the truth :math:`B_0` it is :math:`10 \log_{10} (R^2 / \langle (B - B_0)^2 \rangle)` dB
    with the data range :math:`R`. Nearly all pixels of a magnetogram are quiet Sun, so they decide the number, and
    smooth results score best.

    Parameters
    ----------
    result : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic field that is compared with the truth, ``[y, x]``; a plain array is in Gauss.
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        True magnetic field on the same grid. A pixel that is missing in one of the two fields is left out of both.
    data_range : `~astropy.units.Quantity`
        Range :math:`R` of the field in the formula. Defaults to 6000 G, from -3000 to 3000 G.

    Returns
    -------
    `float`
        The ratio in dB. It is infinite for identical fields.

    Raises
    ------
    ValueError
        If the fields cannot be compared (see `rmse`) or ``data_range`` is not a positive field.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.metrics import psnr
    >>> truth = np.zeros((8, 8))
    >>> psnr(truth + 60, truth)
    40.0
    """
    span = read_option(data_range, u.G, "data_range", zero=False)
    first, second = read_pair(result, truth)
    with np.errstate(divide="ignore"):
        value = skimage.metrics.peak_signal_noise_ratio(
            second.data[second.valid], first.data[second.valid], data_range=span
        )
    return float(value)


def ssim(result: FieldLike, truth: FieldLike, *, data_range: u.Quantity = _DATA_RANGE) -> float:
    r"""
    Structural similarity of two fields (Wang et al. 2004, :doi:`10.1109/TIP.2003.819861`).

    In each window of 7 x 7 pixels it is :math:`\frac{(2 \mu \mu_0 + c_1)(2 \sigma_{B B_0} + c_2)}{(\mu^2 + \mu_0^2 +
    c_1) (\sigma^2 + \sigma_0^2 + c_2)}` with :math:`c_1 = (0.01 R)^2` and :math:`c_2 = (0.03 R)^2`. The mean is taken
    over the windows that are fully measured. Where nothing is missing, this is
    `skimage.metrics.structural_similarity`. With a range of 6000 G the constants are 60 and 180 G squared, so that
    the quiet Sun scores near 1 whatever its structure.

    Parameters
    ----------
    result : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic field that is compared with the truth, ``[y, x]``; a plain array is in Gauss.
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        True magnetic field on the same grid. A pixel that is missing in one of the two fields is left out of both.
    data_range : `~astropy.units.Quantity`
        Range :math:`R` of the field in the formula. Defaults to 6000 G, from -3000 to 3000 G.

    Returns
    -------
    `float`
        The similarity, from -1 to 1. It is 1 for identical fields.

    Raises
    ------
    ValueError
        If the fields cannot be compared (see `rmse`), no window of 7 x 7 pixels is fully measured or ``data_range`` is
        not a positive field.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.metrics import ssim
    >>> truth = np.outer(np.arange(16.0), np.ones(16)) * 100
    >>> ssim(truth, truth)
    1.0
    """
    span = read_option(data_range, u.G, "data_range", zero=False)
    first, second = read_pair(result, truth)
    complete = scipy.ndimage.binary_erosion(second.valid, np.ones((_WINDOW, _WINDOW)))
    if not complete.any():
        msg = f"result and truth must share a fully measured window of {_WINDOW} x {_WINDOW} pixels, got none."
        raise ValueError(msg)
    filled = [np.nan_to_num(field.data) for field in (first, second)]
    _, values = skimage.metrics.structural_similarity(*filled, win_size=_WINDOW, data_range=span, full=True)
    return float(values[complete].mean())


def rmse(result: FieldLike, truth: FieldLike) -> u.Quantity:
    r"""
    Root mean square error of a result, :math:`\langle (B - B_0)^2 \rangle^{1/2}`.

    Parameters
    ----------
    result : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic field that is compared with the truth, ``[y, x]``; a plain array is in Gauss.
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        True magnetic field on the same grid. A pixel that is missing in one of the two fields is left out of both.

    Returns
    -------
    `~astropy.units.Quantity`
        The root mean square of the difference, in Gauss.

    Raises
    ------
    ValueError
        If a field cannot be read, the shapes differ or no pixel is measured in both fields.

    Examples
    --------
    >>> from sunpy_magsr.metrics import rmse
    >>> rmse([[3.0, 4.0]], [[0.0, 0.0]])
    <Quantity 3.53553391 G>
    """
    return np.sqrt(np.mean(_difference(result, truth) ** 2)) * u.G


def mae(result: FieldLike, truth: FieldLike) -> u.Quantity:
    r"""
    Mean absolute error of a result, :math:`\langle |B - B_0| \rangle`.

    Parameters
    ----------
    result : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic field that is compared with the truth, ``[y, x]``; a plain array is in Gauss.
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        True magnetic field on the same grid. A pixel that is missing in one of the two fields is left out of both.

    Returns
    -------
    `~astropy.units.Quantity`
        The mean absolute difference, in Gauss.

    Raises
    ------
    ValueError
        If a field cannot be read, the shapes differ or no pixel is measured in both fields.

    Examples
    --------
    >>> from sunpy_magsr.metrics import mae
    >>> mae([[3.0, -4.0]], [[0.0, 0.0]])
    <Quantity 3.5 G>
    """
    return np.mean(np.abs(_difference(result, truth))) * u.G


def bias(result: FieldLike, truth: FieldLike) -> u.Quantity:
    r"""
    Mean error of a result, :math:`\langle B - B_0 \rangle`.

    The sign is that of the field. Where both polarities have the same flux, a field that is too strong by a factor
    has no bias.

    Parameters
    ----------
    result : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic field that is compared with the truth, ``[y, x]``; a plain array is in Gauss.
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        True magnetic field on the same grid. A pixel that is missing in one of the two fields is left out of both.

    Returns
    -------
    `~astropy.units.Quantity`
        The mean difference with its sign, in Gauss.

    Raises
    ------
    ValueError
        If a field cannot be read, the shapes differ or no pixel is measured in both fields.

    Examples
    --------
    Errors of opposite sign cancel in part:

    >>> from sunpy_magsr.metrics import bias
    >>> bias([[3.0, -4.0]], [[0.0, 0.0]])
    <Quantity -0.5 G>
    """
    return np.mean(_difference(result, truth)) * u.G


def pearson(result: FieldLike, truth: FieldLike) -> float:
    r"""
    Pearson's correlation coefficient of two fields.

    It is :math:`\langle (B - \bar B)(B_0 - \bar B_0) \rangle / (\sigma \sigma_0)` and does not change when one field is
    multiplied by a positive factor or has a constant added.

    Parameters
    ----------
    result : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic field that is compared with the truth, ``[y, x]``; a plain array is in Gauss.
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        True magnetic field on the same grid. A pixel that is missing in one of the two fields is left out of both.

    Returns
    -------
    `float`
        The coefficient, from -1 to 1.

    Raises
    ------
    ValueError
        If the fields cannot be compared (see `rmse`) or one of them is constant.

    Examples
    --------
    >>> from sunpy_magsr.metrics import pearson
    >>> pearson([[1.0, 2.0, 3.0]], [[14.0, 28.0, 42.0]])
    1.0
    """
    first, second = read_pair(result, truth)
    for name, field in (("result", first), ("truth", second)):
        if np.nanmin(field.data) == np.nanmax(field.data):
            msg = f"{name} must have pixels that differ, got {np.nanmin(field.data):g} G everywhere."
            raise ValueError(msg)
    return float(scipy.stats.pearsonr(first.data[second.valid], second.data[second.valid]).statistic)


def _difference(result: FieldLike, truth: FieldLike) -> np.ndarray:
    first, second = read_pair(result, truth)
    return (first.data - second.data)[second.valid]


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


def asinh_view(field: npt.ArrayLike) -> np.ndarray:
    r"""Compress a field as :math:`5\,\mathrm{G}\,\mathrm{asinh}(B / 5\,\mathrm{G})`, so that weak structure shows too."""
    return _SCALE * np.arcsinh(np.asarray(field) / _SCALE)


def speckle(result: FieldLike, truth: FieldLike, known: npt.ArrayLike) -> Speckle:
    """
    Compare the texture of a result's weak field, from pixel to pixel, with that of the truth.

    Parameters
    ----------
    result : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic field that is compared with the truth, ``[y, x]``; a plain array is in Gauss.
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        True magnetic field on the same grid. A pixel that is missing in one of the two fields is left out of both.
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
    >>> from sunpy_magsr.metrics.pixel import speckle
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
