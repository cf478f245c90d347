"""Random numbers that belong to a place: of the frame's pixels, or of the Sun."""

from __future__ import annotations

import functools

import astropy.units as u
import numpy as np
from astropy.time import Time
from scipy.special import ndtri
from sunpy.coordinates import HeliographicCarrington
from sunpy.map import GenericMap
from sunpy.sun.constants import sidereal_rotation_rate
from sunpy.sun.models import differential_rotation

from sunpy_magsr.maps import Magnetogram
from sunpy_magsr.maps.disk import sphere_cosine
from sunpy_magsr.maps.header import observation_time
from sunpy_magsr.maps.wcs import is_helioprojective, unread_roll

_GOLDEN = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio, the step of SplitMix64
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def hash_numbers(*numbers: int | np.ndarray) -> np.ndarray:
    """
    Mix whole numbers into one number of 64 bits, which looks random and is the same on every machine.

    Each number is added in turn and mixed with the finalizer of SplitMix64 (Steele, Lea & Flood 2014,
    :doi:`10.1145/2714064.2660195`).
    """
    result = np.zeros(1, np.uint64)
    for number in numbers:
        whole = np.uint64(number % 2**64) if isinstance(number, int) else np.asarray(number).astype(np.uint64)
        result = _mix(result * np.uint64(3) + whole + np.uint64(_GOLDEN))
    return result


def uniform_numbers(keys: np.ndarray, number: int) -> np.ndarray:
    """Compute a uniform random number for each key, above 0 and below 1."""
    raw = _mix(keys + np.uint64((number + 1) * _GOLDEN % 2**64)) >> np.uint64(11)
    return (raw + 0.5) * 2.0**-53


def normal_numbers(keys: np.ndarray, count: int) -> np.ndarray:
    """Compute normal random numbers of zero mean and unit variance for each key."""
    return np.stack([ndtri(uniform_numbers(keys, number)).astype(np.float32) for number in range(count)])


def _mix(number):
    number = (number ^ (number >> np.uint64(30))) * _FIRST
    number = (number ^ (number >> np.uint64(27))) * _SECOND
    return number ^ (number >> np.uint64(31))


_BLOCK = 32


def noise_field(shape: tuple[int, int, int], *, origin: tuple[int, int], seed: int, sample: int) -> np.ndarray:
    """
    Draw white Gaussian noise that is a function of the seed, the sample and the pixel.

    Two windows of one frame agree where they overlap, whatever their sizes and the order in which they are drawn. The
    numbers are those of the counter-based generator Philox4x64-10 (Salmon et al. 2011, :doi:`10.1145/2063384.2063405`),
    whose stream NumPy guarantees, converted by the inverse of the normal distribution function.
    """
    channels, *size = shape
    result = np.empty(shape, dtype=np.float32)
    first, last = origin, [start + side for start, side in zip(origin, size, strict=True)]
    for y in range(first[0] // _BLOCK, -(-last[0] // _BLOCK)):
        for x in range(first[1] // _BLOCK, -(-last[1] // _BLOCK)):
            lowest = [max(block * _BLOCK, start) for block, start in zip((y, x), first, strict=True)]
            highest = [min((block + 1) * _BLOCK, stop) for block, stop in zip((y, x), last, strict=True)]
            here, there = (
                tuple(slice(low - start, high - start) for low, high, start in zip(lowest, highest, begin, strict=True))
                for begin in (first, (y * _BLOCK, x * _BLOCK))
            )
            result[(slice(None), *here)] = _block(channels, y, x, seed, sample)[(slice(None), *there)]
    return result


def _block(channels, y, x, seed, sample):
    mask = (1 << 64) - 1
    counter = np.array([0, 0, y & mask, x & mask], dtype=np.uint64)
    generator = np.random.Philox(key=np.array([seed, sample], dtype=np.uint64), counter=counter)
    raw = generator.random_raw(channels * _BLOCK**2) >> np.uint64(11)
    return ndtri((raw + 0.5) * 2.0**-53).astype(np.float32).reshape(channels, _BLOCK, _BLOCK)


#: Lifetime of the magnetic field at wavelengths between 4 and 2 arcsec, measured on HMI.
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

    The Sun is divided into cells about as large as a pixel of the input. The cells lie in rings of latitude, each of which
    rotates at its own rate (Snodgrass 1983, :doi:`10.1086/161121`; `sunpy.sun.models.differential_rotation`), and they are
    as wide and as tall as the pixels are on the Sun there. A pixel takes its random numbers from the cell that its center is
    in. If two pixels are in the same cell, the second one takes other numbers, which belong to this pixel of this frame. So
    do pixels off the disk and within 2 % of the limb. No two pixels of a frame have the same numbers, so the noise of a
    single frame is exactly white.

    Each cell takes new numbers from time to time. Its period is drawn from a gamma distribution, so that the correlation of
    two frames a time :math:`\Delta t` apart is :math:`e^{-\Delta t / \tau}`. This is the mean of the triangles
    :math:`\max(0, 1 - \Delta t / T)` over periods :math:`T` of the density :math:`T \tau^{-2} e^{-T / \tau}`. The noise is a
    function of place, time and seed alone, so any frame, or any cutout of it, can be computed without the others.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        Map to which the noise belongs.
    magnetogram : `~sunpy_magsr.maps.Magnetogram`
        Array form of the same map.
    lifetime : `float`
        Time :math:`\tau` in seconds. With 0 the noise is new in each frame, with infinity it stays the same.
    """

    def __init__(self, smap: GenericMap, magnetogram: Magnetogram, lifetime: float) -> None:
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

    def __call__(self, shape: tuple[int, int, int], *, origin: tuple[int, int], seed: int, sample: int) -> np.ndarray:
        """Compute the noise of a window of the frame, as ``sunpy_magsr.sampling.noise_field`` does."""
        return normal_numbers(hash_numbers(self._keys(tuple(shape[1:]), tuple(origin)), seed, sample), shape[0])

    def _keys_of(self, size, origin):
        """A number for each pixel ``[y, x]`` of a window. No two of them are the same."""
        y, x = (np.arange(start, start + side) for start, side in zip(origin, size, strict=True))
        own = hash_numbers(_IN_FRAME, y[:, None], x, round(1000 * self.time))
        if self.lifetime == 0:
            return own
        cells, on_sun, taken = self._cells(y - self.origin[0], x - self.origin[1])
        period = -self.lifetime * np.log(uniform_numbers(cells, 0) * uniform_numbers(cells, 1))
        phase = self.time / period + uniform_numbers(cells, 2)
        keys = hash_numbers(cells, np.floor(phase).astype(np.int64))
        return np.where(on_sun & ~taken, keys, own)

    def _cells(self, y, x):
        """Cell of each pixel, uint64 ``[y, x]``, whether the pixel is on the Sun, and whether another one has the cell."""
        y, x = (np.arange(places[0] - _REACH, places[-1] + _REACH + 1) for places in (y, x))  # what is taken beyond
        longitude, latitude, wider, taller, on_sun = self._places(*np.meshgrid(y, x, indexing="ij"))
        latitude, longitude = np.where(on_sun, latitude, 0.0), np.where(on_sun, longitude, 0.0)
        height = self.cell * taller
        row = np.floor(latitude / height)
        middle = np.clip((row + 0.5) * height, -90, 90)
        columns = np.maximum(1, np.round(360 / self.cell / wider * np.cos(np.deg2rad(middle))))
        column = np.floor(columns * (((longitude - self._rotation(middle)) / 360) % 1))
        numbers = (np.round(_STEPS * np.log2(wider)), np.round(_STEPS * np.log2(taller)), row, column)
        cells = hash_numbers(_ON_SUN, *(number.astype(np.int64) for number in numbers))
        inside = (slice(_REACH, -_REACH),) * 2
        return cells[inside], on_sun[inside], _taken(cells)

    def _rotation(self, latitude):
        """Degrees by which a latitude has rotated relative to Carrington longitudes since `_START`."""
        found, inverse = np.unique(latitude, return_inverse=True)
        rate = differential_rotation(1 * u.day, found * u.deg, model="snodgrass").to_value(u.deg)
        rate -= sidereal_rotation_rate.to_value(u.deg / u.day)
        return (rate * (self.time / 86400))[inverse].reshape(latitude.shape)

    def _places(self, y, x):
        """Carrington longitude and latitude in degrees, how much wider and taller cells are there, and where all is known."""
        observer = self.smap.observer_coordinate
        frame = HeliographicCarrington(observer=observer, obstime=observer.obstime)
        place = self.smap.pixel_to_world(x * u.pix, y * u.pix).transform_to(frame)
        longitude, latitude = place.lon.to_value(u.deg), place.lat.to_value(u.deg)
        if not self.foreshortened:  # pixels are equally far apart in longitude, and in latitude or its sine
            cosine, known = _cosine(np.deg2rad(latitude)), np.isfinite(longitude)
            is_equal_area = str(self.smap.coordinate_system.axis1).upper().endswith("CEA")
            return longitude, latitude, _round_down(cosine), _round_down(1 / cosine) if is_equal_area else 1.0, known
        center = observer.transform_to(frame)
        east, north = np.deg2rad(longitude - center.lon.to_value(u.deg)), np.deg2rad(latitude)
        tilt = center.lat.to_value(u.rad)
        known = sphere_cosine(north, tilt, east) > _LEAST_COSINE  # false for NaN
        return longitude, latitude, _round_down(1 / _cosine(east)), _round_down(1 / _cosine(north - tilt)), known


def _cosine(angle):
    return np.maximum(np.nan_to_num(np.cos(angle), nan=1.0), _LEAST_COSINE)


def _round_down(ratio):
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
