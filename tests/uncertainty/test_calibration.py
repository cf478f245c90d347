"""Calibration of intervals: factors by stratum, coverage on what they were not fitted on, and files."""

import dataclasses

import numpy as np
import pytest

from sunpy_magsr.metrics.ensemble import Draws
from sunpy_magsr.uncertainty import Calibration
from sunpy_magsr.uncertainty.calibration import UNCALIBRATED, coverage_table
from sunpy_magsr.uncertainty.intervals import Case, half_width

EDGES = {"field": (0, 100, np.inf)}
SHAPE = (120, 120)


def case(rng, region, *, error=(1.0, 1.0), n_samples=8, strong=True):
    """Members' moments and a truth whose errors are ``error`` times too large in weak and strong field."""
    field = np.where(np.arange(SHAPE[1]) < 60, 10.0, 500.0 if strong else 20.0) * np.ones(SHAPE)
    sigma = rng.uniform(5, 50, SHAPE)
    members = rng.normal(0, sigma, (n_samples, *SHAPE))
    truth = rng.normal(0, sigma * np.where(field < 100, *error))
    return Case(members.mean(axis=0), members.std(axis=0, ddof=1), Draws(n_samples), truth, {"field": field}, region)


@pytest.mark.parametrize("n_samples", [2, 8, 32])
def test_members_that_are_as_good_as_the_truth_need_no_factor(rng, n_samples):
    cases = [case(rng, region, n_samples=n_samples) for region in "abc"]
    calibration = Calibration.fit(cases, edges=EDGES)
    assert calibration.factors == pytest.approx(np.ones((2, 4)), abs=0.12)


def test_factors_are_those_of_the_stratum(rng):
    cases = [case(rng, region, error=(2.0, 0.5)) for region in "abc"]
    calibration = Calibration.fit(cases, edges=EDGES, data="simulated")
    for found, ratio in zip(calibration.factors, (2.0, 0.5), strict=True):
        right = np.sqrt((ratio**2 + 1 / 8) / (1 + 1 / 8))  # the mean of 8 members has an error of its own
        assert found == pytest.approx(right * np.ones(4), rel=0.05)
    assert calibration.data == "simulated"


def test_a_calibration_with_few_members_holds_with_many(rng):
    """Student's t takes the number of members out of the factor."""
    few = [case(rng, region, error=(1.5, 0.7), n_samples=6) for region in "abc"]
    many = [case(rng, region, error=(1.5, 0.7), n_samples=40) for region in "def"]
    table = coverage_table(dict.fromkeys("def", Calibration.fit(few, edges=EDGES)), many)
    overall = table[table["stratum"] == "all"]
    assert overall["coverage"].data == pytest.approx(overall["level"].data, abs=0.03)


def test_cross_fit_judges_by_regions_left_out(rng):
    alike = [case(rng, region, error=(2.0, 1.0)) for region in "abcd"]
    table = Calibration.cross_fit(alike, edges=EDGES)
    assert table["coverage"].data == pytest.approx(table["level"].data, abs=0.03)
    assert set(table["regions"]) == {4}
    odd = [*alike[:3], case(rng, "d", error=(8.0, 1.0))]
    at_90 = Calibration.cross_fit(odd, edges=EDGES)
    at_90 = at_90[(at_90["level"] == 0.9) & (at_90["stratum"] == "field 0-100 G")]
    assert at_90["lowest"][0] < 0.5
    assert at_90["binomial_error"][0] == pytest.approx(np.sqrt(at_90["coverage"][0] * (1 - at_90["coverage"][0]) / 4))
    assert at_90["scatter_error"][0] > 0.05
    assert set(table["stratum"]) == {"all", "field 0-100 G", "field 100 and more G"}


def test_regions_count_the_same(rng):
    """However many frames of one there are."""
    one = [case(rng, "a", error=(3.0, 1.0)), case(rng, "b")]
    many = [*[case(rng, "a", error=(3.0, 1.0)) for _ in range(4)], case(rng, "b")]
    once, often = (Calibration.fit(cases, edges=EDGES).factors for cases in (one, many))
    assert often == pytest.approx(once, rel=0.08)


def test_a_stratum_of_one_region_is_not_calibrated(rng):
    calibration = Calibration.fit([case(rng, "a"), case(rng, "b", strong=False)], edges=EDGES)
    assert np.isnan(calibration.factors[1]).all()
    assert calibration.regions.tolist() == [2, 1]
    strata = calibration.strata({"field": np.array([10.0, 500.0, np.nan, -1.0])}, (4,))
    assert strata.tolist() == [0, UNCALIBRATED, UNCALIBRATED, UNCALIBRATED]
    assert calibration.factor(0.9)[UNCALIBRATED] == 1


def test_strata_of_several_axes():
    shape = (2, 1, 1)
    known = np.arange(1.0, 3).reshape(*shape)
    calibration = Calibration({"mu": (0.5, 1), "field": (0, 10, 20)}, (0.9,), known, known, np.ones((2, 1)))
    assert list(calibration.edges) == ["field", "mu"]
    conditions = {"field": np.array([5.0, 15.0, 20.0, 25.0]), "mu": 0.7}
    strata = calibration.strata(conditions, (4,))
    assert strata.tolist() == [0, 1, 1, UNCALIBRATED]
    assert calibration.factor(0.5)[strata].tolist() == [1, 2, 2, 1]
    assert calibration.strata({**conditions, "mu": 0.3}, (4,)).tolist() == [UNCALIBRATED] * 4


def test_a_file_gives_it_back(rng, tmp_path):
    calibration = Calibration.fit([case(rng, "a"), case(rng, "b", strong=False)], edges=EDGES, data="simulated")
    read = Calibration.load(calibration.save(tmp_path / "calibration.json"))
    assert read.factors == pytest.approx(calibration.factors, abs=1e-3, nan_ok=True)
    for name in ("edges", "levels", "data"):
        assert getattr(read, name) == getattr(calibration, name)
    assert np.array_equal(read.regions, calibration.regions)


def test_half_width_is_that_of_a_prediction():
    """A new draw from a Gaussian lies within it as often as it says."""
    rng = np.random.default_rng(5)
    draws = rng.normal(size=(5, 200_000))
    error = np.abs(draws[4] - draws[:4].mean(axis=0)) / draws[:4].std(axis=0, ddof=1)
    for level in (0.5, 0.9):
        assert (error <= half_width(level, Draws(4))).mean() == pytest.approx(level, abs=0.005)


def test_refusals(rng, tmp_path):
    with pytest.raises(ValueError, match="cases must have 2 regions with 1000 pixels in a stratum, got 1 region"):
        Calibration.fit([case(rng, "a")], edges=EDGES)
    with pytest.raises(ValueError, match="edges must be ascending numbers of field, mu, noise, blur, date"):
        Calibration.fit([case(rng, "a"), case(rng, "b")], edges={"latitude": (0, 90)})
    with pytest.raises(ValueError, match="levels must be ascending and between 0 and 1"):
        Calibration.fit([case(rng, "a"), case(rng, "b")], edges=EDGES, levels=[0.9, 0.5])
    (tmp_path / "wrong.json").write_text('{"edges": {"field": [0, 1]}}')
    with pytest.raises(ValueError, match="a calibration must have edges, levels, factors, scatter and regions"):
        Calibration.load(tmp_path / "wrong.json")
    calibration = Calibration.fit([case(rng, "a"), case(rng, "b")], edges=EDGES)
    with pytest.raises(ValueError, match="factors must be numbers from 0 of shape"):
        dataclasses.replace(calibration, factors=-calibration.factors)
