"""Where on the Sun a pixel is."""

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.coordinates import SkyCoord
from sunpy.coordinates import frames
from sunpy.map.header_helper import make_fitswcs_header

from sunpy_magsr.maps.disk import limb_cosine


@pytest.fixture
def observer():
    return SkyCoord(30 * u.deg, 7 * u.deg, 1 * u.AU, obstime="2011-02-15", frame=frames.HeliographicStonyhurst)


def test_disk_center_limb_and_beyond(observer):
    center = SkyCoord(0 * u.arcsec, 0 * u.arcsec, frame=frames.Helioprojective(observer=observer, obstime="2011-02-15"))
    header = make_fitswcs_header((201, 201), center, scale=[10, 10] * u.arcsec / u.pix)
    smap = sunpy.map.Map(np.zeros((201, 201)), header)
    mu = limb_cosine(smap)
    radius = smap.rsun_obs.to_value("arcsec") / 10
    assert mu[100, 100] == pytest.approx(1)
    assert mu[100, 100 + round(0.6 * radius)] == pytest.approx(0.8, abs=0.01)
    assert np.isnan(mu[0, 0])
    assert np.isfinite(mu).sum() == pytest.approx(np.pi * radius**2, rel=0.01)


def test_heliographic_map_seen_from_the_observer(observer):
    """A pixel 60 degrees from the foot point has a cosine of one half, wherever the observer is."""
    center = SkyCoord(30 * u.deg, 0 * u.deg, obstime="2011-02-15", frame=frames.HeliographicStonyhurst)
    header = make_fitswcs_header((181, 361), center, scale=[1, 1] * u.deg / u.pix, projection_code="CAR")
    header |= {"hgln_obs": 30.0, "hglt_obs": 7.0, "dsun_obs": observer.radius.to_value("m")}
    smap = sunpy.map.Map(np.zeros((181, 361)), header)
    mu = limb_cosine(smap)
    assert mu[97, 180] == pytest.approx(1, abs=1e-3)
    assert mu[97 - 60, 180] == pytest.approx(
        (107.5 - 1) / np.sqrt(215.03**2 - 214.03), abs=2e-3
    )  # at 1 au, not far away
    assert np.isnan(mu[90, 0])
