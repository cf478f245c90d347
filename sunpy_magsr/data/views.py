"""How a spacecraft sees a place on the Sun, computed by spherical geometry without WCS, so that it can check the latter."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["View"]

#: Radius of the Sun in meters, as RSUN_REF of both instruments has it.
RSUN = 696e6


@dataclasses.dataclass(frozen=True)
class View:
    r"""
    Place of an observer and orientation of its detector.

    Images are in the gnomonic projection (``TAN``) of Thompson 2006 (:doi:`10.1051/0004-6361:20054262`), with disk center at
    the reference pixel.

    Parameters
    ----------
    longitude, latitude : `float`
        Carrington longitude and latitude of the observer in degrees.
    distance : `float`
        Distance of the observer from the center of the Sun in meters.
    crpix : `tuple` of `float`
        Pixel ``(x, y)`` of disk center, counted from 1 as in FITS.
    plate_scale : `float`
        Plate scale in arcsec/pix.
    roll : `float`
        Roll of the detector in degrees, as in CROTA2.
    """

    longitude: float
    latitude: float
    distance: float
    crpix: tuple[float, float]
    plate_scale: float
    roll: float

    @property
    def radius(self) -> float:
        """Angular radius of the Sun in arcsec."""
        return np.degrees(np.arcsin(RSUN / self.distance)) * 3600

    def surface(self, x: npt.NDArray, y: npt.NDArray) -> tuple[npt.NDArray, npt.NDArray, npt.NDArray]:
        """
        Find the places on the Sun that are seen in pixels.

        Parameters
        ----------
        x, y : `numpy.ndarray`
            Pixels, counted from 0.

        Returns
        -------
        longitude, latitude : `numpy.ndarray`
            Carrington longitude and latitude in degrees, NaN off the disk.
        mu : `numpy.ndarray`
            Cosine of the angle between the normal of the surface and the line of sight.
        """
        pixel = np.radians(self.plate_scale / 3600)
        dx, dy = (x + 1 - self.crpix[0]) * pixel, (y + 1 - self.crpix[1]) * pixel
        cosine, sine = np.cos(np.radians(self.roll)), np.sin(np.radians(self.roll))
        west, north = cosine * dx - sine * dy, sine * dx + cosine * dy
        along = 1 / np.sqrt(1 + west**2 + north**2)
        squared = RSUN**2 - self.distance**2 * (1 - along**2)
        with np.errstate(invalid="ignore"):
            length = self.distance * along - np.sqrt(squared)
        near, west, north = self.distance - length * along, length * along * west, length * along * north
        tilt = np.radians(self.latitude)
        up = (north * np.cos(tilt) + near * np.sin(tilt)) / RSUN
        toward = near * np.cos(tilt) - north * np.sin(tilt)
        mu = (self.distance * near / RSUN - RSUN) / length
        return self.longitude + np.degrees(np.arctan2(west, toward)), np.degrees(np.arcsin(up)), mu

    def pixel(self, longitude: npt.NDArray, latitude: npt.NDArray) -> tuple[npt.NDArray, npt.NDArray]:
        """
        Find the pixels in which places on the near side of the Sun are seen. This is the inverse of `surface`.

        Parameters
        ----------
        longitude, latitude : `numpy.ndarray`
            Carrington longitude and latitude of the places in degrees.

        Returns
        -------
        x, y : `numpy.ndarray`
            Pixels, counted from 0.
        """
        away, place, tilt = (np.radians(one) for one in (longitude - self.longitude, latitude, self.latitude))
        toward, up = np.cos(place) * np.cos(away), np.sin(place)
        near = RSUN * (toward * np.cos(tilt) + up * np.sin(tilt))
        left = self.distance - near
        west = RSUN * np.cos(place) * np.sin(away) / left
        north = RSUN * (up * np.cos(tilt) - toward * np.sin(tilt)) / left
        pixel = np.radians(self.plate_scale / 3600)
        cosine, sine = np.cos(np.radians(self.roll)), np.sin(np.radians(self.roll))
        x, y = (cosine * west + sine * north) / pixel, (cosine * north - sine * west) / pixel
        return x + self.crpix[0] - 1, y + self.crpix[1] - 1
