"""What MDI reads where HMI reads 1 G, and how much more MDI is blurred, measured on one pair."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

import numpy as np
import scipy.optimize
from astropy.table import Table

from sunpy_magsr.forward_model import MDI_GAIN, hmi_per_mdi

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = ["WIDTHS", "Gain", "fit_gain", "gain_table"]

#: Widths of MDI's point-spread function (FWHM in arcsec) for which HMI is blurred. For other widths the blurred images
#: are interpolated.
WIDTHS = (0.8, 1.8, 2.8, 3.8)
_LEAST_FIELD = 20.0  # Gauss; weaker pixels are left out of the table by place on the disk
_BOUNDS = (0.0, 4.5)  # of the width, arcsec
_RESPONSE_ERROR = 0.1  # of the reading, beside the noise
_PARTS = 4  # along each axis, for the errors
_LEAST_MU = 0.35  # cosine of the heliocentric angle; pixels nearer to the limb are left out
_STRENGTHS = (20, 50, 100, 200, 400, 800, 1600)
_MUS = (0.3, 0.5, 0.7, 0.85, 0.95, 1.0)
_FEWEST = 200  # pixels of a slope


@dataclasses.dataclass(frozen=True)
class Gain:
    """
    Gain and blur of an MDI frame.

    Parameters
    ----------
    value, error : `float`
        What MDI reads where HMI reads 1 G, and its standard error.
    psf_fwhm : `float`
        Full width at half maximum in arcsec of the Gaussian by which HMI must be blurred, before it is averaged over MDI's
        pixels, to look like MDI.
    """

    value: float
    error: float
    psf_fwhm: float


def blurred(images, width):
    """Blurred image for any width (FWHM in arcsec), by cubic interpolation in its square between those of `WIDTHS`."""
    squares, at = np.square(WIDTHS), width**2
    weights = [np.prod([(at - other) / (one - other) for other in squares if other != one]) for one in squares]
    return sum(np.float32(weight) * image for weight, image in zip(weights, images, strict=True))


def fit_gain(
    reading: npt.NDArray,
    images: Sequence[npt.NDArray],
    valid: npt.NDArray[np.bool_],
    mu: npt.NDArray,
    *,
    noise: float,
    seen_noise: npt.ArrayLike,
) -> Gain:
    r"""
    Fit the gain and the blur of an MDI frame together.

    The fit is by least squares. Each pixel is weighted by MDI's noise and by an error of the response of 10 % of the
    reading. HMI's own noise would make the gain too small (by 1 % in a quiet frame), so its variance :math:`v` is
    subtracted: the gain is :math:`g = \sum w\,d\,m / \sum w\,(m^2 - v)` with MDI's readings :math:`d`, HMI's blurred field
    :math:`m` and the weights :math:`w` (Fuller 1987, Measurement Error Models, section 1.2). Only pixels whose cosine of the
    heliocentric angle is above 0.35 are used. The error is that of a jackknife over 4 x 4 parts of the frame (Efron & Stein
    1981, :doi:`10.1214/aos/1176345462`).

    Parameters
    ----------
    reading : `numpy.ndarray`
        MDI's magnetogram in Gauss ``[y, x]``.
    images : sequence of `numpy.ndarray`
        HMI's magnetogram at MDI's pixels in Gauss ``[y, x]``, blurred by each of `WIDTHS`.
    valid : `numpy.ndarray`
        Pixels in which both are known, bool ``[y, x]``.
    mu : `numpy.ndarray`
        Cosine of the heliocentric angle ``[y, x]``.
    noise : `float`
        Standard deviation of MDI's noise in Gauss.
    seen_noise : sequence of `float`
        Standard deviation of HMI's noise in each of the images, in Gauss.

    Returns
    -------
    `Gain`
        The gain with its error, and the width of the blur.

    Raises
    ------
    ValueError
        If fewer than 200 pixels can be used.
    """
    used = valid & (mu > _LEAST_MU)
    if used.sum() < _FEWEST:
        msg = f"a pair must have {_FEWEST} pixels with mu above {_LEAST_MU} to fit its gain, got {used.sum()}."
        raise ValueError(msg)
    read, seen = reading[used].astype(float), [image[used].astype(float) for image in images]
    rows, columns = (place * _PARTS // size for place, size in zip(np.nonzero(used), used.shape, strict=True))
    part = rows * _PARTS + columns

    def solved(kept, guess):
        weight = 1 / (noise**2 + (_RESPONSE_ERROR * guess * seen[-1][kept]) ** 2)

        def slope(width):
            model = blurred([one[kept] for one in seen], width)
            variance = np.interp(width, WIDTHS, seen_noise) ** 2
            gain = (weight * model * read[kept]).sum() / (weight * (model**2 - variance)).sum()
            return gain, (weight * ((read[kept] - gain * model) ** 2 - gain**2 * variance)).sum()

        found = scipy.optimize.minimize_scalar(lambda width: slope(width)[1], bounds=_BOUNDS, method="bounded")
        return slope(found.x)[0], found.x

    everything = np.ones(len(part), bool)
    gain, _ = solved(everything, MDI_GAIN)
    gain, width = solved(everything, gain)
    others = np.array([solved(part != one, gain)[0] for one in np.unique(part)])
    count = len(others)
    error = np.sqrt((count - 1) / count * ((others - others.mean()) ** 2).sum())
    return Gain(float(gain), float(error), float(width))


def gain_table(reading: npt.NDArray, expected: npt.NDArray, valid: npt.NDArray[np.bool_], mu: npt.NDArray) -> Table:
    """
    Measure the gain in bins of field strength and of place on the disk, for a comparison with published values.

    Parameters
    ----------
    reading : `numpy.ndarray`
        MDI's magnetogram in Gauss ``[y, x]``.
    expected : `numpy.ndarray`
        HMI's magnetogram at MDI's resolution and pixels, in Gauss on HMI's scale ``[y, x]``.
    valid, mu : `numpy.ndarray`
        Pixels in which both are known, and the cosine of the heliocentric angle, as for `fit_gain`.

    Returns
    -------
    `astropy.table.Table`
        One row for each bin: the quantity that is binned (``by``: ``"strength"`` for HMI's field in Gauss, or ``"mu"``), its
        bounds (``from`` and ``to``), the ratio of HMI to MDI as measured (``hmi_per_mdi``) with its standard ``error``,
        the ratio that `~sunpy_magsr.forward_model.hmi_per_mdi` gives for the same readings (``known``), and the number of
        ``pixels``. Bins of fewer than 200 pixels are left out.
    """
    strength = np.abs(expected)
    near = valid & (mu > _LEAST_MU)
    strong = valid & (strength > _LEAST_FIELD)
    bins: list[tuple] = [
        ("strength", edges, near & _between(strength, edges)) for edges in itertools.pairwise(_STRENGTHS)
    ]
    bins += [("mu", edges, strong & _between(mu, edges)) for edges in itertools.pairwise(_MUS)]
    rows = []
    for by, (low, high), used in bins:
        if used.sum() < _FEWEST:
            continue
        read, seen = reading[used].astype(float), expected[used].astype(float)
        gain = (read @ seen) / (seen @ seen)
        error = np.sqrt(((read - gain * seen) ** 2 * seen**2).sum()) / (seen @ seen)
        known = (np.abs(read) * hmi_per_mdi(read)).sum() / np.abs(read).sum()
        row = {"by": by, "from": low, "to": high, "hmi_per_mdi": 1 / gain, "error": error / gain**2}
        rows.append(row | {"known": known, "pixels": int(used.sum())})
    table = Table(rows, names=("by", "from", "to", "hmi_per_mdi", "error", "known", "pixels") if not rows else None)
    for name in ("hmi_per_mdi", "error", "known"):
        table[name].info.format = ".3f"
    return table


def _between(values, edges):
    with np.errstate(invalid="ignore"):
        return (values > edges[0]) & (values <= edges[1])
