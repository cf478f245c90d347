import astropy.units as u
import numpy as np
import pytest
import scipy.ndimage
import scipy.special
from matplotlib.figure import Figure

from sunpy_magsr.prep.field import read_field
from sunpy_magsr.spectral import (
    SmallFeatures,
    Spectrum,
    coherence,
    cross_spectrum,
    effective_resolution,
    fourier_ring_correlation,
    plot_coherence,
    plot_spectra,
    power_spectrum,
    small_features,
    transfer_function,
)

SCALE = 0.5 * u.arcsec / u.pix
POWER = u.G**2 * u.arcsec**2
PAIR_FUNCTIONS = [coherence, cross_spectrum, fourier_ring_correlation, transfer_function]


def wave(wavelength, amplitude=100.0, shape=(128, 128)):
    x = np.arange(shape[1]) * 0.5
    return amplitude * np.sin(2 * np.pi * x / wavelength) * np.ones((shape[0], 1))


def red_noise(rng, size=256):
    """A Gaussian field with power falling as k^-3, 100 G rms, like a magnetogram's spectrum."""
    k = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
    k[0, 0] = np.inf
    field = np.fft.ifft2(np.fft.fft2(rng.normal(size=(size, size))) * k**-1.5).real
    return 100 * field / field.std()


def blurred(field, sigma):
    """Periodic Gaussian blur, exact in Fourier space; sigma in arcsec at 0.5 arcsec/pix."""
    return np.fft.ifft2(scipy.ndimage.fourier_gaussian(np.fft.fft2(field), sigma / 0.5)).real


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


# --- power ---


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


def test_default_segment_is_the_largest_square_up_to_256_pixels():
    for shape, side in [((40, 70), 20), ((300, 280), 128)]:
        spectrum = power_spectrum(wave(8, shape=shape), plate_scale=SCALE)
        assert u.isclose(spectrum.wavelength[0], side * u.arcsec)


@pytest.mark.parametrize("kind", ["hole", "limb"])
def test_missing_pixels_do_not_change_the_level_of_noise(rng, kind):
    field = rng.normal(0, 10, (192, 192))
    y, x = np.indices(field.shape)
    missing = np.hypot(x - 90, y - 100) < 30 if kind == "hole" else np.hypot(x, y) > 190
    masked = power_spectrum(np.where(missing, np.nan, field), plate_scale=SCALE, segment=32)
    zeros = power_spectrum(np.where(missing, 0, field), plate_scale=SCALE, segment=32)
    error = (masked.error / masked.value)[1:].value / np.sqrt(31)
    tolerance = 6 * error.mean() * 25
    assert abs(masked.band(16, 1).to_value(POWER) - 25) < tolerance
    assert abs(zeros.band(16, 1).to_value(POWER) - 25) > tolerance


def test_edges_of_missing_areas_do_not_leak_large_scales(rng):
    field = wave(64, 500, (192, 192)) + 300 + rng.normal(0, 2, (192, 192))
    hole = np.hypot(*(np.indices(field.shape) - 96)) < 25
    masked = power_spectrum(np.where(hole, np.nan, field), plate_scale=SCALE, segment=48)
    zeros = power_spectrum(np.where(hole, 0, field), plate_scale=SCALE, segment=48)
    # noise of 2 G below a wave of 500 G
    np.testing.assert_allclose(masked.band(2, 1).to_value(POWER), 4 * 0.25, rtol=0.15)
    assert zeros.band(2, 1) > 5 * masked.band(2, 1)


def test_a_limb_keeps_a_red_spectrum(rng):
    field = red_noise(rng)
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


# --- pairs ---


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
    for function in (coherence, fourier_ring_correlation, transfer_function):
        np.testing.assert_allclose(function(field, field, plate_scale=SCALE, segment=16).value, 1, rtol=1e-12)
    cross = cross_spectrum(field, field, plate_scale=SCALE, segment=16)
    power = power_spectrum(field, plate_scale=SCALE, segment=16)
    assert np.iscomplexobj(cross.value)
    np.testing.assert_allclose(cross.value.to_value(POWER), power.value.to_value(POWER), rtol=1e-6)
    np.testing.assert_allclose(cross.error.to_value(POWER), power.error.to_value(POWER), rtol=1e-6)


def test_a_gain_is_seen_by_the_transfer_function_alone(rng):
    truth = red_noise(rng, 128)
    np.testing.assert_allclose(transfer_function(0.7 * truth, truth, plate_scale=SCALE).value, 0.7, rtol=1e-6)
    np.testing.assert_allclose(coherence(0.7 * truth, truth, plate_scale=SCALE).value, 1, rtol=1e-6)
    np.testing.assert_allclose(fourier_ring_correlation(-truth, truth, plate_scale=SCALE).value, -1, rtol=1e-6)


def test_transfer_function_of_a_gaussian_blur(rng):
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
    correlation = fourier_ring_correlation(truth + noise, truth, plate_scale=SCALE, segment=32)
    assert abs(correlation.band(32, 1) - np.sqrt(expected)) < 0.01


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
        spectrum = fourier_ring_correlation(np.roll(truth, 2, axis), truth, plate_scale=SCALE, window="boxcar")
        expected = scipy.special.j0(2 * np.pi * spectrum.wavenumber.value * 1.0)
        # each of the independent modes scatters by at most 1
        assert np.abs((spectrum.value - expected) * np.sqrt(2 * spectrum.n_modes)).max() < 4
        np.testing.assert_allclose(np.mean((spectrum.value - expected)[10:]), 0, atol=0.01)


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


def test_no_power_is_nan():
    flat = np.full((32, 32), 5.0)
    assert np.isnan(coherence(flat, flat, plate_scale=SCALE).value).all()


# --- spectrum ---


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


# --- resolution ---


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


def test_effective_resolution_without_a_crossing():
    k = np.arange(1, 6) / 10 / u.arcsec
    always = Spectrum(k, np.full(5, 0.9), np.zeros(5), np.ones(5))
    never = Spectrum(k, np.full(5, 0.1), np.zeros(5), np.ones(5))
    assert u.isclose(effective_resolution(always), 2 * u.arcsec)
    assert np.isnan(effective_resolution(never))
    assert effective_resolution(never).unit == u.arcsec


def test_effective_resolution_of_something_else_is_an_error(rng):
    field = rng.normal(size=(32, 32))
    with pytest.raises(ValueError, match="spectrum must be a coherence"):
        effective_resolution(power_spectrum(field, plate_scale=SCALE))
    with pytest.raises(ValueError, match="threshold must be between"):
        effective_resolution(coherence(field, field, plate_scale=SCALE), threshold=1.5)


# --- small features ---


def random_phases(field, rng):
    """The same amplitudes with phases of noise."""
    phases = np.angle(np.fft.fft2(rng.normal(size=field.shape)))
    return np.fft.ifft2(np.abs(np.fft.fft2(field)) * np.exp(1j * phases)).real


def test_small_features_of_the_truth_are_predicted(rng):
    truth = red_noise(rng)
    small = small_features(truth, truth, plate_scale=SCALE)
    assert small.verdict == "predicted"
    np.testing.assert_allclose([small.power_ratio, small.coherence, small.coherence_error], [1, 1, 0], atol=1e-9)


def test_blurred_small_features_are_missing(rng):
    truth = red_noise(rng)
    assert small_features(blurred(truth, 0.6), truth, plate_scale=SCALE).verdict == "missing"
    assert small_features(blurred(truth, 3), truth, plate_scale=SCALE).verdict == "missing"


def test_small_features_with_random_phases_are_texture(rng):
    truth = red_noise(rng)
    small = small_features(random_phases(truth, rng), truth, plate_scale=SCALE)
    assert small.verdict == "texture"
    np.testing.assert_allclose(small.power_ratio, 1, rtol=0.15)
    assert abs(small.coherence) < 5 * small.coherence_error


def test_half_right_small_features_are_partly_predicted(rng):
    truth = red_noise(rng)
    mixed = np.sqrt(0.3) * truth + np.sqrt(0.7) * random_phases(truth, rng)
    small = small_features(mixed, truth, plate_scale=SCALE)
    assert small.verdict == "partly predicted"
    assert abs(small.coherence - 0.3) < 4 * small.coherence_error
    # the best estimate from it keeps the share of the power it is sure of
    assert small_features(np.sqrt(0.3) * mixed, truth, plate_scale=SCALE).verdict == "partly predicted"


def test_small_features_see_their_band_alone(rng):
    truth = red_noise(rng)
    k = np.hypot(np.fft.fftfreq(256, 0.5)[:, None], np.fft.fftfreq(256, 0.5))
    modes, other = np.fft.fft2(truth), np.fft.fft2(random_phases(truth, rng))
    result = np.fft.ifft2(np.where(k < 0.25, modes, other)).real
    assert small_features(result, truth, plate_scale=SCALE).verdict == "texture"
    assert small_features(result, truth, plate_scale=SCALE, band=(16, 5) * u.arcsec).verdict == "predicted"


def test_small_features_of_samples_are_means(rng):
    truth = red_noise(rng, 128)
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


# --- figures ---


def test_plots_show_the_numbers_with_units(rng, tmp_path):
    truth, other = red_noise(rng, 128), red_noise(rng, 128)
    truth_power, power = (power_spectrum(field, plate_scale=SCALE) for field in (truth, other))
    axes = plot_spectra({"model": power}, truth=truth_power)
    curves = {line.get_label(): line for line in axes.get_lines()}
    np.testing.assert_allclose(curves["model"].get_ydata(), power.value.to_value(POWER))
    assert curves["truth"].get_color() == "black"
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert "arcsec" in axes.get_xlabel()
    assert "G$^2$ arcsec$^2$" in axes.get_ylabel()
    assert {line.get_xdata()[0] for line in axes.get_lines() if len(line.get_xdata()) == 2} == {0.25, 0.5}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["truth", "model"]
    axes.figure.savefig(tmp_path / "spectra.png")

    axes = plot_coherence({"model": coherence(truth + other, truth, plate_scale=SCALE)})
    assert axes.get_ylim() == (0, 1)
    axes.figure.savefig(tmp_path / "coherence.png")


def test_plots_draw_in_given_axes_and_leave_pyplot_alone(rng):
    import matplotlib.pyplot as plt

    field = rng.normal(size=(32, 32))
    axes = Figure().subplots()
    open_figures = plt.get_fignums()
    assert plot_spectra({"noise": power_spectrum(field, plate_scale=SCALE)}, axes=axes) is axes
    plot_coherence({"noise": coherence(field, field, plate_scale=SCALE)})
    assert plt.get_fignums() == open_figures


def test_plots_refuse_other_quantities(rng):
    field = rng.normal(size=(32, 32))
    power, share = power_spectrum(field, plate_scale=SCALE), coherence(field, field, plate_scale=SCALE)
    with pytest.raises(ValueError, match="power in G2 arcsec2"):
        plot_spectra({"share": share})
    with pytest.raises(ValueError, match="power in G2 arcsec2"):
        plot_spectra({"power": power}, truth=share)
    with pytest.raises(ValueError, match="without unit"):
        plot_coherence({"power": power})
    with pytest.raises(ValueError, match="at least one"):
        plot_coherence({})
