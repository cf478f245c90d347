"""The image that an instrument makes of a field: point-spread function, gain, sampling, noise."""

from __future__ import annotations

import math

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.stats import gaussian_fwhm_to_sigma
from scipy.special import ndtr

from sunpy_magsr.maps.grid import FACTOR

#: Full width at half maximum of the Gaussian that turns HMI's magnetograms into MDI's, before they are averaged over MDI's
#: pixels. This value is expected of a frame of which nothing else is known, not even whether it is native. Spectra of strong field in three frames from
#: JSOC correspond to 1 to 1.8 arcsec (``docs/dev_guide/decisions/mdi.rst``). The true pairs of ``docs/validation.rst``,
#: which their publishers interpolated, have 3.2 to 3.4 arcsec (`measure_response`), and another comparison pixel by pixel
#: used 3.32 arcsec (:doi:`10.1051/0004-6361/202450102`, Table 2).
MDI_PSF_FWHM = 2.2 * u.arcsec
#: Standard deviation of `MDI_PSF_FWHM` from frame to frame.
MDI_PSF_FWHM_SPREAD = 0.8 * u.arcsec

_REACH = 5.0  # standard deviations


def sampling_kernel(fwhm: float, *, factor: int = FACTOR, offset: float = 0.0, reach: int | None = None) -> np.ndarray:
    r"""
    Compute the weights with which high-resolution pixels along one axis contribute to one low-resolution pixel.

    Each weight is the integral of the product of a Gaussian point-spread function, a low-resolution pixel and a
    high-resolution pixel. Without blur and offset, each of the ``factor`` pixels has the weight ``1 / factor``.
    """
    sigma = fwhm * gaussian_fwhm_to_sigma
    if reach is None:
        reach = math.ceil(_REACH * sigma + abs(offset))
    place = np.arange(-reach, factor + reach) - (factor - 1) / 2 - offset
    half = factor / 2
    edges = [_ramp(place + shift, sigma) for shift in (half + 0.5, half - 0.5, 0.5 - half, -half - 0.5)]
    weights = edges[0] - edges[1] - edges[2] + edges[3]
    return weights / weights.sum()


def _ramp(x, sigma):
    """Second integral of a Gaussian."""
    if sigma == 0:
        return np.maximum(x, 0)
    t = x / sigma
    return sigma * (t * ndtr(t) + np.exp(-(t**2) / 2) / math.sqrt(2 * math.pi))


def degrade(
    field: npt.NDArray,
    *,
    factor: int = FACTOR,
    psf_fwhm: float = 0.0,
    offset: tuple[float, float] = (0.0, 0.0),
    gain: float | npt.NDArray = 1.0,
    noise: float | npt.NDArray = 0.0,
    seed: int | None = None,
) -> npt.NDArray:
    r"""
    Make the low-resolution image of a field.

    The image is :math:`d = \langle P * (g B) \rangle + n`: the field :math:`B` times a gain :math:`g`, convolved with a
    Gaussian point-spread function :math:`P`, averaged over blocks of ``factor x factor`` pixels, plus white noise
    :math:`n`. With the defaults it is the mean over blocks alone. In this way Ramunno et al. 2025
    (:doi:`10.1051/0004-6361/202453205`) make their "MDI-equivalent" input from HMI.

    Parameters
    ----------
    field : `numpy.ndarray`
        Field in Gauss ``[..., y, x]``. The numbers of rows and columns must be multiples of ``factor``. A NaN makes all
        pixels of the image NaN to which it contributes.
    factor : `int`
        Number of pixels of the field along one pixel of the image. Defaults to 4.
    psf_fwhm : `float`
        Full width at half maximum of the point-spread function in pixels of the field. Defaults to 0, no blur.
    offset : `tuple` of `float`
        Shift of the grid of the image along y and x, in pixels of the field. Defaults to no shift.
    gain : `float` or `numpy.ndarray`
        What the instrument reads for 1 G: one number, or one for each pixel of the field. Defaults to 1.
        `~sunpy_magsr.instrument.MDI_GAIN` is that of MDI.
    noise : `float` or `numpy.ndarray`
        Standard deviation of the noise in Gauss: one number, or one for each pixel of the image. Defaults to 0.
    seed : `int`, optional
        Seed of the noise. It must be given if ``noise`` is not 0.

    Returns
    -------
    `numpy.ndarray`
        Image in Gauss ``[..., y / factor, x / factor]``, of the data type of the field.

    Raises
    ------
    ValueError
        If the shape is no multiple of ``factor``, or ``noise`` is given without ``seed``.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.instrument import degrade
    >>> degrade(np.full((8, 8), 100.0), gain=1.4)
    array([[140., 140.],
           [140., 140.]])
    """
    rows, columns = field.shape[-2:]
    if rows % factor or columns % factor:
        msg = f"field must have rows and columns that are multiples of factor = {factor}, got shape {field.shape}."
        raise ValueError(msg)
    if np.any(noise) and seed is None:
        msg = "seed must be given when noise is not 0."
        raise ValueError(msg)
    low = gain * field
    for axis, shift in zip((-2, -1), offset, strict=True):
        kernel = sampling_kernel(psf_fwhm, factor=factor, offset=shift)
        low = _sample(low, kernel.astype(field.dtype), axis, factor)
    if np.any(noise):
        low = low + noise * np.random.default_rng(seed).standard_normal(low.shape)
    return low.astype(field.dtype)


def _sample(field, kernel, axis, factor):
    """Weighted sums along one axis, once for every ``factor`` pixels; edge values are continued."""
    reach = (len(kernel) - factor) // 2
    around = [(0, 0)] * field.ndim
    around[axis] = (reach, reach)
    padded = np.moveaxis(np.pad(field, around, mode="edge") if reach else field, axis, -1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis=-1)[..., ::factor, :]
    return np.moveaxis(windows @ kernel, -1, axis)
