"""Calibration of ensembles whose spread is right, too small or too large by construction."""

import numpy as np
import pytest
import scipy.stats
from matplotlib.figure import Figure

from sunpy_magsr.uncertainty import coverage, plot_reliability, rank_histogram, reliability


def drawn(rng, size, spread=1.0, shape=(200, 200)):
    return spread * rng.normal(0, 50, (size, *shape)), rng.normal(0, 50, shape)


@pytest.mark.parametrize("size", [3, 8, 20])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.77, 1.0])
def test_a_calibrated_ensemble_covers_the_level(rng, size, share):
    level = share * (size - 1) / (size + 1)
    assert coverage(*drawn(rng, size), level=level) == pytest.approx(level, abs=0.01)


def test_coverage_of_a_large_ensemble_is_that_of_its_distribution(rng):
    # members of half the spread: their central 90% ends at 0.82 sigma of the truth
    expected = 2 * scipy.stats.norm.cdf(scipy.stats.norm.ppf(0.95) / 2) - 1
    assert coverage(*drawn(rng, 400, 0.5, (60, 60)), level=0.9) == pytest.approx(expected, abs=0.025)


def test_coverage_counts_the_interval_between_lowest_and_highest():
    members = np.stack([np.full((1, 10), value) for value in (2.5, 4.5, 6.5)])
    assert coverage(members, np.arange(10.0)[None], level=0.5) == pytest.approx(0.4)


def test_members_equal_to_the_truth_tell_nothing():
    field = np.zeros((4, 4))
    assert coverage([field] * 9, field, level=0.6) == pytest.approx(0.6)
    truth = field.copy()
    truth[:2] = 5
    assert coverage([field] * 9, truth, level=0.6) == pytest.approx(0.3)


@pytest.mark.parametrize(("size", "largest"), [(3, "0.5"), (8, "0.777778"), (1, "0")])
def test_too_high_a_level_names_the_largest(rng, size, largest):
    with pytest.raises(ValueError, match=rf"at most {largest} with {size} members, got \[0.9\]"):
        coverage(*drawn(rng, size, shape=(3, 3)))
    with pytest.raises(ValueError, match="level must be above 0"):
        coverage(*drawn(rng, size, shape=(3, 3)), level=0)


def test_ranks_of_a_calibrated_ensemble_are_flat(rng):
    counts = rank_histogram(*drawn(rng, 8))
    assert counts.shape == (9,)
    assert counts.sum() == 40000
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


def test_ranks_show_the_spread_and_the_bias(rng):
    narrow = rank_histogram(*drawn(rng, 8, 0.5))
    assert min(narrow[0], narrow[-1]) > 2 * narrow[1:-1].max()
    wide = rank_histogram(*drawn(rng, 8, 2))
    assert max(wide[0], wide[-1]) < 0.5 * wide[4]
    members, truth = drawn(rng, 8)
    assert (np.diff(rank_histogram(members, truth + 100)) > 0).all()


def test_coverage_follows_from_the_ranks(rng):
    members, truth = drawn(rng, 9, 0.7)
    counts = rank_histogram(members, truth)
    table = reliability(members, truth)
    np.testing.assert_allclose(table["level"], [0.2, 0.4, 0.6, 0.8])
    np.testing.assert_allclose(table["coverage"], [counts[k:-k].sum() / 40000 for k in (4, 3, 2, 1)])
    assert (table["coverage"] < table["level"] - 0.03).all()
    assert table.meta == {"members": 9, "pixels": 40000}


def test_reliability_is_drawn_with_the_diagonal(rng):
    tables = {name: reliability(*drawn(rng, 9, spread)) for name, spread in [("right", 1), ("narrow", 0.5)]}
    given = Figure().add_subplot()
    for axes in (plot_reliability(tables, axes=given), plot_reliability(tables)):
        lines = {line.get_label(): line.get_xydata() for line in axes.lines}
        assert set(lines) == {"calibrated", "right", "narrow"}
        np.testing.assert_array_equal(lines["calibrated"], [[0, 0], [1, 1]])
        np.testing.assert_array_equal(lines["narrow"][:, 1], tables["narrow"]["coverage"])
    assert len(given.lines) == 3
