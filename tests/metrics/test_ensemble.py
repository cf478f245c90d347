"""Scores of an ensemble against closed forms and the definition written out."""

import astropy.units as u
import numpy as np
import pytest

from sunpy_magsr.metrics.ensemble import crps, crps_gaussian, read_members, spread_skill
from sunpy_magsr.uncertainty import Ensemble


def calibrated(rng, size, shape=(150, 150), spread=1.0):
    """Members and truth around one unknown mean, as a right posterior has them; ``spread`` scales the members."""
    center = rng.normal(0, 300, shape)
    members = center + spread * rng.normal(0, 50, (size, *shape))
    return members, center + rng.normal(0, 50, shape)


def test_crps_is_the_definition_over_all_pairs(rng):
    members, truth = rng.normal(0, 100, (7, 5, 6)), rng.normal(0, 100, (5, 6))
    expected = np.abs(members - truth).mean()
    for one in members:
        for other in members:
            expected -= np.abs(one - other).mean() / (2 * 7 * 6)
    assert crps(members, truth).unit == u.G
    assert crps(members, truth).value == pytest.approx(expected, rel=1e-6)


def test_crps_of_a_large_gaussian_ensemble_is_the_closed_form(rng):
    mean, std = rng.normal(0, 100, (12, 12)), rng.uniform(20, 80, (12, 12))
    truth = mean + 60
    members = mean + std * rng.standard_normal((20000, 12, 12))
    assert crps(members, truth).value == pytest.approx(crps_gaussian(mean, std, truth).value, rel=3e-3)


def test_crps_does_not_depend_on_the_number_of_members(rng):
    expected = 50 / np.sqrt(np.pi)
    for size in (2, 16):
        assert crps(*calibrated(rng, size, (300, 300))).value == pytest.approx(expected, rel=0.015)


def test_crps_of_one_member_is_the_mean_absolute_error(rng):
    members, truth = calibrated(rng, 1, (8, 9))
    assert crps(members, truth).value == pytest.approx(np.abs(members[0] - truth).mean(), rel=1e-12)


@pytest.mark.parametrize("size", [3, 8, 20])
def test_spread_matches_error_in_a_calibrated_ensemble(rng, size):
    assert spread_skill(*calibrated(rng, size)) == pytest.approx(1, abs=0.02)


def test_spread_skill_tells_over_and_underconfidence(rng):
    # variance s^2 (1 + 1/S) over the squared error 1 + s^2/S of the mean, in units of the variance of the truth
    for spread in (0.5, 2):
        expected = np.sqrt(spread**2 * (1 + 1 / 8) / (1 + spread**2 / 8))
        assert spread_skill(*calibrated(rng, 8, spread=spread)) == pytest.approx(expected, rel=0.02)


def test_only_chosen_pixels_count(rng):
    members, truth = calibrated(rng, 5, (20, 20))
    where = np.zeros((20, 20), bool)
    where[:10] = True
    for score in (crps, spread_skill):
        expected = score(members[:, :10], truth[:10])
        truth[10:] = 1e5
        assert np.isclose(score(members, truth, where=where), expected, rtol=1e-12)
        assert not np.isclose(score(members, truth), expected)


def test_pixels_missing_anywhere_are_left_out(rng):
    members, truth = calibrated(rng, 4, (6, 6))
    expected = crps(members[:, 2:], truth[2:]).value
    members[1, 0], truth[1] = np.nan, np.nan
    assert crps(members, truth).value == pytest.approx(expected)
    assert read_members(members, truth)[0].shape == (4, 24)


def test_ensembles_maps_and_arrays_score_the_same(rng, small, with_meta):
    fields = [(small.data + rng.normal(0, 30, small.data.shape)).astype(np.float32) for _ in range(4)]
    ensemble = Ensemble(fields, lambda data, statistic, std=None: with_meta(data))
    valid = np.isfinite(small.data)
    expected = crps(np.stack(fields), small, where=valid).value
    assert crps(ensemble, small).value == pytest.approx(expected)
    assert crps([with_meta(field) for field in fields], small).value == pytest.approx(expected)
    assert crps(np.stack(fields) * 0.1 * u.mT, small).value == pytest.approx(expected)


def test_wrong_input_is_named(small):
    field = np.ones((3, 4))
    with pytest.raises(TypeError, match="members must be an Ensemble"):
        crps(small, small)
    with pytest.raises(ValueError, match="members must hold at least one field"):
        crps([], field)
    with pytest.raises(ValueError, match=r"members\[1\] must have the shape of truth, \(3, 4\)"):
        crps([field, np.ones((4, 4))], field)
    with pytest.raises(ValueError, match=r"members\[0\] must be two-dimensional"):
        crps(field, field)
    with pytest.raises(ValueError, match="where must be a bool array of shape"):
        crps([field], field, where=np.ones((3, 4)))
    with pytest.raises(ValueError, match="truth must share a measured pixel"):
        crps([field], field, where=np.zeros((3, 4), bool))
    with pytest.raises(ValueError, match="members must be at least 2"):
        spread_skill([field], field)
    with pytest.raises(ValueError, match="truth must differ from the mean"):
        spread_skill([field, field], field)
    with pytest.raises(ValueError, match="std must not be negative"):
        crps_gaussian(field, -field, field)
