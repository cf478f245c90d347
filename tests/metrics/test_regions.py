"""Active regions: areas, lengths and parameters with closed forms."""

import astropy.units as u
import numpy as np
import pytest
from astropy.constants import R_sun, au

from sunpy_magsr.metrics import active_region_area, active_region_area_error, active_region_mask, sharp_parameters
from sunpy_magsr.metrics.flux import MSH

MM_PER_ARCSEC = (1 * u.arcsec).to_value(u.rad) * au.to_value(u.Mm)
SHARP_EDGES = {"smoothing": 0 * u.arcsec}


def grid(step, side=120.0):
    """Coordinates in arcsec of square pixels over a field of ``side`` arcsec, and their plate scale."""
    axis = (np.arange(round(side / step)) + 0.5) * step - side / 2
    return *np.meshgrid(axis, axis), step * u.arcsec / u.pix


def test_area_of_a_disk():
    x, y, scale = grid(0.5)
    field = np.where(np.hypot(x, y) < 30, -400.0, 0)
    expected = np.pi * (30 * MM_PER_ARCSEC) ** 2
    area = active_region_area(field, plate_scale=scale, **SHARP_EDGES)
    assert area.unit == u.Mm**2
    assert area.value == pytest.approx(expected, rel=5e-3)
    millionths = active_region_area(field, plate_scale=scale, unit="MSH", **SHARP_EDGES)
    assert millionths.unit == MSH
    assert millionths.value == pytest.approx(expected / (2e-6 * np.pi * R_sun.to_value(u.Mm) ** 2), rel=5e-3)


def test_area_of_a_spherical_cap_near_the_limb(disk_map):
    # a cap of angular radius 10 deg at longitude 55: 2 pi R^2 (1 - cos 10)
    def cap(lon, lat, mu):
        lon, lat = np.radians(lon), np.radians(lat)
        return np.where((mu > 0) & (np.cos(lat) * np.cos(lon - np.radians(55)) > np.cos(np.radians(10))), 500.0, 0)

    area = active_region_area(disk_map(cap, step=2.0, side=1000), **SHARP_EDGES)
    assert area.to_value(MSH) == pytest.approx(1e6 * (1 - np.cos(np.radians(10))), rel=0.015)


def test_smoothing_finds_the_half_maximum():
    # of a straight edge of 200 G the smoothed field crosses 100 G at the edge
    x, _, scale = grid(0.5)
    mask = active_region_mask(np.where(x > 0, 200.0, 0), plate_scale=scale)
    assert np.array_equal(mask, x > 0)


def test_small_patches_are_dropped():
    _, _, scale = grid(1.0)
    field = np.zeros((60, 60))
    field[5:8, 5:8] = 500
    field[20:40, 20:40] = 500
    options = {"plate_scale": scale, **SHARP_EDGES}
    nine = 9 * MM_PER_ARCSEC**2 * u.Mm**2
    assert active_region_mask(field, min_area=0.99 * nine, **options).sum() == 409
    assert active_region_mask(field, min_area=1.01 * nine, **options).sum() == 400


def test_missing_pixels_do_not_dilute_the_smoothed_field():
    field = np.full((40, 40), 120.0)
    field[:, 20:] = np.nan
    mask = active_region_mask(field, plate_scale=0.5 * u.arcsec / u.pix)
    assert mask[:, :20].all()
    assert not mask[:, 20:].any()


def test_circular_inversion_line():
    x, y, scale = grid(0.5)
    found = sharp_parameters(600 * np.tanh((np.hypot(x, y) - 30) / 2), plate_scale=scale)
    assert found.inversion_line_length.value == pytest.approx(2 * np.pi * 30 * MM_PER_ARCSEC, rel=0.02)


def test_inversion_line_far_from_strong_field_does_not_count():
    x, y, scale = grid(0.5)
    steep = np.clip(50 * x, -500, 500)
    weak = np.clip(5 * x, -500, 500)
    half = sharp_parameters(np.where(y > 0, steep, weak), plate_scale=scale).inversion_line_length
    assert half.value == pytest.approx(60 * MM_PER_ARCSEC, rel=0.1)
    assert sharp_parameters(weak, plate_scale=scale).inversion_line_length == 0


def test_inversion_line_is_measured_on_the_sphere(disk_map):
    # the central meridian from -50 to 50 deg: an arc of 100 deg, not its projection
    def dipole(lon, lat, mu):
        return np.where((mu > 0) & (np.abs(lat) < 50), 500 * np.sign(lon), 0.0)

    line = sharp_parameters(disk_map(dipole, step=4.0, side=500)).inversion_line_length.to_value(u.Mm)
    assert line == pytest.approx(np.radians(100) * R_sun.to_value(u.Mm), rel=0.02)


def test_flux_area_and_imbalance_of_a_bipole():
    x, y, scale = grid(0.5)
    positive, negative = np.hypot(x - 30, y) < 20, np.hypot(x + 30, y) < 10
    found = sharp_parameters(300.0 * positive - 600.0 * negative, plate_scale=scale, **SHARP_EDGES)
    area = np.pi * MM_PER_ARCSEC**2 * 1e16
    assert found.unsigned_flux.to_value(u.Mx) == pytest.approx(area * (300 * 400 + 600 * 100), rel=0.01)
    assert found.area.to_value(u.cm**2) == pytest.approx(area * 500, rel=0.01)
    assert found.polarity_imbalance == pytest.approx((2 - 1) / (2 + 1), abs=0.01)
    assert found.inversion_line_length == 0


def test_a_finer_grid_changes_nothing():
    found = []
    for step in (1.0, 0.5):
        x, y, scale = grid(step)
        field = sum(sign * 1500 * np.exp(-((x - sign * 12) ** 2 + (y - sign * 3) ** 2) / 2 / 11**2) for sign in (1, -1))
        found.append(sharp_parameters(field, plate_scale=scale))
    coarse, fine = found
    assert fine.area.value == pytest.approx(coarse.area.value, rel=0.02)
    assert fine.unsigned_flux.value == pytest.approx(coarse.unsigned_flux.value, rel=0.01)
    assert fine.inversion_line_length.value == pytest.approx(coarse.inversion_line_length.value, rel=0.05)
    assert fine.inversion_line_length > 20 * u.Mm


def test_quiet_sun_has_no_active_region(rng):
    quiet = rng.normal(0, 20, (80, 80))
    found = sharp_parameters(quiet, plate_scale=0.5 * u.arcsec / u.pix)
    assert found.area == 0
    assert found.unsigned_flux == 0
    assert found.inversion_line_length == 0
    assert np.isnan(found.polarity_imbalance)
    with pytest.raises(ValueError, match="truth must have an active region"):
        active_region_area_error(quiet, quiet, plate_scale=0.5 * u.arcsec / u.pix)


def test_what_is_refused():
    field = np.full((20, 20), 500.0)
    scale = 1 * u.arcsec / u.pix
    with pytest.raises(ValueError, match="plate_scale must be given"):
        active_region_mask(field)
    with pytest.raises(ValueError, match="smoothing must be a non-negative Quantity in arcsec"):
        active_region_mask(field, plate_scale=scale, smoothing=3)
    with pytest.raises(ValueError, match="unit must be a unit of area"):
        active_region_area(field, plate_scale=scale, unit=u.Mm)
    with pytest.raises(ValueError, match="unit must be a unit of area"):
        active_region_area(field, plate_scale=scale, unit="hemispheres")
