"""How good an aligned pair is, and when it is refused."""

import dataclasses

import numpy as np
from astropy.stats import mad_std
from scipy.ndimage import uniform_filter

__all__ = ["Limits", "PairQuality", "RefusedPairError", "check_pair", "damaged_windows", "frame_noise"]

_WINDOWS = (16, 32, 64)  # pixels of MDI
_RESPONSE_ERROR = 0.3  # of the reading: what evolves, saturates or is badly modelled is no damage
_LARGEST_MISFIT = 3.0  # of the expected root mean square; MDI's noise differs by a factor of 2 over its detector
_LEAST_MEASURED = 0.8  # of a window
_TOLD = 12.8  # correlation to expect, times the side, from which a window that is unlike is damaged
_LOST = 0.5  # of the expected correlation


class RefusedPairError(ValueError):
    """
    A pair that shows not the same Sun, or not well enough; the message says why.

    Parameters
    ----------
    message : `str`
        Why.
    pair : `~sunpy_magsr.pairing.align.AlignedPair`
        The pair, for a picture.
    """

    def __init__(self, message, pair):
        super().__init__(message)
        self.pair = pair


@dataclasses.dataclass(frozen=True)
class Limits:
    """
    What a pair may be at worst.

    Attributes
    ----------
    shift : `float`
        Displacement of disk center, arcsec.
    roll : `float`
        Beyond CROTA2, degrees.
    stretch : `float`
        Relative error of the plate scale.
    clock : `float`
        Seconds by which the turning of the Sun disagrees with the headers' times.
    likeness : `float`
        Least correlation of the pair within 0.9 solar radii, as a share of what MDI's noise leaves possible.
    alignment_error : `float`
        Standard error of the alignment within 0.9 solar radii, MDI pixels.
    gain : `tuple` of `float`
        Least and largest reading of MDI for 1 G of HMI. Published is 1.43 (1 / 0.701, Liu et al. 2025,
        :doi:`10.1007/s11207-025-02523-y`); true pairs have 1.26 to 1.39.
    missing : `float`
        Share of the disk's pixels that either instrument lacks.
    constant : `int`
        Pixels of MDI's size that hold one value in lines or blocks, in either frame.
    damaged : `int`
        Windows that do not show what the other instrument shows; see `damaged_windows`.
    """

    shift: float = 12.0
    roll: float = 1.0
    stretch: float = 0.01
    clock: float = 600.0
    likeness: float = 0.7
    alignment_error: float = 0.1
    gain: tuple = (1.0, 2.0)
    missing: float = 0.02
    constant: int = 100
    damaged: int = 0


@dataclasses.dataclass(frozen=True)
class PairQuality:
    """
    Numbers of an aligned pair.

    Attributes
    ----------
    likeness : `float`
        The quality number: correlation of MDI and what is expected of it within 0.9 solar radii, as a share of what
        MDI's noise leaves possible. 1 if nothing but white noise separates the two.
    correlation : `float`
        The correlation itself.
    shift_y, shift_x, roll, stretch, clock, clock_error
        Of the displacement; arcsec, degrees and seconds. See `~sunpy_magsr.pairing.displacement.Rigid`.
    alignment_error, scatter : `float`
        Standard error of the alignment within 0.9 solar radii and root mean square of what it leaves of the shifts of
        neighborhoods, MDI pixels along one axis.
    neighborhoods, outliers : `int`
        That were used, and refused.
    gain, gain_error, psf_fwhm : `float`
        See `~sunpy_magsr.pairing.gain.Gain`.
    noise : `float`
        Of MDI, Gauss, from what the pair differs by where the field is weak.
    missing : `float`
        Share of the disk's pixels that either instrument lacks.
    constant : `int`
        Pixels of MDI's size that hold one value in lines or blocks, in either frame.
    damaged : `int`
        Windows that do not show what the other instrument shows.
    """

    likeness: float
    correlation: float
    shift_y: float
    shift_x: float
    roll: float
    stretch: float
    clock: float
    clock_error: float
    alignment_error: float
    scatter: float
    neighborhoods: int
    outliers: int
    gain: float
    gain_error: float
    psf_fwhm: float
    noise: float
    missing: float
    constant: int
    damaged: int


def frame_noise(reading, expected, valid):
    """Standard deviation in Gauss of what is left where the field is weak, whatever happens elsewhere."""
    weak = valid & (np.abs(expected) < np.nanpercentile(np.abs(expected[valid]), 60))
    return float(mad_std((reading - expected)[weak]))


def damaged_windows(reading, expected, valid, *, noise):
    """
    Windows that do not show what the other instrument shows.

    A window of 16, 32 or 64 pixels is damaged if it differs by three times of what the frame's noise and an error of the
    response of 30 % explain, or if it should be like the expectation to a correlation of 0.8, 0.4 or 0.2, as the noise of its
    own pixels would leave it, and has half of that.

    Parameters
    ----------
    reading, expected : `numpy.ndarray`
        Gauss ``[y, x]``.
    valid : `numpy.ndarray`
        bool ``[y, x]``.
    noise : `numpy.ndarray`
        Standard deviation in Gauss ``[y, x]``.

    Returns
    -------
    `numpy.ndarray`
        Pixels ``[n, 3]``: y and x of the middle, and the side, of windows that overlap by half.
    """
    frame = np.mean(noise[valid] ** 2)
    reading, expected = (np.where(valid, one, 0.0).astype(float) for one in (reading, expected))
    products = [valid, reading**2, expected**2, reading * expected, np.where(valid, noise, 0.0) ** 2]
    found = []
    for side in _WINDOWS:
        sampled = (slice(side // 2, None, side // 2),) * 2
        means = [uniform_filter(one.astype(float), side, mode="constant")[sampled] for one in products]
        share = np.maximum(means[0], 1 / side**2)
        both = means[3] / share
        read, power, variance = (np.maximum(means[one] / share, 0) for one in (1, 2, 4))
        left = read - 2 * both + power
        misfit = left > _LARGEST_MISFIT**2 * (frame + _RESPONSE_ERROR**2 * power)
        likely = np.sqrt(power / (power + variance + 1e-12))
        likeness = both / np.sqrt(power * read + 1e-12)
        unlike = (likely > _TOLD / side) & (likeness < _LOST * likely)
        bad = np.argwhere((share > _LEAST_MEASURED) & (misfit | unlike))
        found += [(side // 2 * (y + 1), side // 2 * (x + 1), side) for y, x in bad]
    return np.array(found, dtype=int).reshape(-1, 3)


def check_pair(pair, limits):
    """
    Raise if a pair is not good enough.

    Parameters
    ----------
    pair : `~sunpy_magsr.pairing.align.AlignedPair`
        The pair.
    limits : `Limits`
        What it may be at worst.

    Raises
    ------
    RefusedPairError
        The message names everything that is wrong, most telling first.
    """
    quality = pair.quality
    shift = np.hypot(quality.shift_y, quality.shift_x)
    reasons = [
        (
            quality.likeness < limits.likeness,
            f"the two are alike to {quality.likeness:.2f} of what noise allows, and {limits.likeness:g} is asked",
        ),
        (
            abs(quality.clock) > limits.clock + 3 * quality.clock_error,
            f"the Sun has turned by {abs(quality.clock) / 60:.0f} minutes {'more' if quality.clock > 0 else 'less'} than the "
            "headers' times say",
        ),
        (shift > limits.shift, f'MDI is displaced by {shift:.1f}", and {limits.shift:g}" is allowed'),
        (abs(quality.roll) > limits.roll, f"MDI is rolled by {quality.roll:.2f} degrees beyond CROTA2"),
        (abs(quality.stretch) > limits.stretch, f"MDI's plate scale is off by {100 * quality.stretch:.2f} %"),
        (
            not quality.alignment_error <= limits.alignment_error,
            f"the alignment is uncertain by {quality.alignment_error:.2f} pixels",
        ),
        (
            not limits.gain[0] <= quality.gain <= limits.gain[1],
            f"MDI reads {quality.gain:.2f} G for 1 G of HMI, and {limits.gain[0]:g} to {limits.gain[1]:g} is allowed",
        ),
        (quality.missing > limits.missing, f"{100 * quality.missing:.1f} % of the disk are missing"),
        (quality.constant > limits.constant, f"{quality.constant} pixels hold a constant value"),
        (
            quality.damaged > limits.damaged,
            f"{quality.damaged} windows do not show what the other instrument shows",
        ),
    ]
    found = [text for is_wrong, text in reasons if is_wrong]
    if found:
        msg = f"{'; '.join(found)}."
        raise RefusedPairError(msg, pair)
