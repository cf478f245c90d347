"""The ensemble and its statistics."""

import pickle

import astropy.units as u
import numpy as np
import pytest
from scipy import stats

import sunpy_magsr
from sunpy_magsr.exceptions import MagsrUserWarning
from sunpy_magsr.uncertainty import Ensemble

N = 6


@pytest.fixture(scope="module")
def ensemble(sample):
    cutout = sample.submap([205, 95] * u.pix, top_right=[228, 118] * u.pix)
    return sunpy_magsr.superresolve_ensemble(cutout, n_samples=N, seed=42, plate_scale=None, independent=True)


@pytest.fixture
def members(ensemble):
    return np.stack([ensemble.sample(number).data for number in range(N)])


def test_moments(ensemble, members):
    assert len(ensemble) == N
    assert ensemble.mean().data == pytest.approx(members.mean(axis=0), abs=0.01)
    assert ensemble.std().data == pytest.approx(members.std(axis=0, ddof=1), abs=0.01)
    assert ensemble.median().data == pytest.approx(np.median(members, axis=0), abs=0.01)
    assert np.array_equal(ensemble.mean().uncertainty.array, ensemble.std().data)
    assert ensemble.mean().uncertainty.unit == u.G


def test_mean_is_what_superresolve_returns(ensemble, sample):
    cutout = sample.submap([205, 95] * u.pix, top_right=[228, 118] * u.pix)
    result = sunpy_magsr.superresolve(cutout, n_samples=N, seed=42, plate_scale=None, independent=True)
    assert np.array_equal(result.data, ensemble.mean().data)
    assert np.array_equal(result.uncertainty.array, ensemble.std().data)
    assert result.meta["magsrns"] == N


def test_maps_say_what_they_are(ensemble):
    assert [smap.meta["magsrsta"] for smap in (ensemble.mean(), ensemble.std(), ensemble.sample(2))] == [
        "mean",
        "standard deviation",
        "sample 2",
    ]


def test_propagate_numbers_and_quantities(ensemble, members):
    value, low, high = ensemble.propagate(lambda smap: np.abs(smap.data).sum())
    totals = np.abs(members).sum(axis=(1, 2))
    assert value == pytest.approx(totals.mean())
    assert 0 <= low < value < high
    assert high - value == pytest.approx(stats.t.ppf(0.95, N - 1) * np.sqrt(1 + 1 / N) * totals.std(ddof=1), rel=1e-4)
    flux, *_ = ensemble.propagate(lambda smap: smap.data.max() * smap.unit)
    assert flux.unit == u.G


def test_a_member_is_a_copy(ensemble):
    ensemble[0].data[:] = 0
    assert np.abs(ensemble.sample(0).data).max() > 0


def test_errors(ensemble):
    with pytest.raises(ValueError, match=f"number must be 0 to {N - 1}, got {N}"):
        ensemble.sample(N)
    with pytest.raises(ValueError, match="level must be between 0 and 1, got 90"):
        ensemble.interval(90)


def test_a_model_without_calibration_says_so_once():
    field = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    ensemble = Ensemble([field, field + 1], lambda data, *_, **__: data)
    with pytest.warns(MagsrUserWarning, match="This model has no calibration") as caught:
        low, high = ensemble.interval(0.5)
    assert [warning.filename for warning in caught] == [__file__]
    assert (low < high).all()
    assert "intervals not calibrated" in repr(ensemble)
    assert ensemble.strata is None


def test_an_ensemble_can_be_pickled():
    field = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    ensemble = pickle.loads(pickle.dumps(Ensemble([field, field + 1], print)))
    assert np.array_equal(ensemble.members, [field, field + 1])
    assert len(ensemble) == 2


def test_missing_stays_missing():
    field = np.array([[1.0, np.nan]], dtype=np.float32)
    ensemble = Ensemble([field, field + 1, field + 2], lambda data, statistic, std=None: data)
    assert np.array_equal(ensemble.median(), [[2.0, np.nan]], equal_nan=True)
