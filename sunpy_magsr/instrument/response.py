"""The fit of a low-resolution image by a high-resolution one: blur, gain, shift and noise of an instrument."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
import scipy.ndimage
import scipy.optimize
from astropy.stats import mad_std

from sunpy_magsr.instrument.gain import MDI_GAIN
from sunpy_magsr.instrument.psf import degrade

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt


_BLOCKS = 4  # along each axis, for the errors
_QUIET_FIELD = 30.0  # Gauss, of what the high-resolution instrument sees within 5 x 5 low-resolution pixels
_BOUNDS = ([-8.0, -8.0, 0.0], [8.0, 8.0, 16.0])  # shifts and FWHM in high-resolution pixels
_START = (0.0, 0.0, 4.0)
_STEP = 0.05  # high-resolution pixels, of the derivatives
_RESPONSE_ERROR = 0.1  # of a reading, beside the noise
_MARGIN = 2  # low-resolution pixels at the edges that are left out, as the shift moves unknown field into them


@dataclasses.dataclass(frozen=True)
class Response:
    """
    Result of `measure_response`: how a low-resolution instrument saw a field.

    Parameters
    ----------
    psf_fwhm, psf_fwhm_error : `~astropy.units.Quantity`
        Full width at half maximum of the Gaussian point-spread function in arcsec, without the low-resolution pixel, and
        its standard error.
    gain, gain_error : `float`
        What the low-resolution instrument reads where the other one reads 1 G, over the whole image, and its standard
        error.
    shift, shift_error : `~astropy.units.Quantity`
        Displacement of the low-resolution image along y and x in arcsec ``[2]``, and its standard error.
    noise : `~astropy.units.Quantity`
        Standard deviation of what the fit leaves where the field is weak, in Gauss on the low-resolution instrument's
        scale. It is an upper limit of the noise, as it contains errors of the fitted model.
    response_error : `float`
        Root mean square of what the fit leaves where the field is strong, without the noise, relative to the reading. NaN
        if no field is strong.
    """

    psf_fwhm: u.Quantity
    psf_fwhm_error: u.Quantity
    gain: float
    gain_error: float
    shift: u.Quantity
    shift_error: u.Quantity
    noise: u.Quantity
    response_error: float


def measure_response(low: npt.NDArray, high: npt.NDArray, *, plate_scale: u.Quantity) -> Response:
    r"""
    Measure the blur, gain, shift and noise of a pair of images together.

    The model :math:`g\,\langle P_w * B(x - s) \rangle` is fitted to the low-resolution image by least squares: the
    high-resolution image :math:`B` is shifted by :math:`s`, blurred by a Gaussian :math:`P_w` of the width :math:`w` (FWHM),
    averaged over the low-resolution pixels and multiplied by :math:`g`. What the fit leaves is no white noise, so the errors
    are found by a jackknife over 4 x 4 parts of the image (Efron & Stein 1981, :doi:`10.1214/aos/1176345462`).

    Parameters
    ----------
    low : `numpy.ndarray`
        Low-resolution image in Gauss ``[y, x]``.
    high : `numpy.ndarray`
        High-resolution image in Gauss ``[f y, f x]`` with a whole number f. NaN where the images shall not be compared.
    plate_scale : `~astropy.units.Quantity`
        Plate scale of the high-resolution image in arcsec/pix.

    Returns
    -------
    `Response`
        The measured numbers with their errors.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a side of the part that is compared has fewer than 16 low-resolution pixels.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_magsr.instrument import degrade, measure_response
    >>> high = 100 * np.random.default_rng(0).normal(size=(192, 192))
    >>> low = degrade(high, psf_fwhm=5.0, gain=1.4)
    >>> found = measure_response(low, high, plate_scale=0.5 * u.arcsec / u.pix)
    >>> print(f"{found.psf_fwhm:.2f}, {found.gain:.2f}")
    2.50 arcsec, 1.40
    """
    known, factor = _compared(low, high)
    part = parts_of(known)
    low = np.nan_to_num(low.astype(float))
    inner = scipy.ndimage.binary_erosion(known, np.ones((3, 3)), iterations=_MARGIN)
    seen = _seen(high, factor)
    best = _fitted(low, seen, inner, np.array(_START))
    error = _jackknife([_fitted(low, seen, inner & (part != one), best[:3]) for one in np.unique(part[inner])])
    noise, response_error = _left_over(low, seen(best[:3]), best[3], inner)
    pixel = plate_scale * u.pix
    return Response(
        psf_fwhm=best[2] * pixel,
        psf_fwhm_error=error[2] * pixel,
        gain=float(best[3]),
        gain_error=float(error[3]),
        shift=best[:2] * pixel,
        shift_error=error[:2] * pixel,
        noise=noise * u.G,
        response_error=response_error,
    )


def _compared(low, high):
    """Low-resolution pixels that both images have measured, bool ``[y, x]``, and how many fine pixels are along one."""
    factor = high.shape[0] // low.shape[0]
    if low.ndim != 2 or high.shape != tuple(factor * side for side in low.shape):
        msg = f"high must have a whole number of pixels for one of low, got shapes {high.shape} and {low.shape}."
        raise ValueError(msg)
    known = np.isfinite(degrade(np.where(np.isfinite(high), 0.0, np.nan), factor=factor)) & np.isfinite(low)
    sides = [int(known.any(axis).sum()) for axis in (1, 0)]
    if min(sides) < _BLOCKS**2:
        msg = f"low and high must overlap in at least {_BLOCKS**2} pixels of low a side, got {sides[0]} x {sides[1]}."
        raise ValueError(msg)
    return known, factor


def parts_of(known: npt.NDArray[np.bool_]) -> npt.NDArray[np.int_]:
    """Number the 4 x 4 parts of what is known of an image, for the errors of a fit: int ``[y, x]``."""
    part = np.zeros(known.shape, dtype=int)
    for axis in (0, 1):
        where = np.flatnonzero(known.any(1 - axis))
        place = np.clip(np.arange(known.shape[axis]) - where[0], 0, len(where) - 1) * _BLOCKS // len(where)
        part += np.expand_dims(place * _BLOCKS ** (1 - axis), 1 - axis)
    return part


def _jackknife(others):
    """Standard errors of a fit, from the fits that each leave out one part of the image."""
    others, count = np.array(others), len(others)
    return np.sqrt((count - 1) / count * ((others - others.mean(0)) ** 2).sum(0))


def _seen(high, factor):
    """Make a function of shifts along y and x and of the blur, which returns what a gain of 1 would read."""
    spectrum = np.fft.fftn(np.nan_to_num(high.astype(float)))

    def seen(parameters):
        *shift, width = parameters
        moved = np.fft.ifftn(scipy.ndimage.fourier_shift(spectrum, shift)).real
        return degrade(moved, factor=factor, psf_fwhm=float(width))

    return seen


def _fitted(low, seen, where, start):
    """Shifts along y and x, blur and gain that fit best to the pixels ``where``."""

    def left(parameters):
        model = seen(parameters)[where]
        return low[where] - model * (model @ low[where]) / (model @ model)

    step = _STEP / np.maximum(np.abs(start), 1)
    found = scipy.optimize.least_squares(left, start, bounds=_BOUNDS, diff_step=step, x_scale=[1.0, 1.0, 2.0])
    model = seen(found.x)[where]
    return np.array([*found.x, (model @ low[where]) / (model @ model)])


def _left_over(low, seen, gain, inner):
    """Noise in Gauss, from where the field is weak, and relative error of the response, from where it is strong."""
    model = gain * seen
    left = low - model
    quiet = inner & (scipy.ndimage.maximum_filter(np.abs(seen), 5) < _QUIET_FIELD)
    noise = float(mad_std(left[quiet if quiet.any() else inner]))
    strong = inner & (np.abs(model) > 10 * noise)
    if not strong.any():
        return noise, np.nan
    return noise, float(np.sqrt(max((left[strong] ** 2).mean() - noise**2, 0) / (model[strong] ** 2).mean()))


def fit_gain(low: npt.NDArray, seen: npt.NDArray, weight: npt.NDArray, variance: float = 0.0) -> tuple[float, float]:
    r"""
    Fit the gain alone, and return it with the weighted sum of squares that it leaves.

    Noise in the image that is fitted would make the gain too small, so its variance :math:`v` is subtracted: the gain is
    :math:`\sum w\,d\,m / \sum w\,(m^2 - v)` (Fuller 1987, Measurement Error Models, section 1.2).
    """
    power = (weight * (seen**2 - variance)).sum(dtype=float)
    gain = (weight * low * seen).sum(dtype=float) / power if power else 1.0
    return gain, (weight * ((low - gain * seen) ** 2 - gain**2 * variance)).sum(dtype=float)


def fit_gain_and_blur(
    low: npt.NDArray,
    seen: Callable[[float], npt.NDArray],
    part: npt.NDArray[np.int_],
    *,
    bounds: tuple[float, float],
    noise: float,
    variance: Callable[[float], float],
    strength: npt.NDArray,
) -> tuple[float, float, float]:
    """
    Fit the gain and the blur to pixels that are aligned: the gain, its standard error by a jackknife, and the width.

    ``seen`` and ``variance`` give the image and the variance of its noise for a width within the bounds. A pixel is
    weighted by the noise and by an error of the response of 10 % of what it reads, of a field of the given strength.
    """

    def solve(kept, gain):
        weight = 1 / (noise**2 + (_RESPONSE_ERROR * gain * strength[kept]) ** 2)

        def fit(width):
            return fit_gain(low[kept], seen(width)[kept], weight, variance(width))

        width = scipy.optimize.minimize_scalar(lambda width: fit(width)[1], bounds=bounds, method="bounded").x
        return fit(width)[0], width

    everything = np.ones(low.shape, bool)
    gain, _ = solve(everything, MDI_GAIN)
    gain, width = solve(everything, gain)  # with the weights of this gain
    error = _jackknife([solve(part != one, gain)[0] for one in np.unique(part)])
    return float(gain), float(error), float(width)
