"""The one degradation operator: point-spread function, gain, sampling, noise."""

import numpy as np
import scipy.ndimage

__all__ = ["degrade"]

_FWHM_TO_SIGMA = 1 / np.sqrt(8 * np.log(2))


def degrade(field, *, factor=4, psf_fwhm=0.0, gain=1.0, noise=0.0, seed=None):
    r"""
    Low-resolution image of a field.

    :math:`d = g \langle P * B \rangle + n`: convolution with a Gaussian point-spread function, mean over blocks of
    ``factor x factor`` pixels, gain, and white noise. With the defaults it is the block mean alone, which is how
    Ramunno et al. 2025 (:doi:`10.1051/0004-6361/202453205`) make their "MDI-equivalent" input from HMI.

    Parameters
    ----------
    field : `numpy.ndarray`
        Gauss ``[..., y, x]``; rows and columns must be multiples of ``factor``. A block with a NaN is NaN.
    factor : `int`
        Pixels along one output pixel.
    psf_fwhm : `float`
        Full width at half maximum of the point-spread function in ``field``'s pixels; 0 for none.
    gain : `float`
        What the instrument reads for 1 G. Liu et al. 2012 (:doi:`10.1007/s11207-012-9976-x`) find MDI = 1.40 HMI.
    noise : `float`
        Standard deviation of the noise in Gauss.
    seed : `int`, optional
        Of the noise; needed if ``noise`` is not 0.

    Returns
    -------
    `numpy.ndarray`
        ``[..., y / factor, x / factor]``.

    Raises
    ------
    ValueError
        If the shape is not a multiple of the factor, or noise is asked for without a seed.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.forward_model import degrade
    >>> degrade(np.full((8, 8), 100.0), gain=1.4)
    array([[140., 140.],
           [140., 140.]])
    """
    rows, columns = field.shape[-2:]
    if rows % factor or columns % factor:
        msg = f"field must have rows and columns that are multiples of factor = {factor}, got shape {field.shape}."
        raise ValueError(msg)
    if noise and seed is None:
        msg = "seed must be given when noise is not 0."
        raise ValueError(msg)
    if psf_fwhm:
        sigma = [0.0] * (field.ndim - 2) + [psf_fwhm * _FWHM_TO_SIGMA] * 2
        field = scipy.ndimage.gaussian_filter(field, sigma, mode="nearest")
    blocks = field.reshape(*field.shape[:-2], rows // factor, factor, columns // factor, factor)
    low = gain * blocks.mean(axis=(-3, -1))
    if noise:
        low = low + noise * np.random.default_rng(seed).standard_normal(low.shape)
    return low.astype(field.dtype)
