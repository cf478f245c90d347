"""What MDI reads for 1 G of HMI in one pair of frames, and how blurred it is."""

import dataclasses
import itertools

import numpy as np
import scipy.optimize
from astropy.table import Table

from sunpy_magsr.forward_model import MDI_GAIN, hmi_per_mdi

__all__ = ["WIDTHS", "Gain", "fit_gain", "gain_table"]

#: Widths (FWHM in arcsec) of MDI's point-spread function for which the expectation is computed; between them it is
#: interpolated.
WIDTHS = (0.8, 1.8, 2.8, 3.8)
_LEAST_FIELD = 20.0  # Gauss, in the table
_BOUNDS = (0.0, 4.5)  # of the width
_RESPONSE_ERROR = 0.1  # of the reading, beside the noise
_PARTS = 4  # along each axis, for the errors
_LEAST_MU = 0.35
_STRENGTHS = (20, 50, 100, 200, 400, 800, 1600)
_MUS = (0.3, 0.5, 0.7, 0.85, 0.95, 1.0)
_FEWEST = 200  # pixels of a slope


@dataclasses.dataclass(frozen=True)
class Gain:
    """
    Response of a frame.

    Attributes
    ----------
    value, error : `float`
        What MDI reads for 1 G of HMI, and its standard error.
    psf_fwhm : `float`
        Of the Gaussian by which HMI is blurred before MDI's pixel, arcsec.
    """

    value: float
    error: float
    psf_fwhm: float


def blurred(images, width):
    """Expectation for a width between those of `WIDTHS`, by cubic interpolation in its square."""
    squares, at = np.square(WIDTHS), width**2
    weights = [np.prod([(at - other) / (one - other) for other in squares if other != one]) for one in squares]
    return sum(np.float32(weight) * image for weight, image in zip(weights, images, strict=True))


def fit_gain(reading, images, valid, mu, *, noise, seen_noise):
    r"""
    Fit gain and blur jointly, by least squares weighted by noise and an error of the response of a tenth.

    HMI's own noise would make the slope smaller (in a quiet frame by 1 %), so its variance :math:`v` is taken out of what is
    summed: :math:`g = \sum w\,d\,m / \sum w\,(m^2 - v)` of readings :math:`d` and expectations :math:`m` (Fuller 1987,
    Measurement Error Models, section 1.2). Pixels within a cosine of the heliocentric angle of 0.35 are used. The error is
    that of a jackknife over 4 x 4 parts of the frame (Efron & Stein 1981, :doi:`10.1214/aos/1176345462`).

    Parameters
    ----------
    reading : `numpy.ndarray`
        MDI, Gauss ``[y, x]``.
    images : sequence of `numpy.ndarray`
        What HMI saw, at MDI's pixels and blurred by each of `WIDTHS`.
    valid : `numpy.ndarray`
        bool ``[y, x]``.
    mu : `numpy.ndarray`
        Cosine of the heliocentric angle ``[y, x]``.
    noise : `float`
        Of MDI, Gauss.
    seen_noise : sequence of `float`
        Of the images, Gauss.

    Returns
    -------
    `Gain`

    Raises
    ------
    ValueError
        If there are fewer than 200 such pixels.
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


def gain_table(reading, expected, valid, mu):
    """
    Gain by the strength of the field and by the place on the disk, to be compared with what is published.

    Parameters
    ----------
    reading : `numpy.ndarray`
        MDI, Gauss ``[y, x]``.
    expected : `numpy.ndarray`
        What HMI saw at MDI's resolution, Gauss ``[y, x]``.
    valid : `numpy.ndarray`
        bool ``[y, x]``.
    mu : `numpy.ndarray`
        Cosine of the heliocentric angle ``[y, x]``.

    Returns
    -------
    `astropy.table.Table`
        ``by`` (``"strength"`` in Gauss of HMI, or ``"mu"``), ``from``, ``to``, ``hmi_per_mdi`` as measured, with
        ``error``, ``known`` from `~sunpy_magsr.forward_model.hmi_per_mdi` for these readings, and ``pixels``.
    """
    strength = np.abs(expected)
    near = valid & (mu > _LEAST_MU)
    strong = valid & (strength > _LEAST_FIELD)
    bins = [("strength", edges, near & _between(strength, edges)) for edges in itertools.pairwise(_STRENGTHS)]
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
