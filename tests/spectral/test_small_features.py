import astropy.units as u
import numpy as np
import pytest

from sunpy_magsr.spectral import SmallFeatures, small_features

SCALE = 0.5 * u.arcsec / u.pix


def random_phases(field, rng):
    """The same amplitudes with phases of noise."""
    phases = np.angle(np.fft.fft2(rng.normal(size=field.shape)))
    return np.fft.ifft2(np.abs(np.fft.fft2(field)) * np.exp(1j * phases)).real


def test_blurred_small_features_are_missing(red_noise, blurred):
    truth = red_noise()
    assert small_features(blurred(truth, 0.6), truth, plate_scale=SCALE).verdict == "missing"
    assert small_features(blurred(truth, 3), truth, plate_scale=SCALE).verdict == "missing"


def test_small_features_with_random_phases_are_texture(rng, red_noise):
    truth = red_noise()
    small = small_features(random_phases(truth, rng), truth, plate_scale=SCALE)
    assert small.verdict == "texture"
    np.testing.assert_allclose(small.power_ratio, 1, rtol=0.15)
    assert abs(small.coherence) < 5 * small.coherence_error


def test_half_right_small_features_are_partly_predicted(rng, red_noise):
    truth = red_noise()
    mixed = np.sqrt(0.3) * truth + np.sqrt(0.7) * random_phases(truth, rng)
    small = small_features(mixed, truth, plate_scale=SCALE)
    assert small.verdict == "partly predicted"
    assert abs(small.coherence - 0.3) < 4 * small.coherence_error
    # the best estimate from it keeps the share of the power it is sure of
    assert small_features(np.sqrt(0.3) * mixed, truth, plate_scale=SCALE).verdict == "partly predicted"


def test_small_features_see_their_band_alone(rng, red_noise):
    truth = red_noise()
    k = np.hypot(np.fft.fftfreq(256, 0.5)[:, None], np.fft.fftfreq(256, 0.5))
    modes, other = np.fft.fft2(truth), np.fft.fft2(random_phases(truth, rng))
    result = np.fft.ifft2(np.where(k < 0.25, modes, other)).real
    assert small_features(result, truth, plate_scale=SCALE).verdict == "texture"
    assert small_features(result, truth, plate_scale=SCALE, band=(16, 5) * u.arcsec).verdict == "predicted"


def test_small_features_of_samples_are_means(rng, red_noise):
    truth = red_noise(128)
    samples = [truth, 2 * truth + random_phases(truth, rng)]
    each = [small_features(sample, truth, plate_scale=SCALE) for sample in samples]
    for both in (samples, np.array(samples), tuple(sample * u.G for sample in samples)):
        mean = small_features(both, truth, plate_scale=SCALE)
        np.testing.assert_allclose(mean.power_ratio, np.mean([one.power_ratio for one in each]))
        np.testing.assert_allclose(mean.coherence, np.mean([one.coherence for one in each]))
    # a field as nested lists is one field
    nested = small_features(truth.tolist(), truth, plate_scale=SCALE)
    np.testing.assert_allclose(nested.coherence, 1)


@pytest.mark.parametrize(
    ("numbers", "verdict"),
    [
        ((0.3, 0.0, 0.01), "missing"),
        ((0.4, 0.9, 0.01), "missing"),
        ((0.9, 0.05, 0.001), "texture"),
        ((0.9, 0.3, 0.2), "texture"),
        ((0.9, 0.3, 0.02), "partly predicted"),
        ((0.3, 0.3, 0.02), "partly predicted"),
        ((0.9, 0.5, 0.02), "predicted"),
    ],
)
def test_verdict(numbers, verdict):
    assert SmallFeatures(*numbers).verdict == verdict


@pytest.mark.parametrize(
    ("band", "message"),
    [
        ((1, 2) * u.arcsec, "longest first"),
        ((2, 1, 0.5) * u.arcsec, "band must be"),
        (2 * u.arcsec, "band must be"),
        ((2, 0.5) * u.arcsec, "Nyquist"),
        ((2, 1) * u.G, "band must be a positive"),
    ],
)
def test_bad_bands_are_errors(rng, band, message):
    field = rng.normal(size=(64, 64))
    with pytest.raises(ValueError, match=message):
        small_features(field, field, plate_scale=SCALE, band=band)
    with pytest.raises(ValueError, match="at least one sample"):
        small_features([], field, plate_scale=SCALE)
