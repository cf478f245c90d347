"""Perceptual distances: closed forms, and what they must see and not see."""

import sys

import numpy as np
import pytest
import scipy.linalg
import scipy.ndimage
import torch

from sunpy_magsr.metrics import frechet_distance, perceptual_distance
from sunpy_magsr.metrics.perceptual import patch_features, random_features


def display(field):
    return np.arcsinh(field / 40) / np.arcsinh(3000 / 40)


def gaussian_sample(rng, mean, covariance, count=50):
    """A sample whose mean and covariance are exactly these."""
    white = rng.standard_normal((count, len(mean)))
    white -= white.mean(axis=0)
    white = white @ np.linalg.inv(np.linalg.cholesky(np.cov(white.T))).T
    return mean + white @ np.linalg.cholesky(covariance).T


def test_the_weights_of_the_small_network_never_change():
    # scores made with other weights under the same label could not be compared
    features = random_features(torch.zeros(1, 1, 16, 16))
    assert [maps.shape[1] for maps in features] == [16, 24, 32, 48, 64]
    assert float(features[-1].sum()) == pytest.approx(5.076429426345348, rel=1e-6)


def test_the_distance_by_hand(rng):
    def network(images):
        """Two channels, the field and one."""
        return [torch.cat([images, torch.ones_like(images)], dim=1)]

    result, truth = rng.normal(0, 300, (2, 20, 20))
    difference = 2 - 2 * np.cos(np.arctan(display(result)) - np.arctan(display(truth)))
    assert perceptual_distance(result, truth, network=network) == pytest.approx(difference.mean(), rel=1e-5)
    result[:4, 5] = np.nan
    expected = difference[np.isfinite(result)].mean()
    assert perceptual_distance(result, truth, network=network) == pytest.approx(expected, rel=1e-5)


def test_the_distance_orders_results(rng):
    truth = 3000 * scipy.ndimage.gaussian_filter(rng.standard_normal((64, 64)), 1.5)
    slight, strong = (scipy.ndimage.gaussian_filter(truth, sigma) for sigma in (0.5, 3))
    assert perceptual_distance(truth, truth) == 0
    assert 0 < perceptual_distance(slight, truth) < perceptual_distance(strong, truth)
    assert perceptual_distance(truth, slight) == pytest.approx(perceptual_distance(slight, truth))


def test_the_distance_does_not_see_what_is_missing(rng):
    result, truth = rng.normal(0, 300, (2, 64, 64))
    result[20:30, 20:30] = np.nan
    score = perceptual_distance(result, truth)
    truth[20:30, 20:30] = 3000
    assert perceptual_distance(result, truth) == score
    result[:, ::16] = np.nan
    result[::16] = np.nan
    with pytest.raises(ValueError, match="every feature layer"):
        perceptual_distance(result, truth)


def test_frechet_distance_of_two_gaussians(rng):
    mean_a, mean_b = np.array([1.0, 0, 2]), np.array([0.0, 0, 4])
    a, b = (np.cov(rng.standard_normal((3, 20))) for _ in range(2))
    expected = 5 + np.trace(a + b - 2 * scipy.linalg.sqrtm(a @ b).real)
    distance = frechet_distance(gaussian_sample(rng, mean_a, a), gaussian_sample(rng, mean_b, b))
    assert distance == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_with_fewer_samples_than_features(rng):
    features = rng.standard_normal((5, 40))
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-12)
    assert frechet_distance(features, features + 1) == pytest.approx(40, rel=1e-9)


def test_patches_must_be_fully_measured(rng):
    field = rng.normal(0, 100, (128, 96))
    assert patch_features(field).shape == (6, 64)
    field[0, 0] = np.nan
    assert patch_features(field).shape == (5, 64)
    assert patch_features(field[:40]).shape == (0, 0)


def test_what_is_refused(monkeypatch):
    field = np.zeros((64, 64))
    with pytest.raises(TypeError, match="network must be None, 'vgg', 'alex' or a function"):
        perceptual_distance(field, field, network="resnet")
    with pytest.raises(ValueError, match="at least 16 x 16"):
        perceptual_distance(field[:15], field[:15])
    with pytest.raises(ValueError, match="features_b must have as many features"):
        frechet_distance(np.zeros((3, 2)), np.zeros((3, 4)))
    monkeypatch.setitem(sys.modules, "torchmetrics.functional.image", None)
    with pytest.raises(ImportError, match=r"pip install sunpy-magsr\[perceptual\]"):
        perceptual_distance(field, field, network="vgg")
