"""How a spacecraft sees a place on the Sun: spherical geometry written out, apart from the WCS that it is to check."""

import dataclasses

import numpy as np

__all__ = ["View"]

#: Radius of the Sun in meters, as RSUN_REF of both instruments has it.
RSUN = 696e6


@dataclasses.dataclass(frozen=True)
class View:
    r"""
    Where an observer is and how its detector lies.

    The gnomonic projection (``TAN``) of Thompson 2006 (:doi:`10.1051/0004-6361:20054262`), disk center at the reference
    pixel.

    Attributes
    ----------
    longitude, latitude : `float`
        Carrington longitude and latitude of the observer, degrees.
    distance : `float`
        From the middle of the Sun, m.
    crpix : `tuple` of `float`
        Pixel ``(x, y)`` of disk center, the first being 1.
    plate_scale : `float`
        arcsec/pix.
    roll : `float`
        CROTA2, degrees.
    """

    longitude: float
    latitude: float
    distance: float
    crpix: tuple
    plate_scale: float
    roll: float

    @property
    def radius(self):
        """Angular radius of the Sun in arcsec."""
        return np.degrees(np.arcsin(RSUN / self.distance)) * 3600

    def surface(self, x, y):
        """
        Places on the Sun that pixels look at.

        Parameters
        ----------
        x, y : `numpy.ndarray`
            Pixels, the first being 0.

        Returns
        -------
        longitude, latitude : `numpy.ndarray`
            Carrington degrees, NaN off the disk.
        mu : `numpy.ndarray`
            Cosine of the angle between the surface's normal and the line of sight.
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

    def pixel(self, longitude, latitude):
        """
        Pixels at which places on the near side of the Sun are seen; the inverse of `surface`.

        Parameters
        ----------
        longitude, latitude : `numpy.ndarray`
            Carrington degrees.

        Returns
        -------
        x, y : `numpy.ndarray`
            The first pixel being 0.
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
