"""The degradation operator."""

import numpy as np
import pytest

from sunpy_magsr.forward_model import degrade


def test_mean_of_blocks(rng):
    field = rng.normal(0, 300, (2, 16, 24))
    low = degrade(field)
    assert low.shape == (2, 4, 6)
    assert low[1, 2, 3] == pytest.approx(field[1, 8:12, 12:16].mean())


def test_flux_is_kept_by_every_part(rng):
    field = np.zeros((160, 160))
    field[60:100, 60:100] = rng.normal(0, 300, (40, 40))
    low = degrade(field, psf_fwhm=6.6, gain=1.4)
    assert 16 * low.sum() == pytest.approx(1.4 * field.sum())


def test_point_spread_function_has_its_width():
    field = np.zeros((201 * 4, 201 * 4))
    field[402, 402] = 1e6
    seen = degrade(field, factor=1, psf_fwhm=20.0)[402]
    assert np.count_nonzero(seen > seen.max() / 2) == pytest.approx(20, abs=1)


def test_noise(rng):
    low = degrade(np.zeros((400, 400)), noise=12.0, seed=1)
    assert low.std() == pytest.approx(12, rel=0.05)
    assert np.array_equal(low, degrade(np.zeros((400, 400)), noise=12.0, seed=1))


def test_missing_data_stay_missing():
    field = np.ones((8, 8))
    field[0, 0] = np.nan
    assert np.isnan(degrade(field)).tolist() == [[True, False], [False, False]]


def test_errors():
    with pytest.raises(ValueError, match=r"multiples of factor = 4, got shape \(9, 8\)"):
        degrade(np.zeros((9, 8)))
    with pytest.raises(ValueError, match="seed must be given"):
        degrade(np.zeros((8, 8)), noise=1.0)
