"""Maps of the whole disk whose field is known at every place on the Sun."""

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.constants import R_sun
from astropy.coordinates import SkyCoord
from sunpy.coordinates import HeliographicStonyhurst, Helioprojective
from sunpy.map.header_helper import make_fitswcs_header

DISK_RADIUS = 960.0  # arcsec


@pytest.fixture
def disk_map():
    """A function that gives the Map of ``data_of(longitude, latitude, mu)`` in degrees, seen from above (0, 0)."""

    def make(data_of, step=8.0, side=250):
        axis = (np.arange(side) - (side - 1) / 2) * step
        x, y = np.meshgrid(axis, axis) / np.array(DISK_RADIUS)
        mu = np.sqrt(np.clip(1 - x**2 - y**2, 0, None))
        data = data_of(np.degrees(np.arctan2(x, mu)), np.degrees(np.arcsin(np.clip(y, -1, 1))), mu)
        distance = R_sun / np.sin(np.radians(DISK_RADIUS / 3600))
        observer = HeliographicStonyhurst(0 * u.deg, 0 * u.deg, distance, obstime="2012-03-06")
        center = SkyCoord(0 * u.arcsec, 0 * u.arcsec, frame=Helioprojective(observer=observer, obstime="2012-03-06"))
        header = make_fitswcs_header(data, center, scale=[step, step] * u.arcsec / u.pix, unit=u.G)
        return sunpy.map.Map(data, {**header, "rsun_obs": DISK_RADIUS})

    return make
