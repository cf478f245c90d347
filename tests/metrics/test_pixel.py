"""Scores pixel by pixel, against scikit-image, numpy and closed forms."""

import astropy.units as u
import numpy as np
import pytest
import skimage.metrics

from sunpy_magsr.instrument.noise import quiet_noise
from sunpy_magsr.metrics import bias, mae, pearson, psnr, rmse, ssim


@pytest.fixture
def pair(rng):
    truth = rng.normal(0, 300, (40, 36))
    return 0.8 * truth + rng.normal(5, 50, truth.shape), truth


def test_scores_are_those_of_scikit_image(pair):
    result, truth = pair
    assert psnr(result, truth) == pytest.approx(
        skimage.metrics.peak_signal_noise_ratio(truth, result, data_range=6000), rel=1e-9
    )
    assert ssim(result, truth, data_range=500 * u.G) == pytest.approx(
        skimage.metrics.structural_similarity(truth, result, data_range=500), rel=1e-9
    )


def test_ssim_with_a_gap_is_the_mean_over_measured_windows(pair):
    result, truth = pair
    result[10:13, 20] = np.nan
    windows = []
    for y in range(34):
        for x in range(30):
            a, b = result[y : y + 7, x : x + 7], truth[y : y + 7, x : x + 7]
            if np.isfinite(a).all():
                (va, vab), (_, vb) = np.cov(a.ravel(), b.ravel())
                c1, c2 = (0.01 * 500) ** 2, (0.03 * 500) ** 2
                luminance = (2 * a.mean() * b.mean() + c1) / (a.mean() ** 2 + b.mean() ** 2 + c1)
                windows.append(luminance * (2 * vab + c2) / (va + vb + c2))
    assert len(windows) < 34 * 30
    assert ssim(result, truth, data_range=500 * u.G) == pytest.approx(np.mean(windows), rel=1e-6)


def test_ssim_needs_a_measured_window():
    holes = np.zeros((20, 20))
    holes[::5, ::5] = np.nan
    with pytest.raises(ValueError, match="window of 7 x 7"):
        ssim(holes, np.zeros((20, 20)))


def test_errors_in_gauss(pair):
    result, truth = pair
    difference = result - truth
    for func, value in (
        (rmse, np.sqrt((difference**2).mean())),
        (mae, np.abs(difference).mean()),
        (bias, difference.mean()),
    ):
        score = func(result, truth)
        assert score.unit == u.G
        assert score.value == pytest.approx(value, rel=1e-9)
    assert pearson(result, truth) == pytest.approx(np.corrcoef(result.ravel(), truth.ravel())[0, 1], rel=1e-9)


@pytest.mark.parametrize("func", [psnr, rmse, mae, bias, pearson])
def test_missing_pixels_are_left_out(pair, func):
    result, truth = pair
    expected = func(result[:, :30], truth[:, :30])
    masked = np.ma.masked_array(result, mask=np.zeros(result.shape, bool))
    masked[:, 33:] = np.ma.masked
    truth[:, 30:33] = np.nan
    assert u.Quantity(func(masked, truth)).value == pytest.approx(u.Quantity(expected).value)


def test_units_and_maps(small):
    data = small.data.astype(float)
    doubled = small * 2
    assert rmse(data * 1e-4 * u.T, small).to_value(u.G) == pytest.approx(0, abs=1e-9)
    assert rmse(doubled, small).value == pytest.approx(np.sqrt((data**2).mean()), rel=1e-6)
    assert pearson(doubled, small) == pytest.approx(1)


def test_what_is_refused(pair):
    result, truth = pair
    for data_range in (6000, 0 * u.G, -1 * u.G, 1 * u.m):
        with pytest.raises(ValueError, match="data_range must be a positive Quantity in G"):
            psnr(result, truth, data_range=data_range)
    with pytest.raises(ValueError, match="shape of truth"):
        rmse(result[1:], truth)
    with pytest.raises(ValueError, match="truth must have pixels that differ"):
        pearson(result, np.ones(truth.shape))


def test_quiet_noise_is_that_of_white_noise(rng):
    assert quiet_noise(rng.normal(0, 7, (300, 300))) == pytest.approx(7, rel=0.05)
