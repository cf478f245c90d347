"""The scale down to which members agree, where it is known."""

import astropy.units as u
import numpy as np
import pytest

import sunpy_magsr
from sunpy_magsr.uncertainty import Ensemble, real_scale_map
from sunpy_magsr.uncertainty.pictures import angle_in_pixels

SHAPE = (192, 192)
MIDDLE = (slice(40, -40),) * 2


def members_that_share(rng, wavelength, *, count=8):
    """Fields with one common part above a wavelength (pixels, may vary from column to column) and parts of their own below."""
    wavenumber = np.hypot(np.fft.fftfreq(SHAPE[0])[:, None], np.fft.fftfreq(SHAPE[1]))

    def waves(long, limit):
        passed = (wavenumber < 1 / limit) == long
        steep = passed / np.maximum(wavenumber, 1 / SHAPE[0]) ** 0.5
        return np.fft.ifft2(np.fft.fft2(rng.normal(0, 100, SHAPE)) * steep).real

    limits = np.atleast_1d(wavelength)
    parts = np.array_split(np.arange(SHAPE[1]), len(limits))
    members = np.empty((count, *SHAPE), np.float32)
    for limit, columns in zip(limits, parts, strict=True):
        common = waves(True, limit)
        for member in members:
            member[:, columns] = (common + waves(False, limit))[:, columns]
    return members


@pytest.fixture
def make_ensemble(small):
    def make(members):
        template = sunpy_magsr.superresolve(small, model="bicubic", plate_scale=None)
        scale = {"cdelt1": 0.5, "cdelt2": 0.5}

        def make_map(data, statistic, std=None, flagged=None):
            return type(template)(data, {**template.meta, **scale, "magsrsta": statistic}, mask=np.isnan(data))

        return Ensemble(members, make_map)

    return make


@pytest.mark.parametrize("wavelength", [6, 12, 24])
def test_the_scale_that_was_put_in_comes_out(rng, make_ensemble, wavelength):
    scale = real_scale_map(make_ensemble(members_that_share(rng, wavelength)))
    assert scale.unit == u.arcsec
    assert scale.meta["magsrsta"] == "real scale"
    assert np.median(scale.data[MIDDLE]) == pytest.approx(0.5 * wavelength, rel=0.25)


def test_it_does_not_depend_on_the_number_of_members(rng, make_ensemble):
    members = members_that_share(rng, 12, count=24)
    few, many = (np.median(real_scale_map(make_ensemble(members[:count])).data[MIDDLE]) for count in (4, 24))
    assert few == pytest.approx(many, rel=0.1)


def test_each_neighborhood_has_its_own(rng, make_ensemble):
    scale = real_scale_map(make_ensemble(members_that_share(rng, [6, 24]))).data
    assert np.median(scale[:, 140:]) > 2.5 * np.median(scale[:, :50])


def test_ends_and_missing(rng, make_ensemble):
    field = rng.normal(0, 100, SHAPE).astype(np.float32)
    field[:20] = np.nan
    agreed = real_scale_map(make_ensemble(np.stack([field] * 3))).data
    assert np.isnan(agreed[:20]).all()
    assert agreed[20:] == pytest.approx(1.25)
    alone = real_scale_map(make_ensemble(rng.normal(0, 100, (8, *SHAPE)).astype(np.float32))).data
    assert np.median(alone) == pytest.approx(24, rel=0.2)


def test_refusals(rng, make_ensemble):
    ensemble = make_ensemble(rng.normal(0, 100, (2, *SHAPE)).astype(np.float32))
    with pytest.raises(TypeError, match="ensemble must be an Ensemble, got ndarray"):
        real_scale_map(ensemble.members)
    with pytest.raises(ValueError, match="threshold must be between 0 and 1, got 2"):
        real_scale_map(ensemble, threshold=2)
    with pytest.raises(ValueError, match="window must be a positive Quantity in arcsec"):
        real_scale_map(ensemble, window=20)


@pytest.mark.parametrize("degrees", [0.03, 0.12])
def test_angles_of_heliographic_maps_are_those_at_disk_center(cea_map, degrees):
    pixels = 20 / 16.82 / degrees
    smap = cea_map(np.ones((40, 40)), degrees=degrees)
    assert angle_in_pixels(smap, 20 * u.arcsec, name="window") == pytest.approx((pixels, pixels), rel=1e-3)
