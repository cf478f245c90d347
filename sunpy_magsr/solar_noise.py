"""Noise that rotates with the Sun and is renewed at the lifetime of what it stands for."""

import functools

import astropy.units as u
import numpy as np
from astropy.time import Time
from sunpy.coordinates import HeliographicCarrington
from sunpy.sun.constants import sidereal_rotation_rate
from sunpy.sun.models import differential_rotation

from sunpy_magsr.prep.exposure import observation_time
from sunpy_magsr.prep.wcs import is_helioprojective, unread_roll
from sunpy_magsr.tiling.hashing import hashed, normal_numbers, uniform_numbers

__all__ = ["NOISE_LIFETIME", "SolarNoise"]

#: Lifetime of the field between 4 and 2 arcsec, measured on HMI.
NOISE_LIFETIME = 1 * u.hour

_START = Time("1996-01-01T00:00:00", scale="tai")
_CELL = 0.12  # degrees: MDI's pixel at disk center
_STEPS = 4  # sizes of cells in a factor of two
_LEAST_COSINE = 0.2  # of the heliocentric angle: nearer the limb, a pixel's place on the Sun is not known well enough
_REACH = 2  # pixels, within which two may fall into one cell
_NEIGHBORS = [(y, x) for y in range(-_REACH, 1) for x in range(-_REACH, _REACH + 1) if (y, x) < (0, 0)]
_ON_SUN, _IN_FRAME = 1, 2


class SolarNoise:
    r"""
    White Gaussian noise that belongs to places on the Sun.

    The Sun is divided into cells of about an input pixel, in rings of latitude each of which rotates at its own rate
    (Snodgrass 1983, :doi:`10.1086/161121`, as `sunpy.sun.models.differential_rotation` has it). A pixel takes the noise of
    the cell that its center is in. Cells are as wide and as tall as the pixels on the Sun are there. If two pixels fall into one
    cell, the second takes numbers of its own, as do the pixels off the disk and within 2 % of the limb. So every pixel of a
    frame has numbers that no other one has, and the noise of a single frame is white, exactly.

    A cell renews its numbers at random times. Its period is drawn from a gamma distribution so that two frames a time
    :math:`\Delta t` apart correlate as :math:`e^{-\Delta t / \tau}`: the mean of the triangles
    :math:`\max(0, 1 - \Delta t / T)` over periods :math:`T` of density :math:`T \tau^{-2} e^{-T / \tau}`.
    All is a function of place, time and seed, so that any frame, or any cutout of it, can be computed alone.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The input.
    magnetogram : `~sunpy_magsr.prep.Magnetogram`
        Its array form.
    lifetime : `float`
        Time :math:`\tau` in seconds, not negative; 0 renews the noise in each frame, infinity never.
    """

    def __init__(self, smap, magnetogram, lifetime):
        roll = unread_roll(smap)  # as the result's header has it
        self.smap = smap if roll is None else type(smap)(smap.data, {**smap.meta, "crota2": roll})
        self.origin = magnetogram.origin
        self.lifetime = lifetime
        self.time = (observation_time(smap).tai - _START).to_value(u.s)
        pixel = np.mean([scale.value for scale in magnetogram.plate_scale])
        self.foreshortened = is_helioprojective(smap)
        if self.foreshortened:
            pixel = np.rad2deg(pixel / smap.rsun_obs.to_value(u.arcsec))
        self.cell = _CELL * 2.0 ** (np.round(2 * np.log2(pixel / _CELL)) / 2)
        self._keys = functools.lru_cache(maxsize=1)(self._keys_of)  # all samples have the same

    def __call__(self, shape, *, origin, seed, sample):
        """
        Noise of a window of the frame; see `sunpy_magsr.tiling.noise_field`.

        Parameters
        ----------
        shape : `tuple` of `int`
            Channels, rows and columns of the window.
        origin : `tuple` of `int`
            Absolute pixel ``(y, x)`` of the window's first.
        seed, sample : `int`
            Not negative.

        Returns
        -------
        `numpy.ndarray`
            float32, ``shape``.
        """
        return normal_numbers(hashed(self._keys(tuple(shape[1:]), tuple(origin)), seed, sample), shape[0])

    def _keys_of(self, size, origin):
        """A number for each pixel ``[y, x]`` of a window, no two of which are the same."""
        y, x = (np.arange(start, start + side) for start, side in zip(origin, size, strict=True))
        own = hashed(_IN_FRAME, y[:, None], x, round(1000 * self.time))
        if self.lifetime == 0:
            return own
        cells, on_sun, taken = self._cells(y - self.origin[0], x - self.origin[1])
        period = -self.lifetime * np.log(uniform_numbers(cells, 0) * uniform_numbers(cells, 1))
        phase = self.time / period + uniform_numbers(cells, 2)
        keys = hashed(cells, np.floor(phase).astype(np.int64))
        return np.where(on_sun & ~taken, keys, own)

    def _cells(self, y, x):
        """The cell that the center of each pixel is in, uint64 ``[y, x]``, whether it is on the Sun, and whether taken."""
        y, x = (np.arange(places[0] - _REACH, places[-1] + _REACH + 1) for places in (y, x))  # what is taken beyond
        longitude, latitude, wider, taller, on_sun = self._places(*np.meshgrid(y, x, indexing="ij"))
        latitude, longitude = np.where(on_sun, latitude, 0.0), np.where(on_sun, longitude, 0.0)
        height = self.cell * taller
        row = np.floor(latitude / height)
        middle = np.clip((row + 0.5) * height, -90, 90)
        columns = np.maximum(1, np.round(360 / self.cell / wider * np.cos(np.deg2rad(middle))))
        column = np.floor(columns * (((longitude - self._turned(middle)) / 360) % 1))
        numbers = (np.round(_STEPS * np.log2(wider)), np.round(_STEPS * np.log2(taller)), row, column)
        cells = hashed(_ON_SUN, *(number.astype(np.int64) for number in numbers))
        inside = (slice(_REACH, -_REACH),) * 2
        return cells[inside], on_sun[inside], _taken(cells)

    def _turned(self, latitude):
        """Degrees by which a latitude has turned against Carrington's longitudes since `_START`."""
        found, inverse = np.unique(latitude, return_inverse=True)
        rate = differential_rotation(1 * u.day, found * u.deg, model="snodgrass").to_value(u.deg)
        rate -= sidereal_rotation_rate.to_value(u.deg / u.day)
        return (rate * (self.time / 86400))[inverse].reshape(latitude.shape)

    def _places(self, y, x):
        """Carrington longitude and latitude in degrees, how much wider and taller cells are there, and where it is known."""
        observer = self.smap.observer_coordinate
        frame = HeliographicCarrington(observer=observer, obstime=observer.obstime)
        place = self.smap.pixel_to_world(x * u.pix, y * u.pix).transform_to(frame)
        longitude, latitude = place.lon.to_value(u.deg), place.lat.to_value(u.deg)
        if not self.foreshortened:  # pixels are equally far apart in longitude, and in latitude or its sine
            cosine, known = _cosine(np.deg2rad(latitude)), np.isfinite(longitude)
            is_equal_area = str(self.smap.coordinate_system.axis1).upper().endswith("CEA")
            return longitude, latitude, _rounded(cosine), _rounded(1 / cosine) if is_equal_area else 1.0, known
        center = observer.transform_to(frame)
        east, north = np.deg2rad(longitude - center.lon.to_value(u.deg)), np.deg2rad(latitude)
        tilt = center.lat.to_value(u.rad)
        cosine = np.sin(north) * np.sin(tilt) + np.cos(north) * np.cos(tilt) * np.cos(east)
        known = cosine > _LEAST_COSINE  # false for NaN
        return longitude, latitude, _rounded(1 / _cosine(east)), _rounded(1 / _cosine(north - tilt)), known


def _cosine(angle):
    return np.maximum(np.nan_to_num(np.cos(angle), nan=1.0), _LEAST_COSINE)


def _rounded(ratio):
    """Rounded down to a quarter of a power of two, so that cells are not wider than pixels."""
    return 2.0 ** (np.floor(_STEPS * np.log2(ratio)) / _STEPS)


def _taken(cells):
    """Where a pixel before this one, in reading order and at most two away, is in the same cell; two less at each edge."""
    rows, columns = (side - 2 * _REACH for side in cells.shape)
    here = cells[_REACH:-_REACH, _REACH:-_REACH]
    taken = np.zeros(here.shape, bool)
    for y, x in _NEIGHBORS:
        taken |= cells[_REACH + y : _REACH + y + rows, _REACH + x : _REACH + x + columns] == here
    return taken
