"""A synthetic solar surface: the radial field of the part of the Sun that spacecraft near the Earth can see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.ndimage
from skimage.filters import window

from sunpy_magsr.data.features import bipole, network

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

__all__ = ["Surface", "synthetic_surface"]

#: Degrees of longitude from column to column by default: the pixel of HMI's heliographic patches.
STEP = 0.03
_CELL = 60.0  # pixels, 30 arcsec at disk center
_HALF_WIDTH = 93.0  # degrees of longitude on both sides of the middle
_HIGHEST = 3200.0  # Gauss
_GRANULES = 9.0  # Gauss, standard deviation of the field between the network
_NETWORK = (
    0.4  # of the flux in the sample map: quiet MDI frames of 2011 vary by 7 to 12 G from pixel to pixel beside noise
)
_REGION = 640  # pixels, side of an active region


class Surface:
    """
    Radial magnetic field on a part of the solar surface.

    The pixels have equal areas: columns are equally spaced in longitude, rows in the sine of latitude.

    Parameters
    ----------
    data : `numpy.ndarray`
        Radial field in Gauss ``[y, x]``. The rows go from the south pole to the north pole.
    longitude : `float`
        Carrington longitude of the middle column in degrees.
    step : `float`
        Degrees of longitude from column to column. Defaults to 0.03.
    """

    def __init__(self, data: npt.NDArray, *, longitude: float, step: float = STEP) -> None:
        self.data, self.longitude, self.step = data, longitude, step
        self._splines = scipy.ndimage.spline_filter(data, order=3, output=np.float32, mode="nearest")

    def at(self, longitude: npt.NDArray, latitude: npt.NDArray) -> npt.NDArray[np.float64]:
        """
        Interpolate the field at places by cubic splines.

        Parameters
        ----------
        longitude, latitude : `numpy.ndarray`
            Carrington coordinates in degrees, two arrays of the same shape.

        Returns
        -------
        `numpy.ndarray`
            Radial field in Gauss, NaN where the place is NaN.
        """
        rows, columns = self.data.shape
        away = (longitude - self.longitude + 180) % 360 - 180
        place = [(np.sin(np.radians(latitude)) + 1) * rows / 2 - 0.5, away / self.step + (columns - 1) / 2]
        known = np.isfinite(place[0])
        place = [np.where(known, one, 0.0) for one in place]
        field = scipy.ndimage.map_coordinates(self._splines, place, order=3, prefilter=False, mode="nearest")
        return np.where(known, field, np.nan)


def synthetic_surface(
    seed: int,
    *,
    longitude: float = 0.0,
    step: float = STEP,
    regions: int = 6,
    patches: Sequence[npt.NDArray] = (),
) -> Surface:
    """
    Make a synthetic surface with network everywhere and with active regions.

    Parameters
    ----------
    seed : `int`
        Seed of the random numbers.
    longitude : `float`
        Carrington longitude of the middle column in degrees. Defaults to 0.
    step : `float`
        Degrees of longitude from column to column. Defaults to 0.03. The features have fixed sizes in pixels, so that a
        coarser grid shows a Sun that is seen from farther away.
    regions : `int`
        Number of synthetic active regions. Defaults to 6.
    patches : sequence of `numpy.ndarray`
        Observed radial fields in Gauss ``[y, x]`` on pixels of ``step``, such as HMI's heliographic patches, which are put
        onto the surface at random places. Each is rotated by half a turn or mirrored at random, and fades into the network
        at its edges. None by default.

    Returns
    -------
    `Surface`
        The surface.
    """
    rng = np.random.default_rng(seed)
    shape = (round(360 / np.pi / step), round(2 * _HALF_WIDTH / step))
    field = (_NETWORK * network(rng, shape, _CELL)).astype(np.float32)
    grains = scipy.ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), 1.5)
    field += _GRANULES / grains.std() * grains
    for _ in range(regions):
        side = min(_REGION, shape[0] // 3)
        options: dict[str, Any] = {"center": (side / 2, side / 2), "separation": side * rng.uniform(0.15, 0.3)}
        options |= {"tilt": rng.normal(0, 0.2), "tubes": int(rng.uniform(300, 1500))}
        _paste(field, rng, rng.choice([-1, 1]) * bipole(rng, (side, side), **options), is_added=True)
    for patch in patches:
        turned = patch[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])] * rng.choice([-1, 1])
        _paste(field, rng, turned, is_added=False)
    return Surface(np.clip(field, -_HIGHEST, _HIGHEST), longitude=longitude, step=step)


def _paste(field, rng, patch, *, is_added):
    """Put a patch at a random place in the activity belts."""
    rows, columns = (min(size, limit) for size, limit in zip(patch.shape, field.shape, strict=True))
    patch = patch[:rows, :columns]
    middle = (0.5 + rng.uniform(-0.32, 0.32), 0.5 + rng.uniform(-0.33, 0.33))
    corner = [int(share * size - side / 2) for share, size, side in zip(middle, field.shape, patch.shape, strict=True)]
    y, x = np.clip(corner, 0, np.subtract(field.shape, patch.shape))
    fade = window(("tukey", 0.2), patch.shape).astype(np.float32)
    part = field[y : y + rows, x : x + columns]
    part += fade * (patch if is_added else patch - part)
