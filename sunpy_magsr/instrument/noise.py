"""The noise of MDI and of HMI, nominal and measured."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from sunpy_magsr.maps import Magnetogram

#: Decimal year (2016 April 13) from which HMI's 720 s series combine both cameras and have less noise (Hoeksema et al.
#: 2018, :doi:`10.1007/s11207-018-1259-8`).
BOTH_CAMERAS = 2016.28
# Power of the additional noise before that date, by wavenumber in cycles per pixel of 0.03 degrees: the difference between
# quiet windows in SHARP patches of 2011 and 2012 and those of 2025, in G^2 (the variance of a white field of that power).
# The noise of those years has 2.3 times the power of today's at all wavenumbers; below 0.25 the power of the Sun covers it.
_WAVENUMBER = (0.0, 0.094, 0.156, 0.219, 0.281, 0.344, 0.406, 0.469, 0.531, 0.594, 0.72)
_POWER = (7.5, 7.5, 7.0, 7.0, 5.6, 3.9, 2.1, 1.0, 0.55, 0.22, 0.0)


def earlier_noise(shape: tuple[int, int], *, seed: int) -> np.ndarray:
    """Draw noise that makes an HMI patch of today as noisy as one from before `BOTH_CAMERAS`."""
    wavenumber = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1]))
    white = np.fft.fft2(np.random.default_rng(seed).standard_normal(shape))
    return np.fft.ifft2(white * np.sqrt(np.interp(wavenumber, _WAVENUMBER, _POWER))).real


#: Noise of an MDI pixel in Gauss, by exposure in seconds. It is used where the noise cannot be measured. The values are
#: medians over the disks of 2011 and 1999 (``docs/dev_guide/decisions/mdi.rst``). Liu et al. 2012
#: (:doi:`10.1007/s11207-012-9976-x`) give 16.2 G for 5-minute and 26.4 G for 1-minute magnetograms as upper bounds.
MDI_NOISE = {300: 11.0, 30: 22.5}

#: Relative error of the forward model: by which share of the reading MDI differs, besides the noise, from what the model
#: says. `measure_response` finds 7 % in the true pair of 2010, and 10 and 11 % in the pairs of 2011, whose MDI frames were
#: rotated by the nearest neighbor (``docs/validation.rst``). The value is a little above the largest of these.
MDI_RESPONSE_ERROR = 0.12

_QUIET_FIELD = 80.0  # Gauss, of the mean over 3 x 3 pixels
_WINDOW = 10.0  # standard deviation of the Gaussian window, pixels
_REACH = 3.5  # standard deviations
_PRIOR = 60.0  # pixels: weight of the nominal noise
_GAIN = 6.0  # by which the filter in `local_noise` amplifies white noise
_MEAN_TO_SIGMA = np.sqrt(np.pi / 2)


def input_noise(magnetogram: Magnetogram) -> np.ndarray:
    """
    Estimate the noise of each pixel of a magnetogram.

    The noise is measured by `local_noise`. Where this is not possible, it is the noise of MDI for the exposure, `MDI_NOISE`
    (that of 300 s if the header does not give the exposure). For heliographic maps (SMARP) it is this number everywhere:
    the interpolation to their grid removes the noise at the wavelengths at which it is measured, but not at others.

    Parameters
    ----------
    magnetogram : `~sunpy_magsr.maps.Magnetogram`
        The magnetogram. If it holds its noise already, that is returned.

    Returns
    -------
    `numpy.ndarray`
        Standard deviation of the noise in Gauss ``[y, x]``, float32.
    """
    if magnetogram.noise is not None:
        return magnetogram.noise
    nominal = MDI_NOISE[mdi_exposure(magnetogram.exposure)]
    if magnetogram.is_cea:
        return np.full(magnetogram.data.shape, nominal, dtype=np.float32)
    return local_noise(magnetogram.data, magnetogram.valid, nominal)


def mdi_exposure(exposure: float | None) -> int:
    """Find the exposure in `MDI_NOISE` that is nearest to that of a frame."""
    at = exposure or max(MDI_NOISE)
    return min(MDI_NOISE, key=lambda known: abs(known - at))


def local_noise(data: npt.NDArray, valid: np.ndarray, nominal: float) -> np.ndarray:
    r"""
    Measure the white noise of each pixel in its neighborhood.

    MDI's noise differs by a factor of two and more over its detector, so one number is not enough. The noise is found from
    the mean absolute second difference along both axes where the field is weak, in a Gaussian window that reaches 35 pixels
    to each side. The second differences contain wavelengths near two pixels along both axes, at which the optics leave
    almost nothing of the Sun.

    Parameters
    ----------
    data : `numpy.ndarray`
        Magnetogram in Gauss ``[y, x]``, without NaN.
    valid : `numpy.ndarray`
        Pixels that are measurements, bool ``[y, x]``.
    nominal : `float`
        Noise in Gauss that is expected before anything is measured. It counts as much as 60 pixels of quiet Sun, so the
        result is near it where there is little quiet Sun.

    Returns
    -------
    `numpy.ndarray`
        Standard deviation of the noise in Gauss ``[y, x]``, float32.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.instrument.noise import local_noise
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


_QUIETEST_FIELD = 40.0
_MAD_TO_SIGMA = 1.4826
_LOWEST_NOISE = 0.5


def quiet_noise(data: np.ndarray) -> float:
    """
    Noise from pixel to pixel of a magnetogram where the field is weak.

    It is the median absolute difference of horizontal neighbors where ``|B| < 40 G``, scaled to the standard deviation
    of a normal distribution and divided by sqrt(2). Where the noise of neighbors is independent and the field is
    smooth, this is the noise of a single pixel. In resampled (CEA) data it is less: about 3 G in the line-of-sight
    fields of ``hmi.sharp_cea_720s`` and 17 G in their Br.
    """
    difference = np.diff(data, axis=1)
    quiet = np.isfinite(difference) & (np.abs(data[:, 1:]) < _QUIETEST_FIELD)
    if not quiet.any():
        return _LOWEST_NOISE
    return max(float(_MAD_TO_SIGMA * np.median(np.abs(difference[quiet])) / np.sqrt(2)), _LOWEST_NOISE)
