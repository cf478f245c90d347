"""Speckle: noise that the truth does not have raises the texture of weak field and lowers its kurtosis."""

import numpy as np
import pytest

from sunpy_magsr.metrics.pixel import asinh_view, speckle


@pytest.fixture
def truth(rng):
    field = rng.normal(0, 3, (200, 200))
    for y, x in rng.integers(10, 190, (60, 2)):
        field[y - 2 : y + 2, x - 2 : x + 2] += rng.choice([-1, 1]) * 25
    field[:, 150:] += 800
    return field


def known(truth):
    return np.where(truth > 500, 800.0, 0.0)


def test_the_truth_has_none(truth):
    found = speckle(truth, truth, known(truth))
    assert (found.sigma, found.kurtosis) == (1, 1)
    assert found.share == pytest.approx(0.73, abs=0.01)


def test_noise_is_speckle(truth, rng):
    found = speckle(truth + rng.normal(0, 6, truth.shape), truth, known(truth))
    assert found.sigma > 1.8
    assert found.kurtosis < 0.7


def test_strong_field_does_not_count(truth, rng):
    spoiled = truth + np.where(known(truth) > 0, rng.normal(0, 100, truth.shape), 0)
    found = speckle(spoiled, truth, known(truth))
    assert (found.sigma, found.kurtosis) == (1, 1)


def test_missing_data(truth):
    spoiled = truth.copy()
    spoiled[:20] = np.nan
    assert speckle(spoiled, truth, known(truth)).sigma == pytest.approx(1)


def test_asinh_weighs_signs_and_not_strength():
    assert asinh_view([0.1, -0.1]) == pytest.approx([0.1, -0.1], rel=1e-3)
    assert asinh_view(2000.0) - asinh_view(1000.0) == pytest.approx(5 * np.log(2), rel=1e-4)
