"""Noise belongs to places; tiles cover what is wanted once."""

import numpy as np
import pytest
from scipy import stats

from sunpy_magsr.sampling.noise import noise_field
from sunpy_magsr.sampling.tiles import tiles


def test_noise_is_white_and_normal():
    noise = noise_field((4, 200, 200), origin=(-100, 50), seed=3, sample=1)
    assert stats.kstest(noise.ravel(), "norm").pvalue > 1e-3
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(noise[0, :, 1:].ravel(), noise[0, :, :-1].ravel())[0, 1]) < 0.02


@pytest.mark.parametrize("origin", [(0, 0), (-37, 5), (31, -64)])
def test_windows_of_a_frame_agree(origin):
    frame = noise_field((3, 200, 180), origin=(-70, -70), seed=5, sample=0)
    window = noise_field((3, 33, 65), origin=origin, seed=5, sample=0)
    y, x = (place + 70 for place in origin)
    assert np.array_equal(frame[:, y : y + 33, x : x + 65], window)


@pytest.mark.parametrize("other", [{"seed": 6, "sample": 0}, {"seed": 5, "sample": 1}, {"seed": 0, "sample": 5}])
def test_seeds_and_samples_are_independent(other):
    first = noise_field((1, 100, 100), origin=(0, 0), seed=5, sample=0)
    second = noise_field((1, 100, 100), origin=(0, 0), **other)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05


def test_noise_does_not_change_between_releases():
    """The stream is part of the promise that a seed repeats: these numbers must never move."""
    noise = noise_field((1, 1, 3), origin=(7, -3), seed=42, sample=2)
    assert noise.ravel() == pytest.approx([-0.79817563, 0.58554363, -0.45510837], abs=1e-6)


def test_tiles_cover_a_frame_once():
    count = np.zeros((70, 45), dtype=int)
    for tile in tiles(count.shape, size=32, halo=5):
        count[tile.core] += 1
        padded = np.zeros(count.shape)[tile.padded]
        assert padded.shape == tile.shape
        assert padded[tile.inner].shape == count[tile.core].shape
    assert (count == 1).all()


def test_tiles_off_the_disk_are_left_out():
    wanted = np.zeros((64, 64), dtype=bool)
    wanted[40, 41] = wanted[47, 50] = True
    assert [tile.core for tile in tiles((64, 64), size=32, halo=4, wanted=wanted)] == [(slice(40, 48), slice(40, 52))]
