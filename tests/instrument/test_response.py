"""Blur, gain, shift and noise of simulated pairs are found as they were put in; and the scale between the instruments."""

import astropy.units as u
import numpy as np
import pytest
import scipy.ndimage

from sunpy_magsr.instrument import degrade, hmi_per_mdi, measure_response
from sunpy_magsr.instrument.gain import MDI_GAIN_SPREAD, gain_factor

SCALE = 0.5 * u.arcsec / u.pix


@pytest.fixture(scope="module")
def field(truth):
    return truth[200:600, 300:700].astype(float)


@pytest.mark.parametrize(("fwhm", "gain", "noise"), [(0.8, 1.3, 8.0), (2.2, 1.45, 20.0), (3.3, 1.5, 10.0)])
def test_what_was_put_in_is_found(field, fwhm, gain, noise):
    shifted = scipy.ndimage.shift(field, (0.8, -1.4), order=3, mode="wrap")
    low = degrade(shifted, psf_fwhm=fwhm / 0.5, gain=gain, noise=noise, seed=3)
    found = measure_response(low, field, plate_scale=SCALE)
    assert abs(found.psf_fwhm.to_value(u.arcsec) - fwhm) < max(4 * found.psf_fwhm_error.to_value(u.arcsec), 0.05)
    assert found.gain == pytest.approx(gain, abs=max(4 * found.gain_error, 0.01))
    assert found.shift.to_value(u.arcsec) == pytest.approx([0.4, -0.7], abs=0.05)
    assert found.noise.to_value(u.G) == pytest.approx(noise, rel=0.15)
    assert found.psf_fwhm_error < 0.3 * u.arcsec
    assert found.response_error < 0.05


def test_a_response_that_the_model_lacks_shows_as_response_error(field):
    low = degrade(field, psf_fwhm=4.4)
    low = low * np.random.default_rng(0).normal(1, 0.1, low.shape)
    found = measure_response(low, field, plate_scale=SCALE)
    assert found.response_error == pytest.approx(0.1, abs=0.03)


def test_missing_data_are_left_out(field):
    low = degrade(field, psf_fwhm=4.4, gain=1.4, noise=10.0, seed=0)
    truth, spoiled = field.copy(), low.copy()
    truth[:80] = np.nan
    spoiled[:20] = np.nan
    spoiled[60:70, 30:40] = np.nan
    found = measure_response(spoiled, truth, plate_scale=SCALE)
    assert found.psf_fwhm.to_value(u.arcsec) == pytest.approx(2.2, abs=0.1)
    assert found.gain == pytest.approx(1.4, abs=0.02)


def test_errors(field):
    with pytest.raises(ValueError, match="high must have a whole number of pixels for one of low"):
        measure_response(np.zeros((30, 31)), field, plate_scale=SCALE)
    with pytest.raises(ValueError, match="must overlap in at least 16 pixels of low a side, got 10 x 10"):
        measure_response(np.zeros((10, 10)), np.zeros((40, 40)), plate_scale=SCALE)


def test_the_scale_between_the_instruments():
    """Less of MDI's field is the Sun's where it is weak; the published single number lies between."""
    reading = np.array([-3000.0, -780.0, 0.0, 780.0, 3000.0])
    found = hmi_per_mdi(reading)
    assert found == pytest.approx(found[::-1])
    assert np.all(np.diff(found[2:]) > 0)
    assert found[3] == pytest.approx(0.701, abs=0.002)
    assert np.all(np.diff(reading * found) > 0)  # more field never reads as less


def test_members_share_the_scale_s_uncertainty():
    """The first has the most likely one, and together they have its spread."""
    factors = np.array([gain_factor(number) for number in range(64)])
    assert factors[0] == 1
    assert np.log(factors).mean() == pytest.approx(0, abs=0.005)
    assert np.log(factors).std() == pytest.approx(MDI_GAIN_SPREAD, rel=0.1)
    assert len(set(factors)) == 64
