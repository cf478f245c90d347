import astropy.units as u
import numpy as np
import pytest

from sunpy_magsr.maps.field import read_field
from sunpy_magsr.spectral import power_spectrum

SCALE = 0.5 * u.arcsec / u.pix
POWER = u.G**2 * u.arcsec**2


def wave(wavelength, amplitude=100.0, shape=(128, 128)):
    x = np.arange(shape[1]) * 0.5
    return amplitude * np.sin(2 * np.pi * x / wavelength) * np.ones((shape[0], 1))


def rings_by_hand(plane, scale):
    """Mean over rings one mode wide inside the Nyquist circle, one loop over modes."""
    size = len(plane)
    total, count = np.zeros(size // 2 + 1), np.zeros(size // 2 + 1)
    for row, m in enumerate(np.fft.fftfreq(size, 1 / size)):
        for column, n in enumerate(np.fft.fftfreq(size, 1 / size)):
            radius = np.hypot(m, n)
            if 0 < radius <= size / 2:
                total[round(radius)] += plane[row, column]
                count[round(radius)] += 1
    return np.arange(1, size // 2 + 1) / (size * scale), (total / np.maximum(count, 1))[1:]


@pytest.mark.parametrize("window", ["boxcar", "hann"])
def test_a_sine_has_its_variance_at_its_wavelength(window):
    spectrum = power_spectrum(wave(8), plate_scale=SCALE, window=window)
    assert u.isclose(spectrum.wavelength[np.argmax(spectrum.value)], 8 * u.arcsec)
    # Hann's neighbors of the mode lie inside the circle too
    np.testing.assert_allclose(spectrum.integral().to_value(u.G**2), 100**2 / 2, rtol=1e-6)


def test_power_is_that_of_numpy(rng):
    field = rng.normal(20, 30, (32, 32))
    spectrum = power_spectrum(field, plate_scale=SCALE, window="boxcar")
    k, expected = rings_by_hand(np.abs(np.fft.fft2(field)) ** 2 * 0.25 / 32**2, 0.5)
    np.testing.assert_allclose(spectrum.wavenumber.to_value(1 / u.arcsec), k, rtol=1e-6)
    np.testing.assert_allclose(spectrum.value.to_value(POWER), expected, rtol=1e-6)


def test_segments_overlap_by_half_and_end_at_the_edge(rng):
    field = rng.normal(size=(32, 56))
    window = np.outer(*[0.5 - 0.5 * np.cos(2 * np.pi * np.arange(32) / 32)] * 2)
    powers = []
    for start in (0, 16, 24):
        piece = field[:, start : start + 32]
        piece = window * (piece - (window * piece).sum() / window.sum())
        powers.append(rings_by_hand(np.abs(np.fft.fft2(piece)) ** 2 * 0.25 / (window**2).sum(), 0.5)[1])
    spectrum = power_spectrum(field, plate_scale=SCALE, segment=16)
    np.testing.assert_allclose(spectrum.value.to_value(POWER), np.mean(powers, axis=0), rtol=1e-6)


def test_white_noise_is_flat_with_its_variance_over_the_plane(rng):
    spectrum = power_spectrum(rng.normal(0, 10, (256, 256)), plate_scale=SCALE, segment=32)
    # 100 G2 spread over a square of (2 * Nyquist)^2 = 4 arcsec-2; the ring beside 0 loses the mean of the segment
    deviation = (spectrum.value.to_value(POWER) - 25) / spectrum.error.to_value(POWER)
    assert np.abs(deviation[1:]).max() < 4
    np.testing.assert_allclose(spectrum.integral().to_value(u.G**2), 100 * np.pi / 4, rtol=0.03)
    np.testing.assert_allclose(spectrum.band(8, 1).to_value(POWER), 25, rtol=0.02)


def test_error_and_number_of_modes_are_those_of_repeated_noise(rng):
    spectra = [power_spectrum(rng.normal(size=(96, 96)), plate_scale=SCALE, segment=16) for _ in range(60)]
    values = np.array([one.value.to_value(POWER) for one in spectra])
    scatter = values.std(axis=0)
    errors = np.sqrt(np.mean([one.error.to_value(POWER) ** 2 for one in spectra], axis=0))
    assert 0.85 < np.mean(errors / scatter) < 1.15
    assert 0.85 < np.mean(scatter / values.mean(axis=0) * np.sqrt(spectra[0].n_modes)) < 1.15


def test_one_segment_has_the_error_of_its_modes(rng):
    spectrum = power_spectrum(rng.normal(size=(64, 64)), plate_scale=SCALE, window="boxcar")
    np.testing.assert_allclose(spectrum.error, spectrum.value / np.sqrt(spectrum.n_modes))
    # half of the modes in the plane: a real field
    np.testing.assert_allclose(2 * spectrum.n_modes / 32**2, spectrum.area.to_value(u.arcsec**-2), rtol=0.05)


def test_pixels_need_not_be_square(rng):
    field = rng.normal(0, 10, (240, 200))
    spectrum = power_spectrum(field, plate_scale=[0.5, 0.55] * u.arcsec / u.pix, segment=22)
    np.testing.assert_allclose(spectrum.band(8, 1.2).to_value(POWER), 100 * 0.5 * 0.55, rtol=0.03)
    assert spectrum.wavelength[-1] >= 1.1 * u.arcsec * (1 - 1e-9)


def test_a_limb_keeps_a_red_spectrum(red_noise):
    field = red_noise()
    off_disk = np.hypot(*(np.indices(field.shape) + 40)) > 290
    whole, masked, zeros = (
        power_spectrum(data, plate_scale=SCALE, segment=48)
        for data in (field, np.where(off_disk, np.nan, field), np.where(off_disk, 0, field))
    )
    for band in [(4, 2), (2, 4 / 3), (4 / 3, 1)]:
        np.testing.assert_allclose(masked.band(*band) / whole.band(*band), 1, atol=0.08)
        assert zeros.band(*band) < 0.85 * whole.band(*band)


def test_a_map_knows_scale_unit_and_limb(sample):
    field = read_field(sample)
    quantity = (field.data / 1e3) * u.kG
    from_map = power_spectrum(sample, segment=100 * u.arcsec)
    by_hand = power_spectrum(quantity, plate_scale=u.Quantity(field.plate_scale), segment=100)
    assert from_map.value.unit == POWER
    assert from_map.wavenumber.unit == u.arcsec**-1
    np.testing.assert_allclose(from_map.value, by_hand.value, rtol=1e-6)


def test_heliographic_degrees_count_as_arcsec_at_disk_center(rng):
    field = rng.normal(size=(64, 64))
    spectrum = power_spectrum(field, plate_scale=0.03 * u.deg / u.pix)
    np.testing.assert_allclose(spectrum.wavelength[-1].to_value(u.arcsec), 1.01, rtol=0.005)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"segment": 100}, "segment must have at least"),
        ({"segment": 1}, "segment must have at least"),
        ({"segment": 3 * u.G}, "segment must be a positive"),
        ({"segment": -8}, "segment must be a positive"),
        ({"window": "no such"}, "window must be one"),
        ({"window": None}, "window must be one"),
        ({"plate_scale": None}, "plate_scale must be given"),
    ],
)
def test_bad_options_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        power_spectrum(wave(8, shape=(64, 64)), **{"plate_scale": SCALE, **options})


def test_too_little_measured_is_an_error():
    field = wave(8, shape=(64, 64))
    field[:, 20:] = np.nan
    with pytest.raises(ValueError, match="half of its window on measured"):
        power_spectrum(field, plate_scale=SCALE)
    assert np.isfinite(power_spectrum(field, plate_scale=SCALE, segment=8).value).all()
