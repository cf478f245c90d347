"""Magnetic flux: closed forms on the plane of the sky and on the sphere."""

import astropy.units as u
import numpy as np
import pytest
from astropy.constants import au

from sunpy_magsr.maps.field import pixel_areas, read_field
from sunpy_magsr.metrics import unsigned_flux, unsigned_flux_error

SCALE = 2 * u.arcsec / u.pix
PIXEL = ((2 * u.arcsec).to_value(u.rad) * au.to_value(u.cm)) ** 2
RADIUS = 6.957e10


@pytest.fixture
def full_disk(disk_map):
    """A function that gives a Map of ``field(mu)`` in Gauss."""
    return lambda field: disk_map(lambda lon, lat, mu: field(mu), step=10.0, side=200)


def test_noise_alone_has_flux(rng):
    noise = rng.normal(0, 20, (600, 600))
    flux = unsigned_flux(noise, plate_scale=SCALE).to_value(u.Mx)
    assert flux / noise.size / PIXEL == pytest.approx(20 * np.sqrt(2 / np.pi), rel=5e-3)
    assert unsigned_flux(noise, plate_scale=SCALE, threshold=120 * u.G) < 1e-4 * flux * u.Mx


def test_threshold():
    field = np.array([[100.0, -40.0, 10.0, np.nan]])
    for threshold, expected in ((0, 150), (10, 140), (50, 100), (500, 0)):
        flux = unsigned_flux(field, threshold=threshold * u.G, plate_scale=SCALE)
        assert flux.value == pytest.approx(expected * PIXEL)


def test_anisotropic_pixels():
    wide = unsigned_flux(np.ones((4, 4)), plate_scale=(2, 4) * u.arcsec / u.pix)
    assert wide.value == pytest.approx(16 * 2 * PIXEL)


def test_line_of_sight_flux_of_a_radial_field(full_disk):
    # B = B_r mu on the disk: the mean of mu over a disk is 2/3
    disk = full_disk(lambda mu: 100 * mu)
    assert unsigned_flux(disk).value == pytest.approx(2 / 3 * 100 * np.pi * RADIUS**2, rel=0.01)


def test_deprojected_flux_of_a_radial_field(full_disk):
    # the cap with mu > 0.1 has the area 2 pi R^2 (1 - 0.1)
    disk = full_disk(lambda mu: 100 * mu)
    assert unsigned_flux(disk, deproject=True).value == pytest.approx(0.9 * 100 * 2 * np.pi * RADIUS**2, rel=0.01)


def test_mu_of_a_cea_map_is_that_of_the_image(full_disk, cea_map):
    disk = full_disk(np.ones_like)
    patch = cea_map(np.ones((21, 21)), lon=40, dsun_obs=disk.meta["dsun_obs"])
    geometry = pixel_areas(read_field(patch))
    distance = disk.meta["dsun_obs"] / (RADIUS / 100)
    cosine = np.cos(np.radians(40))
    ray = np.array([distance - cosine, -np.sin(np.radians(40))])
    normal = np.array([cosine, np.sin(np.radians(40))])
    assert geometry.mu[10, 10] == pytest.approx(ray @ normal / np.linalg.norm(ray), rel=1e-6)


def test_flux_on_a_cea_map(cea_map):
    # 20 deg of longitude, and latitude such that sin is +- pi/18: area = R^2 dlon dsin
    radial = cea_map(np.full((40, 40), 100.0), lon=50, content="HMI Br radial field")
    area = RADIUS**2 * np.radians(20) ** 2
    assert unsigned_flux(radial, deproject=True).value == pytest.approx(100 * area, rel=1e-6)
    line_of_sight = cea_map(np.full((40, 40), 100.0), lon=50)
    mu = pixel_areas(read_field(line_of_sight)).mu
    assert unsigned_flux(line_of_sight).value == pytest.approx(100 * area * mu.mean(), rel=1e-6)
    assert unsigned_flux(line_of_sight, deproject=True).value == pytest.approx(100 * area * (1 / mu).mean(), rel=1e-6)
    assert mu.mean() == pytest.approx(np.cos(np.radians(50)), rel=0.02)


def test_the_far_side_is_not_seen(cea_map):
    patch = cea_map(np.full((20, 20), 100.0), lon=180)
    assert unsigned_flux(patch) == 0
    assert unsigned_flux(patch, deproject=True) == 0


def test_flux_error():
    truth = np.array([[200.0, -200.0, 200.0]])
    error = unsigned_flux_error(truth * 0.75, truth, plate_scale=SCALE)
    assert error.unit == u.percent
    assert error.value == pytest.approx(-25)
    gap = np.array([[300.0, -300.0, np.nan]])
    assert unsigned_flux_error(gap, truth, plate_scale=SCALE).value == pytest.approx(50)


def test_flux_error_of_an_array_takes_the_geometry_of_the_map(full_disk):
    # twice the field beyond mu = 0.6: deprojected, the cap from mu = 1 to 0.1 gains (0.6 - 0.1) / 0.9
    truth = full_disk(lambda mu: 100 * mu)
    result = full_disk(lambda mu: 100 * mu * np.where(mu < 0.6, 2, 1))
    gain = 100 * 0.5 / 0.9
    assert unsigned_flux_error(result.data, truth, deproject=True).value == pytest.approx(gain, rel=0.02)
    loss = 100 * (1 / (1 + gain / 100) - 1)
    assert unsigned_flux_error(truth, result.data, deproject=True).value == pytest.approx(loss, rel=0.02)


def test_what_is_refused(small, cea_map):
    with pytest.raises(ValueError, match="plate_scale must be given"):
        unsigned_flux(np.ones((4, 4)))
    with pytest.raises(ValueError, match="threshold must be a non-negative Quantity in G"):
        unsigned_flux(small, threshold=100)
    with pytest.raises(ValueError, match="truth must have flux above the threshold"):
        unsigned_flux_error(small, small, threshold=9000 * u.G)
    with pytest.raises(ValueError, match="CEA projection"):
        unsigned_flux(cea_map(np.ones((20, 20)), ctype1="CRLN-CAR", ctype2="CRLT-CAR"))
