"""A synthetic solar surface: the radial field everywhere on the Sun that two spacecraft can see."""

import numpy as np
import scipy.ndimage
from skimage.filters import window

from sunpy_magsr.data.features import bipole, network

__all__ = ["Surface", "synthetic_surface"]

STEP = 0.03  # degrees at 1 AU, the pixel of HMI's heliographic patches
_CELL = 60.0  # pixels, 30 arcsec at disk center
_HALF_WIDTH = 93.0  # degrees of longitude on both sides of the middle
_HIGHEST = 3200.0  # Gauss
_GRANULES = 9.0  # Gauss
_NETWORK = 0.4  # of the sample's flux: quiet MDI frames of 2011 have 7 to 12 G from pixel to pixel beside their noise
_REGION = 640  # pixels


class Surface:
    """
    Radial field on a grid of equal areas: longitude along x, the sine of latitude along y.

    Parameters
    ----------
    data : `numpy.ndarray`
        Gauss ``[y, x]``; the rows go from the south to the north pole.
    longitude : `float`
        Carrington longitude of the middle column in degrees.
    step : `float`
        Degrees of longitude from column to column.
    """

    def __init__(self, data, *, longitude, step=STEP):
        self.data, self.longitude, self.step = data, longitude, step
        self._splines = scipy.ndimage.spline_filter(data, order=3, output=np.float32, mode="nearest")

    def at(self, longitude, latitude):
        """
        Field at places, by cubic splines.

        Parameters
        ----------
        longitude, latitude : `numpy.ndarray`
            Carrington longitude and latitude in degrees, of one shape; NaN gives NaN.

        Returns
        -------
        `numpy.ndarray`
            Gauss.
        """
        rows, columns = self.data.shape
        away = (longitude - self.longitude + 180) % 360 - 180
        place = [(np.sin(np.radians(latitude)) + 1) * rows / 2 - 0.5, away / self.step + (columns - 1) / 2]
        known = np.isfinite(place[0])
        place = [np.where(known, one, 0.0) for one in place]
        field = scipy.ndimage.map_coordinates(self._splines, place, order=3, prefilter=False, mode="nearest")
        return np.where(known, field, np.nan)


def synthetic_surface(seed, *, longitude=0.0, step=STEP, regions=6, patches=()):
    """
    Make a surface: network everywhere, active regions, and patches of what was observed where they are given.

    Parameters
    ----------
    seed : `int`
        Of the random numbers.
    longitude : `float`
        Carrington longitude of the middle column in degrees.
    step : `float`
        Degrees of longitude from column to column. A coarser grid is a Sun that is seen from farther away.
    regions : `int`
        Synthetic active regions.
    patches : sequence of `numpy.ndarray`
        Radial field in Gauss, such as HMI's heliographic patches, on pixels of ``step``. Each is turned by half a turn or
        mirrored at random, and faded into the network at its edges.

    Returns
    -------
    `Surface`
    """
    rng = np.random.default_rng(seed)
    shape = (round(360 / np.pi / step), round(2 * _HALF_WIDTH / step))
    field = (_NETWORK * network(rng, shape, _CELL)).astype(np.float32)
    grains = scipy.ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), 1.5)
    field += _GRANULES / grains.std() * grains
    for _ in range(regions):
        side = min(_REGION, shape[0] // 3)
        options = {"center": (side / 2, side / 2), "separation": side * rng.uniform(0.15, 0.3)}
        options |= {"tilt": rng.normal(0, 0.2), "tubes": int(rng.uniform(300, 1500))}
        _paste(field, rng, rng.choice([-1, 1]) * bipole(rng, (side, side), **options), is_added=True)
    for patch in patches:
        turned = patch[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])] * rng.choice([-1, 1])
        _paste(field, rng, turned, is_added=False)
    return Surface(np.clip(field, -_HIGHEST, _HIGHEST), longitude=longitude, step=step)


def _paste(field, rng, patch, *, is_added):
    """Put a patch at a random place of the activity belts."""
    rows, columns = (min(size, limit) for size, limit in zip(patch.shape, field.shape, strict=True))
    patch = patch[:rows, :columns]
    middle = (0.5 + rng.uniform(-0.32, 0.32), 0.5 + rng.uniform(-0.33, 0.33))
    corner = [int(share * size - side / 2) for share, size, side in zip(middle, field.shape, patch.shape, strict=True)]
    y, x = np.clip(corner, 0, np.subtract(field.shape, patch.shape))
    fade = window(("tukey", 0.2), patch.shape).astype(np.float32)
    part = field[y : y + rows, x : x + columns]
    part += fade * (patch if is_added else patch - part)
