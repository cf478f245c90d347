"""Planted features: what is recovered, missed and invented is known."""

import astropy.units as u
import numpy as np
import pytest

from sunpy_magsr.metrics.elements import feature_split

NOISE = 10 * u.G


@pytest.fixture
def fields():
    """Truth with two features, +400 G on 36 pixels and -200 G on 25 pixels, over a smooth known field."""
    low = np.add.outer(np.linspace(-50, 50, 60), np.linspace(0, 30, 50))
    detail = np.zeros_like(low)
    detail[5:11, 5:11] = 400
    detail[30:35, 20:25] = -200
    return low, low + detail, detail


def test_the_truth_is_all_improvement(fields):
    low, truth, detail = fields
    split = feature_split(truth, truth, low, noise=NOISE)
    assert (split.n_true, split.n_result) == (2, 2)
    assert (split.improvement, split.omission, split.hallucination) == (1, 0, 0)
    np.testing.assert_array_equal(split.labels, detail != 0)


def test_features_weigh_by_their_flux(fields):
    low, truth, detail = fields
    result = low + np.where(detail > 0, detail, 0)
    split = feature_split(result, truth, low, noise=NOISE)
    share = 400 * 36 / (400 * 36 + 200 * 25)
    assert split.improvement == pytest.approx(share)
    assert split.omission == pytest.approx(1 - share)
    assert split.hallucination == 0


def test_an_invented_blob_is_hallucinated_by_its_flux(fields):
    low, truth, _ = fields
    result = truth.copy()
    result[48:52, 40:44] += 300
    split = feature_split(result, truth, low, noise=NOISE)
    assert (split.n_true, split.n_result) == (2, 3)
    assert split.improvement == 1
    assert split.hallucination == pytest.approx(300 * 16 / (300 * 16 + 400 * 36 + 200 * 25))
    assert np.count_nonzero(split.labels == 3) == 16
    assert (split.labels[48:52, 40:44] == 3).all()


def test_the_wrong_sign_is_omitted_and_hallucinated(fields):
    low, truth, detail = fields
    split = feature_split(low - detail, truth, low, noise=NOISE)
    assert (split.improvement, split.omission, split.hallucination) == (0, 1, 1)
    np.testing.assert_array_equal(split.labels, 3 * (detail != 0))


@pytest.mark.parametrize(
    ("strength", "improvement", "hallucination"), [(0.45, 0, 0), (0.55, 1, 0), (1.9, 1, 0), (2.1, 1, 1)]
)
def test_half_the_strength_decides(fields, strength, improvement, hallucination):
    low, truth, detail = fields
    split = feature_split(low + strength * detail, truth, low, noise=NOISE)
    assert (split.improvement, split.hallucination) == (improvement, hallucination)


def test_opposite_polarities_that_touch_are_two_features():
    low, truth = np.zeros((2, 20, 20))
    truth[5:10, 5:10], truth[5:10, 10:15] = 300, -300
    assert feature_split(truth, truth, low, noise=NOISE).n_true == 2
    truth[10:15, 10:15] = 300
    assert feature_split(truth, truth, low, noise=NOISE).n_true == 2


def test_noise_is_no_feature(rng):
    low = np.zeros((300, 300))
    result, truth = rng.normal(0, 10, (2, 300, 300))
    split = feature_split(result, truth, low, noise=NOISE, min_size=1)
    assert (split.n_true, split.n_result, split.hallucination) == (0, 0, 0)
    assert np.isnan(split.improvement)
    assert np.isnan(split.omission)
    assert not split.labels.any()
    assert feature_split(result, truth, low, noise=NOISE, min_size=1, floor=2).n_true > 1000


def test_pixels_without_measurement_belong_to_no_feature(fields):
    low, truth, _ = fields
    result, known = truth.copy(), low.copy()
    known[:15] = np.nan
    result[20:22] = np.nan
    split = feature_split(result, truth, known, noise=NOISE)
    assert (split.n_true, split.n_result, split.improvement, split.hallucination) == (1, 1, 1, 0)
    assert not split.labels[:15].any()


def test_wrong_input_is_named(fields):
    low, truth, _ = fields
    for noise in (10, -1 * u.G, 1 * u.m, [1, 2] * u.G):
        with pytest.raises(ValueError, match="noise must be a positive Quantity in G"):
            feature_split(truth, truth, low, noise=noise)
    with pytest.raises(ValueError, match="floor must be positive"):
        feature_split(truth, truth, low, noise=NOISE, floor=0)
    for min_size in (0, 1 * u.G):
        with pytest.raises(ValueError, match="min_size must be a positive"):
            feature_split(truth, truth, low, noise=NOISE, min_size=min_size)
    with pytest.raises(ValueError, match="plate_scale must be given"):
        feature_split(truth, truth, low, noise=NOISE, min_size=4 * u.arcsec**2)
    with pytest.raises(ValueError, match="low must have the shape of truth"):
        feature_split(truth, truth, low[1:], noise=NOISE)
