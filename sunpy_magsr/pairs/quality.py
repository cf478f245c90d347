"""Gain and quality of an aligned pair."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.stats import mad_std
from astropy.table import Table
from scipy.ndimage import uniform_filter

from sunpy_magsr.instrument import hmi_per_mdi

if TYPE_CHECKING:
    import numpy.typing as npt


#: Cosine of the heliocentric angle; pixels nearer to the limb are left out of fits of the gain.
LEAST_MU = 0.35
#: Fewest pixels of a gain.
FEWEST = 200
_LEAST_FIELD = 20.0  # Gauss; weaker pixels are left out of the table by place on the disk
_STRENGTHS = (20, 50, 100, 200, 400, 800, 1600)
_MUS = (0.3, 0.5, 0.7, 0.85, 0.95, 1.0)


def gain_table(reading: npt.NDArray, expected: npt.NDArray, valid: npt.NDArray[np.bool_], mu: npt.NDArray) -> Table:
    """Measure the gain in bins of field strength and of place on the disk, for a comparison with published values."""
    strength = np.abs(expected)
    rows = []
    for by, values, edges, among in (
        ("strength", strength, _STRENGTHS, valid & (mu > LEAST_MU)),
        ("mu", mu, _MUS, valid & (strength > _LEAST_FIELD)),
    ):
        for low, high in itertools.pairwise(edges):
            used = among & (values > low) & (values <= high)
            if used.sum() < FEWEST:
                continue
            read, seen = reading[used].astype(float), expected[used].astype(float)
            gain = (read @ seen) / (seen @ seen)
            error = np.sqrt(((read - gain * seen) ** 2 * seen**2).sum()) / (seen @ seen)
            known = (np.abs(read) * hmi_per_mdi(read)).sum() / np.abs(read).sum()
            rows.append((by, low, high, 1 / gain, error / gain**2, known, int(used.sum())))
    table = Table(rows=rows or None, names=("by", "from", "to", "hmi_per_mdi", "error", "known", "pixels"))
    for name in ("hmi_per_mdi", "error", "known"):
        table[name].info.format = ".3f"
    return table


_WINDOWS = (16, 32, 64)  # pixels of MDI
_RESPONSE_ERROR = 0.3  # of the reading: field that evolves, saturates or is badly modelled is not damaged
_LARGEST_MISFIT = 3.0  # of the expected root mean square; MDI's noise differs by a factor of 2 over its detector
_LEAST_MEASURED = 0.8  # of a window
_TOLD = 12.8  # expected correlation times the side in pixels; windows that expect less are not judged by it
_LOST = 0.5  # of the expected correlation


class RefusedPairError(ValueError):
    """
    Raised for a pair that is not good enough. The message says why.

    Parameters
    ----------
    message : `str`
        The reasons.
    pair : `~sunpy_magsr.pairs.AlignedPair`
        The pair, for example to draw it. It is also an attribute of the error.
    """

    def __init__(self, message: str, pair: Any) -> None:
        super().__init__(message)
        self.pair = pair


@dataclasses.dataclass(frozen=True)
class Limits:
    """
    Limits beyond which a pair is refused; see `PairQuality` for what is limited.

    Parameters
    ----------
    shift : `float`
        Largest displacement of disk center in arcsec. Defaults to 12.
    roll : `float`
        Largest roll in degrees. Defaults to 1.
    stretch : `float`
        Largest relative error of the plate scale. Defaults to 0.01.
    clock : `float`
        Largest error of the time in seconds. Defaults to 600.
    likeness : `float`
        Smallest likeness. Defaults to 0.7.
    alignment_error : `float`
        Largest standard error of the alignment in MDI pixels. Defaults to 0.1.
    gain : `tuple` of `float`
        Smallest and largest gain. Defaults to 1 and 2. `~sunpy_magsr.instrument.MDI_GAIN` is the published value, and
        true pairs have 1.26 to 1.39.
    missing : `float`
        Largest share of the disk's pixels that may be missing. Defaults to 0.02.
    constant : `int`
        Largest number of pixels of a constant value. Defaults to 100.
    damaged : `int`
        Largest number of damaged windows. Defaults to 0.
    """

    shift: float = 12.0
    roll: float = 1.0
    stretch: float = 0.01
    clock: float = 600.0
    likeness: float = 0.7
    alignment_error: float = 0.1
    gain: tuple[float, float] = (1.0, 2.0)
    missing: float = 0.02
    constant: int = 100
    damaged: int = 0


@dataclasses.dataclass(frozen=True)
class PairQuality:
    """
    Numbers that say how good an aligned pair is.

    Parameters
    ----------
    likeness : `float`
        Correlation of MDI's readings with what HMI lets expect of them, within 0.9 solar radii, divided by the correlation
        that MDI's noise leaves possible. It is 1 if the two differ by nothing but white noise.
    correlation : `float`
        The correlation itself.
    shift_y, shift_x : `float`
        Displacement of disk center along y and x, in arcsec.
    roll : `float`
        Degrees by which MDI is rolled beyond CROTA2.
    stretch : `float`
        Relative error of MDI's plate scale.
    clock : `float`
        Seconds by which MDI shows the Sun later than its header says, from how far the Sun has rotated.
    clock_error : `float`
        Standard error of ``clock`` in seconds.
    alignment_error : `float`
        Standard error of the alignment within 0.9 solar radii, in MDI pixels along one axis.
    scatter : `float`
        Root mean square of what the alignment leaves of the shifts of neighborhoods, in MDI pixels along one axis.
    neighborhoods, outliers : `int`
        Number of neighborhoods that the alignment was fitted to, and number of those that it left out as outliers.
    gain, gain_error : `float`
        What MDI reads where HMI reads 1 G, and its standard error.
    psf_fwhm : `float`
        Width of the blur between HMI and MDI, in arcsec: of the Gaussian (FWHM) by which HMI must be blurred,
        before it is averaged over MDI's pixels, to look like MDI.
    noise : `float`
        Noise of MDI in Gauss, from what the pair differs by where the field is weak.
    missing : `float`
        Share of the disk's pixels that either instrument has not measured.
    constant : `int`
        Number of pixels of MDI's size in lines or blocks of one value, in both frames together.
    damaged : `int`
        Number of windows in which MDI does not show what HMI shows; see `damaged_windows`.
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


def frame_noise(reading: npt.NDArray, expected: npt.NDArray, valid: npt.NDArray[np.bool_]) -> float:
    """Measure the noise of a reading from its difference to what is expected of it."""
    weak = valid & (np.abs(expected) < np.nanpercentile(np.abs(expected[valid]), 60))
    return float(mad_std((reading - expected)[weak]))


def damaged_windows(
    reading: npt.NDArray, expected: npt.NDArray, valid: npt.NDArray[np.bool_], *, noise: npt.NDArray
) -> npt.NDArray[np.int_]:
    """
    Find square windows in which a reading does not show what is expected of it.

    The windows have sides of 16, 32 and 64 pixels and overlap by half. A window is damaged if one of two things is so:

    - Its root mean square difference is more than three times as large as the noise of the frame and an error of the
      response of 30 % explain.
    - The noise of its pixels allows a correlation above 0.8, 0.4 or 0.2 (for the three sides), and the correlation is less
      than half of what is allowed.
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


def check_pair(pair: Any, limits: Limits) -> None:
    """Raise an error if a pair is beyond limits."""
    quality = pair.quality
    shift, clock = np.hypot(quality.shift_y, quality.shift_x), abs(quality.clock)
    turned = f"{clock / 60:.0f} minutes {'more' if quality.clock > 0 else 'less'}"
    reasons = {
        f"the two are alike to {quality.likeness:.2f} of what noise allows, and {limits.likeness:g} is asked": (
            quality.likeness < limits.likeness
        ),
        f"the Sun has turned by {turned} than the headers' times say": clock > limits.clock + 3 * quality.clock_error,
        f'MDI is displaced by {shift:.1f}", and {limits.shift:g}" is allowed': shift > limits.shift,
        f"MDI is rolled by {quality.roll:.2f} degrees beyond CROTA2": abs(quality.roll) > limits.roll,
        f"MDI's plate scale is off by {100 * quality.stretch:.2f} %": abs(quality.stretch) > limits.stretch,
        # not known to be within the limit, as NaN is not
        f"the alignment is uncertain by {quality.alignment_error:.2f} pixels": (
            not quality.alignment_error <= limits.alignment_error
        ),
        f"MDI reads {quality.gain:.2f} G for 1 G of HMI, and {limits.gain[0]:g} to {limits.gain[1]:g} is allowed": (
            not limits.gain[0] <= quality.gain <= limits.gain[1]
        ),
        f"{100 * quality.missing:.1f} % of the disk are missing": quality.missing > limits.missing,
        f"{quality.constant} pixels hold a constant value": quality.constant > limits.constant,
        f"{quality.damaged} windows do not show what the other instrument shows": quality.damaged > limits.damaged,
    }
    found = "; ".join(text for text, is_wrong in reasons.items() if is_wrong)
    if found:
        msg = f"{found}."
        raise RefusedPairError(msg, pair)
