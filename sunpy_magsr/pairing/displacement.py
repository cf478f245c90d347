"""A smooth field of shifts over the disk, fitted to those of neighborhoods."""

import dataclasses

import numpy as np

from sunpy_magsr.pairing.shifts import LEAST_CORRELATION

__all__ = ["Disk", "Displacement", "Rigid", "fit_displacement", "fit_rigid"]

_DEGREE = 3
#: Expected size of the terms of each degree in pixels: pointing and roll are free, what optics bend is small.
_EXPECTED = (30.0, 30.0, 0.3, 0.3)
_LEAST_ERROR = 0.1  # pixels: what neighborhoods of true pairs of MDI and HMI scatter by, however strong their field
_OUTLIER = 4.0  # standard deviations
_LONGEST = 86400.0  # seconds that a clock may be wrong
_ROUNDS = 8
_MEDIAN = 0.674  # of the absolute value of a normal deviate
_TURN = np.radians(13.2) / 86400  # radians a second, by which the Sun turns for an observer near the Earth


@dataclasses.dataclass(frozen=True)
class Disk:
    """
    Where the Sun is in an image.

    Attributes
    ----------
    y, x : `float`
        Pixel of disk center, the first being 0.
    radius : `float`
        Pixels.
    roll : `float`
        As in CROTA2, radians.
    tilt : `float`
        Heliographic latitude of disk center, radians.
    """

    y: float
    x: float
    radius: float
    roll: float = 0.0
    tilt: float = 0.0

    def at(self, y, x):
        """Coordinates ``(v, u)`` that are 0 at disk center and 1 at the limb."""
        return (y - self.y) / self.radius, (x - self.x) / self.radius


@dataclasses.dataclass(frozen=True)
class Displacement:
    """
    By how much an image is displaced, everywhere on the disk.

    Attributes
    ----------
    disk : `Disk`
        Where the Sun is.
    coefficients : `numpy.ndarray`
        Pixels ``[10, 2]``, of the terms of a cubic polynomial, along y and x.
    covariance : `numpy.ndarray`
        Of the terms, ``[10, 10]``, pixels squared.
    used, refused : `int`
        Neighborhoods that the fit is made of, and outliers.
    scatter : `float`
        Pixels; root mean square along one axis of what the fit leaves of the shifts that were used.
    """

    disk: Disk
    coefficients: np.ndarray
    covariance: np.ndarray
    used: int = 0
    refused: int = 0
    scatter: float = 0.0

    def at(self, y, x):
        """Pixels ``[2, ...]`` along y and x at pixels of the image."""
        terms = _terms(*self.disk.at(np.asarray(y, float), np.asarray(x, float)))
        return np.moveaxis(terms @ self.coefficients, -1, 0)

    def error(self, y, x):
        """Standard error in pixels along one axis."""
        terms = _terms(*self.disk.at(np.asarray(y, float), np.asarray(x, float)))
        return np.sqrt(np.einsum("...i,ij,...j->...", terms, self.covariance, terms))


@dataclasses.dataclass(frozen=True)
class Rigid:
    """
    What a displacement would be if the image were only shifted, rolled, stretched, and taken at another time.

    Attributes
    ----------
    shift : `numpy.ndarray`
        Pixels along y and x, at disk center.
    roll : `float`
        Degrees counterclockwise.
    stretch : `float`
        Relative.
    clock : `float`
        Seconds by which the image shows the Sun later than its header says.
    clock_error : `float`
        Standard error of it.
    """

    shift: np.ndarray
    roll: float
    stretch: float
    clock: float
    clock_error: float


def _powers():
    return [(i, degree - i) for degree in range(_DEGREE + 1) for i in range(degree + 1)]


def _terms(v, u):
    return np.stack([v**i * u**j for i, j in _powers()], axis=-1)


def _trusted(shifts):
    """Rows to use, their places, and errors in pixels."""
    good = (shifts["correlation"] > LEAST_CORRELATION) & np.isfinite(shifts["error"])
    error = np.hypot(shifts["error"][good], _LEAST_ERROR)
    return good, error


def fit_displacement(shifts, disk):
    """
    Fit a cubic polynomial to the shifts of neighborhoods; outliers are refused.

    Terms of the second and third degree are expected to be of 0.3 pixels, so that they stay small where nothing is
    measured; pointing, roll and plate scale are free.

    Parameters
    ----------
    shifts : `dict`
        From `~sunpy_magsr.pairing.shifts.local_shifts`, of the whole displacement.
    disk : `Disk`
        Where the Sun is.

    Returns
    -------
    `Displacement`
    """
    good, error = _trusted(shifts)
    terms = _terms(*disk.at(shifts["y"][good], shifts["x"][good]))
    measured = np.stack([shifts["dy"][good], shifts["dx"][good]], axis=-1)
    prior = np.diag([_EXPECTED[i + j] ** -2.0 for i, j in _powers()])
    coefficients, covariance, kept = _robust(terms, measured, error, prior)
    left = (measured - terms @ coefficients)[kept]
    scatter = float(np.sqrt(np.mean(left**2))) if kept.any() else np.inf
    return Displacement(disk, coefficients, covariance, int(kept.sum()), int((~kept).sum()), scatter)


def _robust(terms, measured, error, prior):
    """Weighted least squares; rows of outliers are left out."""
    kept, factor = np.ones(len(terms), bool), 1.0
    for _ in range(_ROUNDS):
        weight = kept / error**2 / factor
        covariance = np.linalg.inv((terms.T * weight) @ terms + prior)
        coefficients = covariance @ ((terms.T * weight) @ measured)
        left = (measured - terms @ coefficients) / error[:, None]
        factor = max((np.median(np.abs(left[kept])) / _MEDIAN) ** 2, 1.0) if kept.any() else 1.0
        now = np.linalg.norm(left, axis=1) < _OUTLIER * np.sqrt(factor)
        if (now == kept).all():
            break
        kept = now
    return coefficients, covariance, kept


def fit_rigid(shifts, disk):
    """
    Fit shift, roll, stretch and an error of the clock to the shifts of neighborhoods; outliers are refused.

    An image that shows the Sun later than its header says is displaced along the parallels, most at disk center and
    least at the limb.

    Parameters
    ----------
    shifts : `dict`
        As for `fit_displacement`.
    disk : `Disk`
        Where the Sun is.

    Returns
    -------
    `Rigid`
    """
    good, error = _trusted(shifts)
    v, u = disk.at(shifts["y"][good], shifts["x"][good])
    zero, one = np.zeros_like(v), np.ones_like(v)
    terms = [(one, zero), (zero, one), (u, -v), (v, u), _turning(disk, v, u)]
    terms = np.stack([np.stack(term) for term in terms], axis=-1)  # [2, n, 5]
    measured = np.stack([shifts["dy"][good], shifts["dx"][good]])
    flat = terms.reshape(-1, 5)
    widths = [_EXPECTED[0]] * 4 + [_LONGEST]
    prior = np.diag(np.array(widths) ** -2.0)
    both = np.concatenate([error, error])
    solved, covariance, _ = _robust(flat, measured.reshape(-1, 1), both, prior)
    shift_y, shift_x, roll, stretch, clock = solved[:, 0]
    return Rigid(
        np.array([shift_y, shift_x]),
        float(np.degrees(roll / disk.radius)),
        float(stretch / disk.radius),
        float(clock),
        float(np.sqrt(covariance[4, 4])),
    )


def _turning(disk, v, u):
    """Pixels along y and x by which the image of the surface moves in a second."""
    cosine, sine = np.cos(disk.roll), np.sin(disk.roll)
    north, west = cosine * v + sine * u, cosine * u - sine * v
    near = np.sqrt(np.clip(1 - north**2 - west**2, 0, None))
    to_west = np.cos(disk.tilt) * near - np.sin(disk.tilt) * north
    to_north = np.sin(disk.tilt) * west
    speed = _TURN * disk.radius
    return speed * (cosine * to_north - sine * to_west), speed * (cosine * to_west + sine * to_north)
