"""Metrics that compare two fields pixel by pixel."""

import astropy.units as u
import numpy as np
import scipy.ndimage
import scipy.stats
import skimage.metrics

from sunpy_magsr.metrics.options import read_option
from sunpy_magsr.prep.field import read_pair

__all__ = ["bias", "mae", "pearson", "psnr", "rmse", "ssim"]

_WINDOW = 7
_DATA_RANGE = 6000 * u.G


def psnr(result, truth, *, data_range=_DATA_RANGE):
    r"""
    Peak signal-to-noise ratio.

    :math:`10 \log_{10} (R^2 / \langle (B - B_0)^2 \rangle)` dB with the data range :math:`R`. It follows the pixels of
    the quiet Sun, which are nearly all of them, and favors smooth fields.

    Parameters
    ----------
    result, truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Fields ``[y, x]`` on one grid; arrays in Gauss. Pixels not measured in both are left out.
    data_range : `~astropy.units.Quantity`
        :math:`R`. Defaults to 6000 G, from -3000 to 3000 G.

    Returns
    -------
    `float`
        In dB; infinite for identical fields.

    Raises
    ------
    ValueError
        If a field cannot be read, the shapes differ or ``data_range`` is not a positive field.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.metrics import psnr
    >>> truth = np.zeros((8, 8))
    >>> psnr(truth + 60, truth)
    40.0
    """
    span = read_option(data_range, u.G, "data_range", zero=False)
    result, truth = read_pair(result, truth)
    with np.errstate(divide="ignore"):
        value = skimage.metrics.peak_signal_noise_ratio(
            truth.data[truth.valid], result.data[truth.valid], data_range=span
        )
    return float(value)


def ssim(result, truth, *, data_range=_DATA_RANGE):
    r"""
    Structural similarity (Wang et al. 2004, :doi:`10.1109/TIP.2003.819861`).

    In windows of 7 x 7 pixels :math:`\frac{(2 \mu \mu_0 + c_1)(2 \sigma_{B B_0} + c_2)}{(\mu^2 + \mu_0^2 + c_1)
    (\sigma^2 + \sigma_0^2 + c_2)}`, :math:`c_1 = (0.01 R)^2`, :math:`c_2 = (0.03 R)^2`, averaged over the windows that
    are fully measured: `skimage.metrics.structural_similarity` where nothing is missing. With a range of 6000 G the
    constants are 60 and 180 G squared, so that the quiet Sun scores near 1 whatever its structure.

    Parameters
    ----------
    result, truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Fields ``[y, x]`` on one grid; arrays in Gauss.
    data_range : `~astropy.units.Quantity`
        :math:`R`. Defaults to 6000 G, from -3000 to 3000 G.

    Returns
    -------
    `float`
        -1 to 1; 1 for identical fields.

    Raises
    ------
    ValueError
        If a field cannot be read, the shapes differ, no 7 x 7 window is fully measured or ``data_range`` is not a
        positive field.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.metrics import ssim
    >>> truth = np.outer(np.arange(16.0), np.ones(16)) * 100
    >>> ssim(truth, truth)
    1.0
    """
    span = read_option(data_range, u.G, "data_range", zero=False)
    result, truth = read_pair(result, truth)
    complete = scipy.ndimage.binary_erosion(truth.valid, np.ones((_WINDOW, _WINDOW)))
    if not complete.any():
        msg = f"result and truth must share a fully measured window of {_WINDOW} x {_WINDOW} pixels, got none."
        raise ValueError(msg)
    filled = [np.nan_to_num(field.data) for field in (result, truth)]
    _, values = skimage.metrics.structural_similarity(*filled, win_size=_WINDOW, data_range=span, full=True)
    return float(values[complete].mean())


def rmse(result, truth):
    r"""
    Root mean square error, :math:`\langle (B - B_0)^2 \rangle^{1/2}`.

    Parameters
    ----------
    result, truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Fields ``[y, x]`` on one grid; arrays in Gauss. Pixels not measured in both are left out.

    Returns
    -------
    `~astropy.units.Quantity`
        In Gauss.

    Raises
    ------
    ValueError
        If a field cannot be read or the shapes differ.

    Examples
    --------
    >>> from sunpy_magsr.metrics import rmse
    >>> rmse([[3.0, 4.0]], [[0.0, 0.0]])
    <Quantity 3.53553391 G>
    """
    return np.sqrt(np.mean(_difference(result, truth) ** 2)) * u.G


def mae(result, truth):
    r"""
    Mean absolute error, :math:`\langle |B - B_0| \rangle`.

    Parameters
    ----------
    result, truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Fields ``[y, x]`` on one grid; arrays in Gauss. Pixels not measured in both are left out.

    Returns
    -------
    `~astropy.units.Quantity`
        In Gauss.

    Raises
    ------
    ValueError
        If a field cannot be read or the shapes differ.

    Examples
    --------
    >>> from sunpy_magsr.metrics import mae
    >>> mae([[3.0, -4.0]], [[0.0, 0.0]])
    <Quantity 3.5 G>
    """
    return np.mean(np.abs(_difference(result, truth))) * u.G


def bias(result, truth):
    r"""
    Mean error, :math:`\langle B - B_0 \rangle`.

    The sign is that of the field: a gain error cancels where the polarities are balanced and does not show here.

    Parameters
    ----------
    result, truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Fields ``[y, x]`` on one grid; arrays in Gauss. Pixels not measured in both are left out.

    Returns
    -------
    `~astropy.units.Quantity`
        In Gauss.

    Raises
    ------
    ValueError
        If a field cannot be read or the shapes differ.

    Examples
    --------
    >>> from sunpy_magsr.metrics import bias
    >>> bias([[3.0, -4.0]], [[0.0, 0.0]])
    <Quantity -0.5 G>
    """
    return np.mean(_difference(result, truth)) * u.G


def pearson(result, truth):
    r"""
    Correlation coefficient of Pearson.

    :math:`\langle (B - \bar B)(B_0 - \bar B_0) \rangle / (\sigma \sigma_0)`. It does not see a wrong gain or offset.

    Parameters
    ----------
    result, truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Fields ``[y, x]`` on one grid; arrays in Gauss. Pixels not measured in both are left out.

    Returns
    -------
    `float`
        -1 to 1.

    Raises
    ------
    ValueError
        If a field cannot be read, the shapes differ or a field is constant.

    Examples
    --------
    >>> from sunpy_magsr.metrics import pearson
    >>> pearson([[1.0, 2.0, 3.0]], [[14.0, 28.0, 42.0]])
    1.0
    """
    result, truth = read_pair(result, truth)
    for name, field in (("result", result), ("truth", truth)):
        if np.nanmin(field.data) == np.nanmax(field.data):
            msg = f"{name} must have pixels that differ, got {np.nanmin(field.data):g} G everywhere."
            raise ValueError(msg)
    return float(scipy.stats.pearsonr(result.data[truth.valid], truth.data[truth.valid]).statistic)


def _difference(result, truth):
    result, truth = read_pair(result, truth)
    return (result.data - truth.data)[truth.valid]
