import astropy.units as u
import numpy as np
import pytest
import scipy.ndimage
import scipy.special

from sunpy_magsr.spectral import (
    Spectrum,
    coherence,
    cross_spectrum,
    effective_resolution,
    power_spectrum,
    transfer_function,
)

SCALE = 0.5 * u.arcsec / u.pix
POWER = u.G**2 * u.arcsec**2
PAIR_FUNCTIONS = [coherence, cross_spectrum, transfer_function]


def test_unrelated_noise_has_no_coherence(rng):
    spectra = [coherence(*rng.normal(size=(2, 96, 96)), plate_scale=SCALE, segment=16) for _ in range(30)]
    mean, spectrum = [one.value for one in spectra], spectra[0]
    # without the bias removed the mean would be 1 / (2 n); 30 values of scatter 1 / (sqrt(2) n)
    assert np.abs(np.mean(mean, axis=0) * spectrum.n_modes).max() < 0.5
    assert abs(np.mean(mean * spectrum.n_modes)) < 0.1
    assert np.all(spectrum.value < 5 * spectrum.error)


def test_a_field_agrees_with_itself(rng):
    field = rng.normal(size=(64, 64))
    field[:10, :10] = np.nan
    for function in (coherence, transfer_function):
        np.testing.assert_allclose(function(field, field, plate_scale=SCALE, segment=16).value, 1, rtol=1e-12)
    cross = cross_spectrum(field, field, plate_scale=SCALE, segment=16)
    power = power_spectrum(field, plate_scale=SCALE, segment=16)
    assert np.iscomplexobj(cross.value)
    np.testing.assert_allclose(cross.value.to_value(POWER), power.value.to_value(POWER), rtol=1e-6)
    np.testing.assert_allclose(cross.error.to_value(POWER), power.error.to_value(POWER), rtol=1e-6)


def test_transfer_function_of_a_gaussian_blur(rng, blurred):
    truth = rng.normal(size=(256, 256))
    transfer = transfer_function(blurred(truth, 0.6), truth, plate_scale=SCALE, window="boxcar")
    k = transfer.wavenumber.to_value(1 / u.arcsec)
    np.testing.assert_allclose(transfer.value, np.exp(-2 * np.pi**2 * 0.6**2 * k**2), rtol=0.03)


def test_coherence_with_added_noise(rng):
    truth, noise = rng.normal(0, 1, (256, 256)), rng.normal(0, 0.8, (256, 256))
    spectrum = coherence(truth + noise, truth, plate_scale=SCALE, segment=32)
    expected = 1 / (1 + 0.8**2)
    assert abs(spectrum.band(32, 1) - expected) < 0.01
    assert np.abs((spectrum.value - expected) / spectrum.error).max() < 4


def test_errors_of_pairs_are_those_of_repeated_noise(rng):
    for function in PAIR_FUNCTIONS:
        spectra = []
        for _ in range(40):
            truth, other = rng.normal(size=(2, 64, 64))
            spectra.append(function(0.6 * truth + 0.8 * other, truth, plate_scale=SCALE, segment=16))
        scatter = np.std([u.Quantity(one.value).value.real for one in spectra], axis=0)
        error = np.sqrt(np.mean([u.Quantity(one.error).value ** 2 for one in spectra], axis=0))
        assert 0.8 < np.mean(error / scatter) < 1.25, function.__name__


def test_a_displacement_lowers_the_correlation_as_a_bessel_function(rng):
    truth = rng.normal(size=(256, 256))
    for axis in (0, 1):
        options = {"plate_scale": SCALE, "window": "boxcar"}
        spectrum = cross_spectrum(np.roll(truth, 2, axis), truth, **options)
        share = (spectrum.value / power_spectrum(truth, **options).value).to_value("").real
        expected = scipy.special.j0(2 * np.pi * spectrum.wavenumber.value * 1.0)
        # each of the independent modes scatters by at most 1
        assert np.abs((share - expected) * np.sqrt(2 * spectrum.n_modes)).max() < 4
        np.testing.assert_allclose(np.mean((share - expected)[10:]), 0, atol=0.01)


def test_what_is_missing_in_one_is_left_out_of_both(rng):
    truth = rng.normal(size=(64, 64))
    result = truth.copy()
    result[30:34] = np.nan
    wrong = truth.copy()
    wrong[30:34] = 1e4
    spectrum = coherence(result, wrong, plate_scale=SCALE, segment=16)
    np.testing.assert_allclose(spectrum.value, 1, rtol=1e-6)


@pytest.mark.parametrize("function", PAIR_FUNCTIONS)
def test_pairs_must_share_a_grid(function):
    with pytest.raises(ValueError, match="shape of truth"):
        function(np.ones((16, 16)), np.ones((16, 17)), plate_scale=SCALE)
    with pytest.raises(ValueError, match="plate_scale must be given"):
        function(np.ones((16, 16)), np.ones((16, 16)))


def test_maps_of_other_scale_are_refused(small, with_meta):
    finer = with_meta(cdelt1=small.meta["cdelt1"] / 2, cdelt2=small.meta["cdelt2"] / 2)
    with pytest.raises(ValueError, match="plate scale of truth"):
        coherence(finer, small)


def test_band_weighs_by_modes_and_holds_its_short_end():
    k = np.array([0.25, 0.5, 0.75, 1.0])
    spectrum = Spectrum(k / u.arcsec, np.arange(4.0) * POWER, np.ones(4) * POWER, np.array([1, 2, 4, 8]))
    assert u.isclose(spectrum.band(4 * u.arcsec, 4 / 3), (1 * 2 + 2 * 4) / 6 * POWER)
    assert u.isclose(spectrum.band((1 / 12) * u.arcmin, 4), 0 * POWER)
    with pytest.raises(ValueError, match="longest and shortest must enclose"):
        spectrum.band(0.5, 0.1)
    with pytest.raises(ValueError, match="longest and shortest must enclose"):
        spectrum.band(1, 4)
    with pytest.raises(ValueError, match="shortest must be a positive"):
        spectrum.band(4, 1 * u.s)


@pytest.mark.parametrize("threshold", [0.5, 1 / 7])
def test_effective_resolution_of_a_gaussian(threshold):
    k = np.linspace(0.005, 1, 200)
    spectrum = Spectrum(k / u.arcsec, np.exp(-((k / 0.4) ** 2)), np.zeros(200), np.ones(200))
    expected = 1 / (0.4 * np.sqrt(-np.log(threshold)))
    resolution = effective_resolution(spectrum, threshold=threshold)
    np.testing.assert_allclose(resolution.to_value(u.arcsec), expected, rtol=1e-3)


def test_effective_resolution_takes_the_first_crossing():
    k = np.arange(1, 6) / 10 / u.arcsec
    spectrum = Spectrum(k, np.array([np.nan, 1, 0.2, 0.9, 0.1]), np.zeros(5), np.ones(5))
    # from (0.2, 1) to (0.3, 0.2): 0.5 at 0.2625
    assert u.isclose(effective_resolution(spectrum), 1 / 0.2625 * u.arcsec)
