"""Options of a super-resolution: what is allowed, and what they mean for one input."""

import math
import numbers

import astropy.units as u
import numpy as np

from sunpy_magsr.instrument import Blur

_LARGEST_SEED = 2**63
_MOST_STEPS = 1000  # what diffusion models are trained with
#: Arcsec; of a point-spread function.
LARGEST_WIDTH = 5.0
_LEAST_RATIO = 1.1  # of the input's plate scale and the output's


def output_ratio(magnetogram, plate_scale, factor):
    """Compute the number of output pixels along one input pixel."""
    if plate_scale is None or magnetogram.is_cea:
        return (float(factor), float(factor))
    ratio = tuple(float((scale / plate_scale).to_value(u.one)) for scale in magnetogram.plate_scale)
    if min(ratio) < _LEAST_RATIO:
        msg = (
            f"plate_scale must be at least {_LEAST_RATIO} times finer than that of smap, {magnetogram.plate_scale[0]:.4g}, got {plate_scale:.4g}; "
            f"plate_scale=None gives pixels {factor} times finer."
        )
        raise ValueError(msg)
    return ratio


def check_options(*, n_samples, seed, steps, batch_size):
    """Raise if a number is out of range, whatever the map and the model."""
    _check_whole("n_samples", n_samples, 1)
    _check_whole("seed", seed, 0, _LARGEST_SEED)
    if steps is not None:
        _check_whole("steps", steps, 1, _MOST_STEPS + 1)
    if batch_size is not None:
        _check_whole("batch_size", batch_size, 1)


def check_plate_scale(value):
    """Raise ValueError unless the value is `None` or a positive, finite Quantity in arcsec/pix."""
    if value is None:
        return
    if not (
        isinstance(value, u.Quantity)
        and value.isscalar
        and value.unit.is_equivalent(u.arcsec / u.pix)
        and math.isfinite(value.value)
        and value.value > 0
    ):
        msg = f"plate_scale must be None or a positive Quantity in arcsec/pix, got {value!r}."
        raise ValueError(msg)


def check_bad_pixels(value):
    """Raise ValueError unless the value is ``"mask"`` or ``"keep"``."""
    if value not in ("mask", "keep"):
        msg = f"bad_pixels must be 'mask' or 'keep', got {value!r}."
        raise ValueError(msg)


def check_noise_lifetime(value, card):
    """Raise ValueError unless the value is `None`, or a time of 0 or more for a model whose random numbers can be chosen."""
    if value is None:
        return
    is_time = isinstance(value, u.Quantity) and value.isscalar and value.unit.is_equivalent(u.s)
    if not is_time or not value.value >= 0:
        msg = f"noise_lifetime must be None or a time that is not negative, got {value!r}."
        raise ValueError(msg)
    if card.kind == "published":
        msg = (
            f"noise_lifetime must be None with a model of the published architecture, got {value!r} for {card.name!r}."
        )
        raise ValueError(msg)


def told_blur(psf_fwhm):
    """Check the width of the point-spread function that the user gives, alone or with its error; returns a Blur."""
    parts = psf_fwhm if isinstance(psf_fwhm, tuple | list) else np.atleast_1d(psf_fwhm)
    is_angle = all(
        isinstance(part, u.Quantity) and part.isscalar and part.unit.is_equivalent(u.arcsec) for part in parts
    )
    width, error = (
        [*(part.to_value(u.arcsec) for part in parts), 0.0][:2] if is_angle and len(parts) <= 2 else (math.nan,) * 2
    )
    if not (0 <= width <= LARGEST_WIDTH and 0 <= error <= LARGEST_WIDTH):
        msg = (
            f"psf_fwhm must be None, an angle from 0 to {LARGEST_WIDTH:g} arcsec, or such an angle and its error, got "
            f"{psf_fwhm!r}."
        )
        raise ValueError(msg)
    return Blur(fwhm=float(width), error=float(error), windows=0, noise=math.nan, origin="told")


def _check_whole(name, value, lowest, below=math.inf):
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or not lowest <= value < below:
        limit = f" and below {'2**63' if below == _LARGEST_SEED else below}" if below < math.inf else ""
        msg = f"{name} must be a whole number of at least {lowest}{limit}, got {value!r}."
        raise ValueError(msg)


def check_calibration(calibrate, magnetogram, card):
    """Check ``calibrate``, and return the scale of the result; a model that is on HMI's already stays there."""
    if calibrate not in (None, "hmi"):
        msg = f"calibrate must be None or 'hmi', got {calibrate!r}."
        raise ValueError(msg)
    if calibrate is None or card.calibration == calibrate:
        return card.calibration
    if magnetogram.instrument != "MDI":
        msg = f"calibrate='hmi' must be used with MDI input, got a map from {magnetogram.instrument}."
        raise ValueError(msg)
    return calibrate
