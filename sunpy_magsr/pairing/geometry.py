"""From the pixels of one instrument to those of another, by way of the rotating surface of the Sun."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
import scipy.ndimage
from astropy.coordinates import SkyCoord
from sunpy.coordinates import HeliographicCarrington, propagate_with_solar_surface

from sunpy_magsr.prep.disk import fill_missing
from sunpy_magsr.prep.exposure import observation_time

if TYPE_CHECKING:
    import numpy.typing as npt
    from sunpy.map import GenericMap

__all__ = ["PixelMap", "interpolate", "map_pixels"]

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

    def at(self, y: npt.ArrayLike, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """
        Find the pixels of the second image that show the same places.

        Parameters
        ----------
        y, x : array-like
            Pixels of the first image, counted from 0. They need not be whole numbers.

        Returns
        -------
        `numpy.ndarray`
            Pixels of the second image along y and x, counted from 0, ``[2, ...]``.
        """
        place = [np.asarray(y) / self.step, np.asarray(x) / self.step]
        options = {"order": 3, "prefilter": False, "mode": "nearest"}
        return np.stack([scipy.ndimage.map_coordinates(one, place, **options) for one in self.nodes])


def map_pixels(low: GenericMap, high: GenericMap) -> PixelMap:
    """
    Find which pixels of one map show the same places on the Sun as the pixels of another, from the headers of both.

    A pixel of the first map is projected onto the surface of the Sun. The surface is rotated differentially from the
    middle of one exposure to that of the other (`sunpy.coordinates.propagate_with_solar_surface`). Then it is seen from the
    second instrument. Distance, parallax, roll and plate scale are taken from the headers.

    Parameters
    ----------
    low, high : `sunpy.map.GenericMap`
        First and second map, helioprojective or heliographic.

    Returns
    -------
    `PixelMap`
        Function from pixels of ``low`` to pixels of ``high``. It is continued off the disk.

    Raises
    ------
    ValueError
        If no pixel of ``low`` shows a place that ``high`` can see.
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
    return PixelMap(np.stack([scipy.ndimage.spline_filter(one, order=3, mode="nearest") for one in filled]), _STEP)


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

    Parameters
    ----------
    data : `numpy.ndarray`
        Image in Gauss ``[y, x]``, NaN where nothing is measured.
    place : `numpy.ndarray`
        Places of the coarse pixels in the image: its pixels along y and x, counted from 0, ``[2, rows, columns]``.
    factor : `int`
        Number of fine pixels along a coarse one.

    Returns
    -------
    `numpy.ndarray`
        float32 Gauss ``[factor rows, factor columns]``. NaN next to missing pixels and beyond the edges of the image.
    """
    lacking = np.isnan(data)
    options = {"order": _ORDER, "output": np.float32, "mode": "nearest"}
    splines = scipy.ndimage.spline_filter(np.where(lacking, 0, data), **options)
    nodes = [scipy.ndimage.spline_filter(one, order=3, mode="nearest") for one in place]
    rows, columns = (factor * size for size in place.shape[1:])
    fine = np.empty((rows, columns), np.float32)
    x = (np.arange(columns) + 0.5) / factor - 0.5
    for start in range(0, rows, _STRIP):
        y = (np.arange(start, min(start + _STRIP, rows)) + 0.5) / factor - 0.5
        grid = np.meshgrid(y, x, indexing="ij")
        options = {"order": 3, "prefilter": False, "mode": "nearest"}
        there = np.stack([scipy.ndimage.map_coordinates(one, grid, **options) for one in nodes])
        options = {"mode": "constant", "output": np.float32}
        part = scipy.ndimage.map_coordinates(splines, there, order=_ORDER, prefilter=False, **options)
        missing = scipy.ndimage.map_coordinates(lacking.astype(np.float32), there, order=1, cval=1.0, **options)
        part[missing > _COVERED] = np.nan
        fine[start : start + len(y)] = part
    return fine
