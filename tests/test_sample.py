"""The synthetic sample: like MDI where it matters, and honest."""

import numpy as np

from sunpy_magsr.data import sample_truth


def test_it_says_that_it_is_synthetic(sample):
    assert sample.meta["object"] == "SYNTHETIC"
    assert "not an observation" in sample.meta["content"]


def test_quiet_sun_noise_and_active_regions(sample):
    values = sample.data[np.isfinite(sample.data)]
    quiet = 1.4826 * np.median(np.abs(values))
    assert 10 < quiet < 20
    assert values.max() > 1500
    assert values.min() < -1000


def test_limb(sample):
    distance = np.hypot(*(axis.to_value("arcsec") for axis in _coordinates(sample)))
    beyond = distance > sample.rsun_obs.to_value("arcsec") + 2
    assert 0.02 < beyond.mean() < 0.2
    assert np.isnan(sample.data[beyond]).all()


def _coordinates(smap):
    y, x = np.indices(smap.data.shape)
    world = smap.wcs.pixel_to_world(x, y)
    return world.Tx, world.Ty


def test_truth_is_the_sample_at_four_times_the_resolution(sample):
    truth, mu = sample_truth()
    assert truth.shape == (1280, 1280)
    assert ((mu >= 0) & (mu <= 1)).all()
    low = truth.reshape(320, 4, 320, 4).mean(axis=(1, 3))
    on_disk = np.isfinite(sample.data)
    assert np.corrcoef(low[on_disk], sample.data[on_disk])[0, 1] > 0.9
