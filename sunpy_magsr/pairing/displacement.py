"""Smooth displacements of an image of the Sun, fitted to the shifts of neighborhoods."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from sunpy_magsr.pairing.shifts import LEAST_CORRELATION

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Disk", "Displacement", "Rigid", "fit_displacement", "fit_rigid"]

_DEGREE = 3
#: Expected size of the terms of each degree in pixels: pointing and roll are free, distortions by the optics are small.
_EXPECTED = (30.0, 30.0, 0.3, 0.3)
_LEAST_ERROR = 0.1  # pixels by which the shifts of neighborhoods scatter in true pairs, even where the field is strong
_OUTLIER = 4.0  # standard deviations
_LONGEST = 86400.0  # seconds: expected size of an error of the time
_ROUNDS = 8
_MEDIAN = 0.674  # of the absolute value of a normal deviate
_TURN = np.radians(13.2) / 86400  # radians a second, by which the Sun turns for an observer near the Earth


@dataclasses.dataclass(frozen=True)
class Disk:
    """
    Place of the solar disk in an image.

    Parameters
    ----------
    y, x : `float`
        Pixel of disk center, counted from 0.
    radius : `float`
        Radius of the Sun in pixels.
    roll : `float`
        Roll of the image in radians, with the sign of CROTA2. Defaults to 0.
    tilt : `float`
        Heliographic latitude of disk center in radians. Defaults to 0.
    """

    y: float
    x: float
    radius: float
    roll: float = 0.0
    tilt: float = 0.0

    def at(self, y: npt.NDArray, x: npt.NDArray) -> tuple[npt.NDArray, npt.NDArray]:
        """
        Convert pixels to coordinates in units of the solar radius.

        Parameters
        ----------
        y, x : `numpy.ndarray`
            Pixels, counted from 0.

        Returns
        -------
        v, u : `numpy.ndarray`
            Distances from disk center along y and x in solar radii. Both are 0 at disk center, and the root of the sum of
            their squares is 1 at the limb.
        """
        return (y - self.y) / self.radius, (x - self.x) / self.radius


@dataclasses.dataclass(frozen=True)
class Displacement:
    """
    Displacement of an image as a smooth function of the place on the disk.

    Parameters
    ----------
    disk : `Disk`
        Place of the disk in the image.
    coefficients : `numpy.ndarray`
        Coefficients of a cubic polynomial for the displacement along y and x, in pixels ``[10, 2]``.
    covariance : `numpy.ndarray`
        Covariance of the coefficients along one axis, in squared pixels ``[10, 10]``.
    used, refused : `int`
        Number of neighborhoods to which the polynomial was fitted, and number of outliers. Both default to 0.
    scatter : `float`
        Root mean square in pixels of what the fit leaves of the shifts along one axis, without outliers. Defaults to 0.
    """

    disk: Disk
    coefficients: npt.NDArray[np.float64]
    covariance: npt.NDArray[np.float64]
    used: int = 0
    refused: int = 0
    scatter: float = 0.0

    def at(self, y: npt.ArrayLike, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """
        Evaluate the displacement.

        Parameters
        ----------
        y, x : array-like
            Pixels of the image, counted from 0.

        Returns
        -------
        `numpy.ndarray`
            Displacement along y and x in pixels ``[2, ...]``.
        """
        terms = _terms(*self.disk.at(np.asarray(y, float), np.asarray(x, float)))
        return np.moveaxis(terms @ self.coefficients, -1, 0)

    def error(self, y: npt.ArrayLike, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """
        Evaluate the standard error of the displacement.

        Parameters
        ----------
        y, x : array-like
            Pixels at which it is evaluated, as for `at`.

        Returns
        -------
        `numpy.ndarray`
            Standard error along one axis in pixels.
        """
        terms = _terms(*self.disk.at(np.asarray(y, float), np.asarray(x, float)))
        return np.sqrt(np.einsum("...i,ij,...j->...", terms, self.covariance, terms))


@dataclasses.dataclass(frozen=True)
class Rigid:
    """
    Displacement of an image that is only shifted, rolled, stretched, and taken at another time than its header says.

    Parameters
    ----------
    shift : `numpy.ndarray`
        Shift of disk center along y and x, in pixels ``[2]``.
    roll : `float`
        Roll in degrees, counterclockwise.
    stretch : `float`
        Relative error of the plate scale.
    clock : `float`
        Seconds by which the image shows the Sun later than its header says.
    clock_error : `float`
        Standard error of ``clock`` in seconds.
    """

    shift: npt.NDArray[np.float64]
    roll: float
    stretch: float
    clock: float
    clock_error: float


def _powers():
    return [(i, degree - i) for degree in range(_DEGREE + 1) for i in range(degree + 1)]


def _terms(v, u):
    return np.stack([v**i * u**j for i, j in _powers()], axis=-1)


def _trusted(shifts):
    """Neighborhoods that correlate well enough to be used, and the errors of their shifts in pixels."""
    good = (shifts["correlation"] > LEAST_CORRELATION) & np.isfinite(shifts["error"])
    error = np.hypot(shifts["error"][good], _LEAST_ERROR)
    return good, error


def fit_displacement(shifts: dict[str, npt.NDArray], disk: Disk) -> Displacement:
    """
    Fit a cubic polynomial of the place on the disk to the shifts of neighborhoods, without outliers.

    The coefficients of the second and third degree are expected to be about 0.3 pixels, so that the displacement stays
    small where no neighborhood was measured. Pointing, roll and plate scale are free.

    Parameters
    ----------
    shifts : `dict`
        Whole shifts of neighborhoods, as `~sunpy_magsr.pairing.shifts.local_shifts` returns them.
    disk : `Disk`
        Place of the disk in the image.

    Returns
    -------
    `Displacement`
        The fitted displacement.
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
    """Coefficients and covariance of weighted least squares without outliers, and which rows are none."""
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


def fit_rigid(shifts: dict[str, npt.NDArray], disk: Disk) -> Rigid:
    """
    Fit a shift, a roll, a stretch and an error of the time to the shifts of neighborhoods, without outliers.

    The time can be fitted since the Sun rotates: if the image shows the Sun later than its header says, features are
    displaced along the parallels, most at disk center and least at the limb.

    Parameters
    ----------
    shifts : `dict`
        Whole shifts of neighborhoods, as for `fit_displacement`.
    disk : `Disk`
        Place of the disk in the image. Its roll and tilt say in which direction the Sun rotates.

    Returns
    -------
    `Rigid`
        The fitted numbers.
    """
    good, error = _trusted(shifts)
    v, u = disk.at(shifts["y"][good], shifts["x"][good])
    zero, one = np.zeros_like(v), np.ones_like(v)
    motions = [(one, zero), (zero, one), (u, -v), (v, u), _turning(disk, v, u)]
    terms = np.stack([np.stack(motion) for motion in motions], axis=-1).reshape(-1, 5)
    measured = np.stack([shifts["dy"][good], shifts["dx"][good]])
    widths = [_EXPECTED[0]] * 4 + [_LONGEST]
    prior = np.diag(np.array(widths) ** -2.0)
    both = np.concatenate([error, error])
    solved, covariance, _ = _robust(terms, measured.reshape(-1, 1), both, prior)
    shift_y, shift_x, roll, stretch, clock = solved[:, 0]
    return Rigid(
        np.array([shift_y, shift_x]),
        float(np.degrees(roll / disk.radius)),
        float(stretch / disk.radius),
        float(clock),
        float(np.sqrt(covariance[4, 4])),
    )


def _turning(disk, v, u):
    """Pixels along y and x by which the rotation of the Sun moves the image of its surface in a second."""
    cosine, sine = np.cos(disk.roll), np.sin(disk.roll)
    north, west = cosine * v + sine * u, cosine * u - sine * v
    near = np.sqrt(np.clip(1 - north**2 - west**2, 0, None))
    to_west = np.cos(disk.tilt) * near - np.sin(disk.tilt) * north
    to_north = np.sin(disk.tilt) * west
    speed = _TURN * disk.radius
    return speed * (cosine * to_north - sine * to_west), speed * (cosine * to_west + sine * to_north)
