"""Noise of the low-resolution instrument."""

import numpy as np
import scipy.ndimage

__all__ = ["MDI_NOISE", "MDI_RESPONSE_ERROR", "input_noise", "local_noise", "misfit_error"]

#: Noise of an MDI pixel in Gauss by exposure in seconds, where nothing better can be measured: medians over the disks
#: of 2011 and 1999 that were measured for `docs/dev_guide/decisions.rst`. Liu et al. 2012
#: (:doi:`10.1007/s11207-012-9976-x`) give 16.2 G for 5-minute and 26.4 G for 1-minute magnetograms as upper bounds.
MDI_NOISE = {300: 11.0, 30: 22.5}

#: By how much MDI's reading differs from what the forward model says of it besides the noise, as a share of the reading:
#: 7 % in the true pair of 2010, 10 and 11 % in those of 2011, whose MDI frames were turned by the nearest neighbor.
#: Measured with `sunpy_magsr.forward_model.measure_response`; see `docs/validation.rst`. The value is a little above that of the worst.
MDI_RESPONSE_ERROR = 0.12

_QUIET_FIELD = 80.0  # Gauss, of the mean over 3 x 3 pixels
_WINDOW = 10.0  # standard deviation of the Gaussian window, pixels
_REACH = 3.5  # standard deviations
_PRIOR = 60.0  # pixels' worth of the nominal noise
_GAIN = 6.0  # of the filter below for white noise
_MEAN_TO_SIGMA = np.sqrt(np.pi / 2)


def input_noise(magnetogram):
    """
    Noise of each pixel of an input.

    `local_noise`, with the nominal noise of its exposure (that of 300 s where the header does not say). In heliographic
    maps (SMARP) the nominal noise alone: their interpolation takes away the wavelengths at which noise is measured, but
    leaves it at others.

    Parameters
    ----------
    magnetogram : `~sunpy_magsr.prep.Magnetogram`
        The input.

    Returns
    -------
    `numpy.ndarray`
        float32 Gauss ``[y, x]``.
    """
    if magnetogram.noise is not None:
        return magnetogram.noise
    exposure = magnetogram.exposure or max(MDI_NOISE)
    nominal = MDI_NOISE[min(MDI_NOISE, key=lambda known: abs(known - exposure))]
    if magnetogram.is_cea:
        return np.full(magnetogram.data.shape, nominal, dtype=np.float32)
    return local_noise(magnetogram.data, magnetogram.valid, nominal)


def misfit_error(magnetogram):
    """
    By how much an input may differ from what the forward model makes of the true field.

    Parameters
    ----------
    magnetogram : `~sunpy_magsr.prep.Magnetogram`
        The input.

    Returns
    -------
    `numpy.ndarray`
        Standard deviation in Gauss ``[y, x]``, float32: `input_noise`, and for MDI `MDI_RESPONSE_ERROR` of the reading.
    """
    noise = input_noise(magnetogram)
    if magnetogram.instrument != "MDI":
        return noise
    return np.hypot(noise, np.float32(MDI_RESPONSE_ERROR) * magnetogram.data)


def local_noise(data, valid, nominal):
    r"""
    White noise of each pixel, from its neighborhood.

    MDI's noise differs by a factor of two and more over its detector, so it is measured: the mean absolute second
    difference along both axes where the field is weak, in a window of 35 pixels to each side. At these wavelengths, two
    pixels along both axes, an instrument with a point-spread function sees next to nothing of the Sun.

    Parameters
    ----------
    data : `numpy.ndarray`
        Gauss ``[y, x]``.
    valid : `numpy.ndarray`
        bool ``[y, x]``: the pixels that are measurements.
    nominal : `float`
        Gauss; what to fall back on where there is little quiet Sun.

    Returns
    -------
    `numpy.ndarray`
        float32 Gauss ``[y, x]``.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.forward_model import local_noise
    >>> data = np.random.default_rng(1).normal(0, 14, (200, 200))
    >>> noise = local_noise(data, np.ones((200, 200), bool), 11.0)
    >>> bool((np.abs(noise - 14) < 3).all())
    True
    """
    data = np.asarray(data, dtype=np.float32)
    difference = data
    for axis in (0, 1):
        difference = scipy.ndimage.correlate1d(difference, [1.0, -2.0, 1.0], axis=axis, mode="nearest")
    quiet = scipy.ndimage.binary_erosion(valid, np.ones((3, 3))) & (
        np.abs(scipy.ndimage.uniform_filter(data, 3)) < _QUIET_FIELD
    )
    window = {"sigma": _WINDOW, "truncate": _REACH, "mode": "constant"}
    pixels = scipy.ndimage.gaussian_filter(quiet.astype(np.float32), **window)
    total = scipy.ndimage.gaussian_filter(np.where(quiet, np.abs(difference), 0), **window)
    prior = _PRIOR / (2 * np.pi * _WINDOW**2)
    expected = nominal * _GAIN / _MEAN_TO_SIGMA
    return ((total + prior * expected) / (pixels + prior) * _MEAN_TO_SIGMA / _GAIN).astype(np.float32)
