"""The result agrees with the input: exactly, or as far as the instrument's noise lets one say."""

import astropy.units as u
import numpy as np
import pytest

import sunpy_magsr
from sunpy_magsr.instrument import degrade
from sunpy_magsr.sampling import load_backend
from sunpy_magsr.sampling.consistency import check, exact, match_within_noise


@pytest.fixture
def truth(rng):
    """Strong and weak field."""
    field = np.zeros((240, 320), np.float32)
    for y, x in rng.integers(10, 230, (60, 2)):
        field[y - 6 : y + 6, x - 6 : x + 6] += rng.normal(0, 400)
    return field + rng.normal(0, 5, field.shape).astype(np.float32)


def chi_squared(high, low, noise, fwhm):
    return np.mean(((low - degrade(high, psf_fwhm=4 * fwhm)) / noise) ** 2)


def test_exact_keeps_what_agrees(rng):
    high = rng.normal(0, 300, (80, 120))
    assert exact(high, degrade(high)) == pytest.approx(high)


def test_the_truth_is_all_but_kept(truth):
    """A field that differs from the input by noise alone is hardly touched: the noise is not painted into it."""
    low = degrade(truth, psf_fwhm=3.6, noise=15.0, seed=1)
    result = match_within_noise(truth, low, np.full(low.shape, 15.0), psf_fwhm=(0.9, 0.9))
    assert np.std(result - truth) < 15.0 / 4
    assert chi_squared(result, low, 15.0, 0.9) == pytest.approx(0.9, abs=0.15)


def test_a_field_that_the_instrument_would_have_seen_otherwise_is_corrected(truth):
    low = degrade(truth, psf_fwhm=3.6, noise=15.0, seed=1)
    wrong = 0.7 * truth
    assert chi_squared(wrong, low, 15.0, 0.9) > 5
    result = match_within_noise(wrong, low, np.full(low.shape, 15.0), psf_fwhm=(0.9, 0.9))
    assert chi_squared(result, low, 15.0, 0.9) == pytest.approx(0.9, abs=0.3)
    assert np.std(result - truth) < np.std(wrong - truth)


def test_net_flux_is_kept(truth):
    """Of a field that is off by less than the noise everywhere, but everywhere in the same direction."""
    low = degrade(truth, psf_fwhm=3.6, noise=15.0, seed=1)
    result = match_within_noise(truth + 5, low, np.full(low.shape, 15.0), psf_fwhm=(0.9, 0.9))
    assert result.mean() == pytest.approx(low.mean(), abs=0.3)
    assert np.std(result - truth) < 15.0 / 4


def test_what_is_no_measurement_has_no_part_in_it(truth):
    low = degrade(truth, psf_fwhm=3.6, noise=15.0, seed=1)
    valid = np.ones(low.shape, dtype=bool)
    valid[:, :20] = False
    results = [
        match_within_noise(
            truth, np.where(valid, low, junk), np.full(low.shape, 15.0), psf_fwhm=(0.9, 0.9), valid=valid
        )
        for junk in (0.0, 2000.0)
    ]
    assert np.abs(results[0] - results[1])[:, 4 * 26 :].max() < 0.5


def test_a_width_that_is_not_known_is_found(truth):
    """Between the sharpest and the widest the truth agrees with the input, and nothing is painted into it."""
    low = degrade(truth, psf_fwhm=5.2, noise=15.0, seed=1)
    noise = np.full(low.shape, 15.0)
    found = match_within_noise(truth, low, noise, psf_fwhm=(0.3, 1.9))
    told_wrong = match_within_noise(truth, low, noise, psf_fwhm=(0.3, 0.3))
    assert np.std(found - truth) < 0.6 * 15.0
    assert np.std(told_wrong - truth) > 2 * np.std(found - truth)


def test_noise_needs_a_model_that_knows_it():
    with pytest.raises(ValueError, match=r"consistency='noise' needs a model .* use 'exact' or None with 'bicubic'"):
        check("noise", load_backend("bicubic").card)
    with pytest.raises(ValueError, match="consistency must be None or one of 'exact', 'noise', got 'strict'"):
        check("strict", load_backend("bicubic").card)


def test_a_user_may_tell_the_blur(small):
    """A sharper instrument leaves less to be drawn; what is told is in the header, and wrong widths are refused."""
    sharp, wide = (sunpy_magsr.superresolve(small, plate_scale=None, psf_fwhm=width * u.arcsec) for width in (0.5, 3.5))
    assert (sharp.meta["magsrpsf"], wide.meta["magsrpsf"]) == (0.5, 3.5)
    assert np.abs(wide.data).max() > np.abs(sharp.data).max()
    pair = sunpy_magsr.superresolve(small, plate_scale=None, psf_fwhm=[1.8, 0.2] * u.arcsec).meta
    assert (pair["magsrpsf"], pair["magsrpse"], pair["magsrpso"]) == (1.8, 0.2, "told")
    for width in (2.0, 2 * u.G, 6 * u.arcsec, -1 * u.arcsec, [1, 2, 3] * u.arcsec, (2 * u.arcsec, 0.1), "wide"):
        with pytest.raises(
            ValueError, match="psf_fwhm must be None, an angle from 0 to 5 arcsec, or such an angle and its"
        ):
            sunpy_magsr.superresolve(small, psf_fwhm=width)
