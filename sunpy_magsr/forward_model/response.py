"""Blur, gain, shift and noise of an instrument, measured on a true pair."""

import dataclasses

import astropy.units as u
import numpy as np
import scipy.ndimage
import scipy.optimize
from astropy.stats import mad_std

from sunpy_magsr.forward_model.degrade import degrade

__all__ = ["Response", "measure_response"]

_BLOCKS = 4  # along each axis, for the errors
_QUIET_FIELD = 30.0  # Gauss, of what the high-resolution instrument sees within 5 x 5 low-resolution pixels
_BOUNDS = ([-8.0, -8.0, 0.0], [8.0, 8.0, 16.0])  # shifts and FWHM in high-resolution pixels
_START = (0.0, 0.0, 4.0)
_STEP = 0.05  # high-resolution pixels, of the derivatives


@dataclasses.dataclass(frozen=True)
class Response:
    """
    How a low-resolution instrument saw a field, each with its standard error.

    Attributes
    ----------
    psf_fwhm, psf_fwhm_error : `~astropy.units.Quantity`
        Full width at half maximum of the Gaussian point-spread function, the low-resolution pixel aside, arcsec.
    gain, gain_error : `float`
        What the low-resolution instrument reads for 1 G of the other, over the whole image.
    shift, shift_error : `~astropy.units.Quantity`
        By how much the low-resolution image is displaced along y and x, arcsec ``[2]``.
    noise : `~astropy.units.Quantity`
        Standard deviation of what is left where the field is weak, Gauss on the low-resolution instrument's scale; an
        upper limit, as it contains what the model of the response misses there.
    response_error : `float`
        What is left where the field is strong, as a share of the reading.
    """

    psf_fwhm: u.Quantity
    psf_fwhm_error: u.Quantity
    gain: float
    gain_error: float
    shift: u.Quantity
    shift_error: u.Quantity
    noise: u.Quantity
    response_error: float


def measure_response(low, high, *, plate_scale):
    r"""
    Measure blur, gain, shift and noise of a pair jointly.

    The low-resolution image is fitted by :math:`g\,\langle P_w * B(x - s) \rangle`, the high-resolution one shifted by
    :math:`s`, blurred by a Gaussian of FWHM :math:`w`, averaged over the low-resolution pixels and multiplied by
    :math:`g`, by least squares. The errors are those of a jackknife over 4 x 4 parts of the image (Efron & Stein 1981,
    :doi:`10.1214/aos/1176345462`), since what is left over is no white noise.

    Parameters
    ----------
    low : `numpy.ndarray`
        Gauss ``[y, x]``.
    high : `numpy.ndarray`
        Gauss ``[f y, f x]`` with a whole number f; NaN where nothing is to be compared.
    plate_scale : `~astropy.units.Quantity`
        Of the high-resolution image, arcsec/pix.

    Returns
    -------
    `Response`

    Raises
    ------
    ValueError
        If the shapes do not fit, or a side of the part to be compared has fewer than 16 low-resolution pixels.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_magsr.forward_model import degrade, measure_response
    >>> high = 100 * np.random.default_rng(0).normal(size=(192, 192))
    >>> low = degrade(high, psf_fwhm=5.0, gain=1.4)
    >>> found = measure_response(low, high, plate_scale=0.5 * u.arcsec / u.pix)
    >>> print(f"{found.psf_fwhm:.2f}, {found.gain:.2f}")
    2.50 arcsec, 1.40
    """
    factor = high.shape[0] // low.shape[0]
    if low.ndim != 2 or high.shape != tuple(factor * side for side in low.shape):
        msg = f"high must have a whole number of pixels for one of low, got shapes {high.shape} and {low.shape}."
        raise ValueError(msg)
    known = np.isfinite(degrade(np.where(np.isfinite(high), 0.0, np.nan), factor=factor)) & np.isfinite(low)
    rows, columns = (np.flatnonzero(known.any(axis)) for axis in (1, 0))
    if min(len(rows), len(columns)) < _BLOCKS**2:
        msg = f"low and high must overlap in at least {_BLOCKS**2} pixels of low a side, got {len(rows)} x {len(columns)}."
        raise ValueError(msg)
    spectrum = np.fft.fftn(np.nan_to_num(high.astype(float)))
    low = np.nan_to_num(low.astype(float))
    margin = 2  # low-resolution pixels, that what is shifted in does not reach
    inner = scipy.ndimage.binary_erosion(known, np.ones((3, 3)), iterations=margin)

    def seen(parameters):
        *shift, width = parameters
        moved = np.fft.ifftn(scipy.ndimage.fourier_shift(spectrum, shift)).real
        return degrade(moved, factor=factor, psf_fwhm=float(width))

    part = np.zeros(low.shape, dtype=int)
    for axis, where in enumerate((rows, columns)):
        place = np.clip(np.arange(low.shape[axis]) - where[0], 0, len(where) - 1) * _BLOCKS // len(where)
        part += np.expand_dims(place * _BLOCKS ** (1 - axis), 1 - axis)

    def solved(where, start):
        def left(parameters):
            model = seen(parameters)[where]
            return low[where] - model * (model @ low[where]) / (model @ model)

        step = _STEP / np.maximum(np.abs(start), 1)
        found = scipy.optimize.least_squares(left, start, bounds=_BOUNDS, diff_step=step, x_scale=[1.0, 1.0, 2.0])
        model = seen(found.x)[where]
        return np.array([*found.x, (model @ low[where]) / (model @ model)])

    best = solved(inner, np.array(_START))
    others = np.array([solved(inner & (part != one), best[:3]) for one in np.unique(part[inner])])
    count = len(others)
    error = np.sqrt((count - 1) / count * ((others - others.mean(0)) ** 2).sum(0))
    model = best[3] * seen(best[:3])
    left = low - model
    strength = scipy.ndimage.maximum_filter(np.abs(model) / best[3], 5)
    quiet = inner & (strength < _QUIET_FIELD)
    quiet = quiet if quiet.any() else inner
    noise = float(mad_std(left[quiet]))
    strong = inner & (np.abs(model) > 10 * noise)
    relative = np.nan
    if strong.any():
        relative = float(np.sqrt(max((left[strong] ** 2).mean() - noise**2, 0) / (model[strong] ** 2).mean()))
    pixel = plate_scale * u.pix
    return Response(
        psf_fwhm=best[2] * pixel,
        psf_fwhm_error=error[2] * pixel,
        gain=float(best[3]),
        gain_error=float(error[3]),
        shift=best[:2] * pixel,
        shift_error=error[:2] * pixel,
        noise=noise * u.G,
        response_error=relative,
    )
