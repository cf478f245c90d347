"""Where one instrument saw what another saw: pixels to pixels, by way of the turning surface of the Sun."""

import dataclasses

import astropy.units as u
import numpy as np
import scipy.ndimage
from astropy.coordinates import SkyCoord
from sunpy.coordinates import HeliographicCarrington, Helioprojective, propagate_with_solar_surface

from sunpy_magsr.prep.disk import fill_missing
from sunpy_magsr.prep.exposure import observation_time

__all__ = ["PixelMap", "map_pixels"]

_STEP = 2.0  # pixels between the nodes
_RSUN = 696e6 * u.m  # RSUN_REF of both instruments


@dataclasses.dataclass(frozen=True)
class PixelMap:
    """
    Places in one image of what is seen at places of another, smooth enough to be interpolated between nodes.

    Attributes
    ----------
    nodes : `numpy.ndarray`
        Spline coefficients ``[2, ny, nx]`` of the pixel ``(y, x)`` in the second image.
    step : `float`
        Pixels of the first image between nodes; the first node is at pixel 0.
    mu : `numpy.ndarray`
        Cosine of the heliocentric angle ``[y, x]`` of the first image's pixels, NaN off the disk.
    """

    nodes: np.ndarray
    step: float
    mu: np.ndarray

    def at(self, y, x):
        """
        Places in the second image.

        Parameters
        ----------
        y, x : `numpy.ndarray`
            Pixels of the first image, of one shape, the first being 0; they need not be whole.

        Returns
        -------
        `numpy.ndarray`
            Pixels ``[2, ...]``, y and x.
        """
        place = [np.asarray(y) / self.step, np.asarray(x) / self.step]
        options = {"order": 3, "prefilter": False, "mode": "nearest"}
        return np.stack([scipy.ndimage.map_coordinates(one, place, **options) for one in self.nodes])


def map_pixels(low, high):
    """
    Follow the headers of two maps from the pixels of one to those of the other.

    Light is followed back from the first instrument's pixel to the surface of the Sun, the surface is turned from one
    time to the other (differentially, `sunpy.coordinates.propagate_with_solar_surface`; the times are the middles of the
    exposures), and seen from the other instrument: distance, parallax, roll and plate scale are those of the headers.

    Parameters
    ----------
    low, high : `sunpy.map.GenericMap`
        The two, in helioprojective coordinates.

    Returns
    -------
    `PixelMap`
        Pixels of ``low`` to pixels of ``high``. Nodes off the disk hold the nearest node on it.
    """
    rows, columns = low.data.shape
    y, x = (np.arange(0, size + _STEP, _STEP) for size in (rows, columns))
    grid = np.meshgrid(y, x, indexing="ij")
    place = _places(low, high, *grid)
    known = np.isfinite(place).all(axis=0)
    if not known.any():
        msg = "low and high must show the disk, and no pixel of low does."
        raise ValueError(msg)
    # how the places differ from those of a plain image, which continues off the disk
    basis = np.stack([np.ones_like(grid[0]), *grid], axis=-1)
    plain = np.linalg.lstsq(basis[known], place[:, known].T, rcond=None)[0]
    plain = np.moveaxis(basis @ plain, -1, 0)
    nodes = np.stack([fill_missing(one - base, known) + base for one, base in zip(place, plain, strict=True)])
    nodes = np.stack([scipy.ndimage.spline_filter(one, order=3, mode="nearest") for one in nodes])
    celestial = [angle.to_value(u.rad) for angle in _world(low, *np.indices((rows, columns))[::-1])]
    radius = _radius(_frame(low))
    with np.errstate(invalid="ignore"):
        cosine = np.sqrt(1 - (np.hypot(*celestial) / radius) ** 2)
    return PixelMap(nodes, _STEP, cosine)


def _places(low, high, y, x):
    """Pixels of ``high`` at pixels of ``low``, NaN off the disk."""
    frames = [_frame(smap) for smap in (low, high)]
    world = _world(low, x, y)
    seen = SkyCoord(*world, frame=frames[0])
    on_disk = np.hypot(*(one.to_value(u.rad) for one in world)) < _radius(frames[0])
    with propagate_with_solar_surface():
        there = seen[on_disk].transform_to(frames[1])
    place = np.full((2, *y.shape), np.nan)
    celestial = high.wcs.celestial
    units = [u.Unit(unit) for unit in celestial.world_axis_units]
    found = celestial.world_to_pixel_values(there.Tx.to_value(units[0]), there.Ty.to_value(units[1]))
    place[0][on_disk], place[1][on_disk] = found[1], found[0]
    return place


def _world(smap, x, y):
    celestial = smap.wcs.celestial
    angles = celestial.pixel_to_world_values(x, y)
    units = [u.Unit(unit) for unit in celestial.world_axis_units]
    turned = [(angle * unit).to_value(u.deg) for angle, unit in zip(angles, units, strict=True)]
    return [((angle + 180) % 360 - 180) * u.deg for angle in turned]


def _radius(frame):
    """Angular radius of the Sun in radians."""
    return np.arcsin((_RSUN / frame.observer.radius).to_value(u.dimensionless_unscaled))


def _frame(smap):
    """Helioprojective frame at the middle of the exposure, whatever date sunpy takes for the instrument."""
    time = observation_time(smap)
    observer = smap.observer_coordinate
    if "hgln_obs" not in smap.meta:  # else given against the Earth, which is the same a minute later
        observer = observer.transform_to(HeliographicCarrington(obstime=observer.obstime, observer="self"))
    observer = SkyCoord(observer.data, frame=observer.frame.replicate_without_data(obstime=time))
    return Helioprojective(observer=observer, obstime=time, rsun=_RSUN)
