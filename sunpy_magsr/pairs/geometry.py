"""Where each instrument sees the same place of the Sun: rotation, shifts, distortion."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
import scipy.ndimage
from astropy.coordinates import SkyCoord
from skimage.filters import window
from skimage.registration import phase_cross_correlation
from sunpy.coordinates import HeliographicCarrington, propagate_with_solar_surface

from sunpy_magsr.maps.disk import fill_missing
from sunpy_magsr.maps.header import observation_time

if TYPE_CHECKING:
    import numpy.typing as npt
    from sunpy.map import GenericMap


_STEP = 2.0  # pixels between the nodes
_ORDER = 5  # of the splines
_STRIP = 256  # rows that are interpolated at once
_COVERED = 0.01  # share of missing pixels beyond which the result is NaN


@dataclasses.dataclass(frozen=True)
class PixelMap:
    """
    Function from the pixels of one image to the pixels of another that show the same place on the Sun.

    The function is computed on a coarse grid of nodes and interpolated between them.

    Parameters
    ----------
    nodes : `numpy.ndarray`
        Cubic spline coefficients ``[2, ny, nx]`` of the pixel ``(y, x)`` in the second image.
    step : `float`
        Distance of the nodes in pixels of the first image. The first node is at pixel 0.
    """

    nodes: npt.NDArray[np.float64]
    step: float

    @classmethod
    def through(cls, place: npt.NDArray, step: float) -> PixelMap:
        """Interpolate the pixels of the second image that are known at the nodes ``[2, ny, nx]``."""
        return cls(np.stack([scipy.ndimage.spline_filter(one, order=3, mode="nearest") for one in place]), step)

    def at(self, y: npt.ArrayLike, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Find the pixels of the second image that show the same places."""
        place = [np.asarray(y) / self.step, np.asarray(x) / self.step]
        options = {"order": 3, "prefilter": False, "mode": "nearest"}
        return np.stack([scipy.ndimage.map_coordinates(one, place, **options) for one in self.nodes])


def map_pixels(low: GenericMap, high: GenericMap) -> PixelMap:
    """
    Find which pixels of one map show the same places on the Sun as the pixels of another, from the headers of both.

    A pixel of the first map is projected onto the surface of the Sun. The surface is rotated differentially from the
    middle of one exposure to that of the other (`sunpy.coordinates.propagate_with_solar_surface`). Then it is seen from the
    second instrument. Distance, parallax, roll and plate scale are taken from the headers.
    """
    y, x = (np.arange(0, size + _STEP, _STEP) for size in low.data.shape)
    grid = np.meshgrid(y, x, indexing="ij")
    place = _places(low, high, *grid)
    known = np.isfinite(place).all(axis=0)
    if not known.any():
        msg = "low must show a part of the Sun that high can see, and no pixel of it does."
        raise ValueError(msg)
    # off the disk: how the image is turned and stretched, and the nearest place's difference from that
    terms = np.stack([np.ones_like(grid[0]), *grid], axis=-1)
    plain = terms @ np.linalg.lstsq(terms[known], place[:, known].T, rcond=None)[0]
    plain = np.moveaxis(plain, -1, 0)
    filled = [fill_missing(one - base, known) + base for one, base in zip(place, plain, strict=True)]
    return PixelMap.through(np.stack(filled), _STEP)


def _places(low, high, y, x):
    """Pixels of ``high`` that show the same places as pixels of ``low``, NaN off the disk."""
    celestial = low.wcs.celestial
    angles = celestial.pixel_to_world_values(x, y)
    angles = [angle * u.Unit(unit) for angle, unit in zip(angles, celestial.world_axis_units, strict=True)]
    seen = SkyCoord(*angles, frame=_frame(low))
    if hasattr(seen, "make_3d"):  # seen from somewhere; off the disk there is no distance
        seen = seen.make_3d()
    known = np.isfinite(seen.spherical.distance.value)
    with propagate_with_solar_surface():
        there = seen[known].transform_to(_frame(high)).spherical
    celestial = high.wcs.celestial
    units = celestial.world_axis_units
    found = celestial.world_to_pixel_values(
        there.lon.wrap_at(180 * u.deg).to_value(units[0]), there.lat.to_value(units[1])
    )
    place = np.full((2, *y.shape), np.nan)
    place[0][known], place[1][known] = found[1], found[0]
    return place


def _frame(smap):
    """Coordinate frame of a map at the middle of its exposure, which is not for all instruments the date of the map."""
    time = observation_time(smap)
    observer = smap.observer_coordinate
    if "hgln_obs" not in smap.meta:  # else given against the Earth, which is the same a minute later
        observer = observer.transform_to(HeliographicCarrington(obstime=observer.obstime, observer="self"))
    observer = SkyCoord(observer.data, frame=observer.frame.replicate_without_data(obstime=time))
    options = {"obstime": time}
    if "observer" in smap.coordinate_frame.frame_attributes:
        options["observer"] = observer
    return smap.coordinate_frame.replicate_without_data(**options)


def interpolate(data: npt.NDArray, place: npt.NDArray, factor: int) -> npt.NDArray[np.float32]:
    """
    Interpolate an image to a grid that is finer by a factor than given pixels.

    The interpolation uses splines of the fifth degree. For HMI they keep all of the power between 4 and 2 arcsec and 98 %
    of the power between 2 and 1.33 arcsec, while adaptive resampling with anti-aliasing keeps 82 % and 59 %
    (``docs/dev_guide/decisions/pairs.rst``).
    """
    lacking = np.isnan(data)
    splines = scipy.ndimage.spline_filter(np.where(lacking, 0, data), order=_ORDER, output=np.float32, mode="nearest")
    places = PixelMap.through(place, 1.0)
    rows, columns = ((np.arange(factor * size) + 0.5) / factor - 0.5 for size in place.shape[1:])
    fine = np.empty((len(rows), len(columns)), np.float32)
    options = {"mode": "constant", "output": np.float32}
    for start in range(0, len(rows), _STRIP):  # the places of all pixels at once would not fit into memory
        strip = slice(start, start + _STRIP)
        there = places.at(*np.meshgrid(rows[strip], columns, indexing="ij"))
        fine[strip] = scipy.ndimage.map_coordinates(splines, there, order=_ORDER, prefilter=False, **options)
        missing = scipy.ndimage.map_coordinates(lacking.astype(np.float32), there, order=1, cval=1.0, **options)
        fine[strip][missing > _COVERED] = np.nan
    return fine


_SIDE = 48  # pixels of a neighborhood
_UPSAMPLING = 100  # the shift is found to a hundredth of a pixel
_LEAST_SHARE = 0.9  # of a neighborhood that must be measured
#: Neighborhoods whose correlation is lower are not used, as their shifts are not reliable.
LEAST_CORRELATION = 0.2


def common_shift(
    reading: npt.NDArray, expected: npt.NDArray, valid: npt.NDArray[np.bool_], *, largest: int
) -> npt.NDArray[np.float64]:
    """Measure the shift of a whole image, to a whole pixel."""
    spectra = [np.fft.rfft2(np.where(valid, np.clip(one, -500, 500), 0)) for one in (reading, expected)]
    product = np.fft.irfft2(spectra[0] * spectra[1].conj(), s=valid.shape)
    near = np.arange(-largest, largest + 1)
    peak = product[np.ix_(near, near)]
    return np.array([near[one] for one in np.unravel_index(np.argmax(peak), peak.shape)], dtype=float)


def local_shifts(
    reading: npt.NDArray, expected: npt.NDArray, valid: npt.NDArray[np.bool_], *, side: int = _SIDE
) -> dict[str, npt.NDArray]:
    """
    Measure the shifts of small neighborhoods, to a fraction of a pixel.

    The neighborhoods are squares that overlap by half. The shift of each is the place of the maximum of the
    cross-correlation under a Hann window, found by upsampled Fourier transforms (Guizar-Sicairos et al. 2008,
    :doi:`10.1364/OL.33.000156`; `skimage.registration.phase_cross_correlation`). The window moves the maximum towards
    zero, so a large shift must be removed and the rest be measured again.
    """
    taper = window("hann", (side, side)).astype(np.float32)
    rows = []
    for y in range(0, reading.shape[0] - side + 1, side // 2):
        for x in range(0, reading.shape[1] - side + 1, side // 2):
            part = (slice(y, y + side), slice(x, x + side))
            known = valid[part]
            if known.mean() < _LEAST_SHARE:
                continue
            middle = {"y": y + (side - 1) / 2, "x": x + (side - 1) / 2}
            rows.append(middle | _shift(reading[part], expected[part], known * taper))
    return {name: np.array([row[name] for row in rows]) for name in ("y", "x", "dy", "dx", "correlation", "error")}


def _shift(reading, expected, weight):
    """Shift of one neighborhood, with the correlation and the error."""
    one, two = (weight * (field - np.average(field, weights=weight)) for field in (reading, expected))
    norm = np.sqrt((one**2).sum() * (two**2).sum())
    if norm == 0:
        return {"dy": 0.0, "dx": 0.0, "correlation": 0.0, "error": np.inf}
    (dy, dx), *_ = phase_cross_correlation(one, two, upsample_factor=_UPSAMPLING, normalization=None)
    correlation = float((one * two).sum() / norm)
    slope = (one * two).sum() / (two**2).sum()
    left = (one - slope * two).std()
    gradient = np.sqrt(np.mean([(np.gradient(slope * two, axis=axis) ** 2).sum() for axis in (0, 1)]))
    return {"dy": dy, "dx": dx, "correlation": correlation, "error": float(left / gradient) if gradient else np.inf}


_POWERS = [(i, degree - i) for degree in range(4) for i in range(degree + 1)]  # of a cubic polynomial
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
    Place of the solar disk in an image: pixel of its center and radius in pixels.

    The roll (with the sign of CROTA2) and the heliographic latitude of disk center are in radians, the plate scale in
    arcsec.
    """

    y: float
    x: float
    radius: float
    roll: float
    tilt: float
    scale: float

    def at(self, y: npt.NDArray, x: npt.NDArray) -> tuple[npt.NDArray, npt.NDArray]:
        """Convert pixels to coordinates in units of the solar radius."""
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
        """Evaluate the displacement."""
        return np.moveaxis(_terms(self.disk, y, x) @ self.coefficients, -1, 0)

    def error(self, y: npt.ArrayLike, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Evaluate the standard error of the displacement."""
        terms = _terms(self.disk, y, x)
        return np.sqrt(np.einsum("...i,ij,...j->...", terms, self.covariance, terms))


def _terms(disk, y, x):
    """Terms of the polynomial at pixels, along the last axis."""
    v, u = disk.at(np.asarray(y, float), np.asarray(x, float))
    return np.stack([v**i * u**j for i, j in _POWERS], axis=-1)


def _trusted(shifts):
    """Neighborhoods that correlate well enough to be used, and the errors of their shifts in pixels."""
    good = (shifts["correlation"] > LEAST_CORRELATION) & np.isfinite(shifts["error"])
    return {name: values[good] for name, values in shifts.items()}, np.hypot(shifts["error"][good], _LEAST_ERROR)


def fit_displacement(shifts: dict[str, npt.NDArray], disk: Disk) -> Displacement:
    """
    Fit a cubic polynomial of the place on the disk to the shifts of neighborhoods, without outliers.

    The coefficients of the second and third degree are expected to be about 0.3 pixels, so that the displacement stays
    small where no neighborhood was measured. Pointing, roll and plate scale are free.
    """
    used, error = _trusted(shifts)
    terms = _terms(disk, used["y"], used["x"])
    measured = np.stack([used["dy"], used["dx"]], axis=-1)
    prior = np.diag([_EXPECTED[i + j] ** -2.0 for i, j in _POWERS])
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


def fit_rigid(shifts: dict[str, npt.NDArray], disk: Disk) -> dict[str, Any]:
    """
    Fit a shift, a roll, a stretch and an error of the time to the shifts of neighborhoods, without outliers.

    They have the names and units of `~sunpy_magsr.pairs.PairQuality`. The time can be fitted since the Sun rotates: if the
    image shows the Sun later than its header says, features are displaced along the parallels, most at disk center and
    least at the limb.
    """
    used, error = _trusted(shifts)
    v, u = disk.at(used["y"], used["x"])
    zero, one = np.zeros_like(v), np.ones_like(v)
    motions = [(one, zero), (zero, one), (u, -v), (v, u), _turning(disk, v, u)]
    terms = np.stack([np.concatenate(motion) for motion in motions], axis=-1)
    measured = np.concatenate([used["dy"], used["dx"]])[:, None]
    prior = np.diag(np.array([_EXPECTED[0]] * 4 + [_LONGEST]) ** -2.0)
    solved, covariance, _ = _robust(terms, measured, np.tile(error, 2), prior)
    shift_y, shift_x, roll, stretch, clock = map(float, solved[:, 0])
    return {
        "shift_y": shift_y * disk.scale,
        "shift_x": shift_x * disk.scale,
        "roll": float(np.degrees(roll / disk.radius)),
        "stretch": stretch / disk.radius,
        "clock": clock,
        "clock_error": float(np.sqrt(covariance[4, 4])),
    }


def _turning(disk, v, u):
    """Pixels along y and x by which the rotation of the Sun moves the image of its surface in a second."""
    cosine, sine = np.cos(disk.roll), np.sin(disk.roll)
    north, west = cosine * v + sine * u, cosine * u - sine * v
    near = np.sqrt(np.clip(1 - north**2 - west**2, 0, None))
    to_west = np.cos(disk.tilt) * near - np.sin(disk.tilt) * north
    to_north = np.sin(disk.tilt) * west
    speed = _TURN * disk.radius
    return speed * (cosine * to_north - sine * to_west), speed * (cosine * to_west + sine * to_north)
