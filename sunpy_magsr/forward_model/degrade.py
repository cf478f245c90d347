"""The one degradation operator: point-spread function, gain, sampling, noise."""

import numpy as np

from sunpy_magsr.forward_model.psf import sampling_kernel

__all__ = ["degrade"]


def degrade(field, *, factor=4, psf_fwhm=0.0, offset=(0.0, 0.0), gain=1.0, noise=0.0, seed=None):
    r"""
    Low-resolution image of a field.

    :math:`d = g \langle P * B \rangle + n`: convolution with a Gaussian point-spread function, mean over blocks of
    ``factor x factor`` pixels, gain, and white noise. With the defaults it is the block mean alone, which is how
    Ramunno et al. 2025 (:doi:`10.1051/0004-6361/202453205`) make their "MDI-equivalent" input from HMI.
    `sunpy_magsr.models.degradation.degrade` is the same on tensors.

    Parameters
    ----------
    field : `numpy.ndarray`
        Gauss ``[..., y, x]``; rows and columns must be multiples of ``factor``. A block with a NaN is NaN.
    factor : `int`
        Pixels along one output pixel.
    psf_fwhm : `float`
        Full width at half maximum of the point-spread function in ``field``'s pixels; 0 for none.
    offset : `tuple` of `float`
        Shift of the low-resolution grid along y and x in ``field``'s pixels.
    gain : `float` or `numpy.ndarray`
        What the instrument reads for 1 G, one number or one for each pixel of the field; see
        `sunpy_magsr.forward_model.MDI_GAIN`.
    noise : `float` or `numpy.ndarray`
        Standard deviation of the noise in Gauss, one number or one for each low-resolution pixel.
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
