"""Perceptual distances: closed forms, torchmetrics, and what they must see and not see."""

import sys

import numpy as np
import pytest
import scipy.linalg
import scipy.ndimage
import torch
from torchmetrics.image.fid import FrechetInceptionDistance

from sunpy_magsr.metrics import frechet_distance, lpips
from sunpy_magsr.metrics.perceptual import feature_label, fid, random_features


class Wrapped(torch.nn.Module):
    """The random network as torchmetrics wants it."""

    num_features = 64

    def __init__(self):
        super().__init__()
        self.network = random_features()

    def forward(self, images):
        return self.network(images)


class Identity:
    """Two channels, the field and one, that a hand calculation can follow."""

    label = "identity"

    @staticmethod
    def layers(images):
        return [torch.cat([images, torch.ones_like(images)], dim=1)]


def display(field):
    return np.arcsinh(field / 40) / np.arcsinh(3000 / 40)


def gaussian_sample(rng, mean, covariance, count=50):
    """A sample whose mean and covariance are exactly these."""
    white = rng.standard_normal((count, len(mean)))
    white -= white.mean(axis=0)
    white = white @ np.linalg.inv(np.linalg.cholesky(np.cov(white.T))).T
    return mean + white @ np.linalg.cholesky(covariance).T


def test_random_features_come_from_the_seed():
    images = torch.linspace(-1, 1, 2 * 48 * 48).reshape(2, 1, 48, 48)
    assert torch.equal(random_features(3)(images), random_features(3)(images))
    assert not torch.allclose(random_features(3)(images), random_features(4)(images))
    assert random_features(3).label == "random features, seed 3"
    assert [tuple(maps.shape[1:]) for maps in random_features().layers(images)] == [
        (16, 48, 48),
        (24, 24, 24),
        (32, 12, 12),
        (48, 6, 6),
        (64, 3, 3),
    ]


def test_weights_of_seed_zero_are_the_published_ones():
    # scores made with other weights under the same label could not be compared
    assert float(random_features()(torch.zeros(1, 1, 16, 16)).sum()) == pytest.approx(5.076429426345348, rel=1e-6)


def test_random_features_refuse_small_images():
    with pytest.raises(ValueError, match="at least 16 x 16"):
        lpips(np.ones((15, 40)), np.zeros((15, 40)))


def test_lpips_by_hand(rng):
    result, truth = rng.normal(0, 300, (2, 20, 20))
    angle = np.arctan(display(result)) - np.arctan(display(truth))
    expected = np.mean(2 - 2 * np.cos(angle))
    assert lpips(result, truth, network=Identity()) == pytest.approx(expected, rel=1e-5)
    result[:4, 5] = np.nan
    expected = np.mean((2 - 2 * np.cos(angle))[np.isfinite(result)])
    assert lpips(result, truth, network=Identity()) == pytest.approx(expected, rel=1e-5)


def test_lpips_orders_results(rng):
    truth = 3000 * scipy.ndimage.gaussian_filter(rng.standard_normal((64, 64)), 1.5)
    slight, strong = (scipy.ndimage.gaussian_filter(truth, sigma) for sigma in (0.5, 3))
    assert lpips(truth, truth) == 0
    assert 0 < lpips(slight, truth) < lpips(strong, truth)
    assert lpips(truth, slight) == pytest.approx(lpips(slight, truth))


def test_lpips_does_not_see_what_is_missing(rng):
    result, truth = rng.normal(0, 300, (2, 64, 64))
    result[20:30, 20:30] = np.nan
    score = lpips(result, truth)
    truth[20:30, 20:30] = 3000
    assert lpips(result, truth) == score
    result[:, ::16] = np.nan
    result[::16] = np.nan
    with pytest.raises(ValueError, match="every feature layer"):
        lpips(result, truth)


def test_pretrained_networks_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchmetrics.functional.image", None)
    with pytest.raises(ImportError, match=r"pip install sunpy-magsr\[perceptual\]"):
        lpips(np.ones((64, 64)), np.zeros((64, 64)), network="vgg")


def test_frechet_distance_of_two_gaussians(rng):
    mean_a, mean_b = np.array([1.0, 0, 2]), np.array([0.0, 0, 4])
    a, b = (np.cov(rng.standard_normal((3, 20))) for _ in range(2))
    expected = 5 + np.trace(a + b - 2 * scipy.linalg.sqrtm(a @ b).real)
    distance = frechet_distance(gaussian_sample(rng, mean_a, a), gaussian_sample(rng, mean_b, b))
    assert distance == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_of_independent_features(rng):
    # commuting covariances: the sum of squared differences of the standard deviations
    a, b = gaussian_sample(rng, np.zeros(2), np.diag([1.0, 9])), gaussian_sample(rng, np.ones(2), np.diag([4.0, 25]))
    assert frechet_distance(a, b) == pytest.approx(2 + 1 + 4, rel=1e-9)


def test_frechet_distance_with_fewer_samples_than_features(rng):
    features = rng.standard_normal((5, 40))
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-12)
    assert frechet_distance(features, features + 1) == pytest.approx(40, rel=1e-9)


def test_fid_is_that_of_torchmetrics(rng):
    results, truths = rng.normal(0, 100, (4, 128, 128)), rng.normal(10, 300, (3, 128, 128))
    metric = FrechetInceptionDistance(feature=Wrapped(), normalize=True)
    for fields, real in ((truths, True), (results, False)):
        patches = [
            field[y : y + 16, x : x + 16] for field in fields for y in range(0, 113, 16) for x in range(0, 113, 16)
        ]
        metric.update(torch.from_numpy(display(np.array(patches))[:, None]).float(), real=real)
    assert fid(results, truths, patch=16, stride=16) == pytest.approx(float(metric.compute()), rel=1e-6)


def test_fid_uses_fully_measured_patches_of_any_network(rng):
    field = rng.normal(0, 100, (40, 30))
    field[12, 12] = np.nan
    seen = []

    def network(images):
        seen.append(images.numpy())
        return images.mean(dim=(1, 2, 3))[:, None]

    assert fid([field], [field, field], network=network, patch=10, stride=10) >= 0
    assert [len(batch) for batch in seen] == [11, 11, 11]
    assert seen[0][0, 0] == pytest.approx(display(field[:10, :10]), rel=1e-6)
    assert all(np.isfinite(batch).all() for batch in seen)


def test_fid_of_maps(small):
    assert fid([small], [small], patch=16, stride=4) == pytest.approx(0, abs=1e-9)
    assert fid([small * 0.5], [small], patch=16, stride=4) > 0


def test_labels_are_never_bare():
    assert feature_label() == "random features, seed 0"
    assert feature_label(random_features(5)) == "random features, seed 5"
    assert feature_label("alex") == "AlexNet, ImageNet weights"
    assert feature_label(Identity()) == "identity"
    assert feature_label(torch.nn.Flatten()) == "Flatten"


def test_what_is_refused(small):
    field = np.zeros((64, 64))
    with pytest.raises(TypeError, match="network must be None"):
        lpips(field, field, network="resnet")
    with pytest.raises(TypeError, match="results must be a sequence of fields"):
        fid(field, [field])
    with pytest.raises(TypeError, match="truths must be a sequence of fields"):
        fid([field], small, patch=16)
    with pytest.raises(TypeError, match="network must be None or callable"):
        fid([field], [field], network="vgg")
    with pytest.raises(ValueError, match="results must have two fully measured patches"):
        fid([field], [field])
    with pytest.raises(ValueError, match="stride must be a positive integer"):
        fid([field], [field], stride=0)
    with pytest.raises(ValueError, match="features_b must have as many features"):
        frechet_distance(np.zeros((3, 2)), np.zeros((3, 4)))
