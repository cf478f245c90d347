"""The quantile at which the truth lies: uniform where intervals are right."""

import numpy as np
import pytest
from scipy import stats

import sunpy_magsr
from sunpy_magsr.metrics.ensemble import Draws
from sunpy_magsr.uncertainty import Calibration, Ensemble, pit, pit_histogram, plot_pit, plot_reliability
from sunpy_magsr.uncertainty.calibration import Facts
from sunpy_magsr.uncertainty.diagnostics import case_pit, draw_diagnostics, plot_strata, reliability_of_regions
from sunpy_magsr.uncertainty.intervals import Case

SHAPE = (100, 100)
EDGES = {"field": (0, 30, np.inf)}


def make_case(rng, name, *, n_samples=4, spread=1.0, bias=0.0):
    """Members and truth from one Gaussian; the members' deviations from its middle are multiplied by ``spread``."""
    middle = rng.normal(0, 100, SHAPE)
    members = middle + spread * rng.normal(0, 10, (n_samples, *SHAPE))
    truth = middle + bias + rng.normal(0, 10, SHAPE)
    return Case(
        members.mean(axis=0), members.std(axis=0, ddof=1), Draws(n_samples), truth, {"field": np.abs(middle)}, name
    )


@pytest.mark.parametrize("n_samples", [2, 4, 16])
def test_it_is_uniform_if_members_and_truth_are_alike_however_few(rng, n_samples):
    values = case_pit(make_case(rng, "a", n_samples=n_samples))
    assert stats.kstest(values.ravel(), "uniform").pvalue > 1e-3


def test_narrow_wide_and_biased_ones_show(rng):
    def ends_and_middle(**options):
        density = pit_histogram({"a": case_pit(make_case(rng, "a", **options))}, bins=10)["density"]
        return density[0], density[4], density[-1]

    low, middle, high = ends_and_middle(spread=0.5)
    assert min(low, high) > 1.5 * middle
    low, middle, high = ends_and_middle(spread=2)
    assert middle > 1.5 * max(low, high)
    low, middle, high = ends_and_middle(bias=10)
    assert high > 1.5 * middle > 1.5 * low


def test_calibration_makes_it_uniform(rng):
    cases = [make_case(rng, name, n_samples=50, spread=0.5) for name in "abc"]
    calibration = Calibration.fit(cases[:2], edges=EDGES, levels=np.arange(1, 20) / 20)
    assert pit_histogram({"c": case_pit(cases[2])})["density"][0] > 2
    assert pit_histogram({"c": case_pit(cases[2], calibration)})["density"] == pytest.approx(1, abs=0.2)


def test_of_an_ensemble_it_agrees_with_its_intervals(rng, small):
    template = sunpy_magsr.superresolve(small, model="bicubic", plate_scale=None)

    def make_map(data, statistic, std=None, flagged=None):
        return type(template)(data, template.meta, mask=flagged)

    calibration = Calibration.fit([make_case(rng, name, spread=0.7) for name in "ab"], edges=EDGES)
    middle = rng.normal(0, 100, SHAPE)
    members = (middle + rng.normal(0, 7, (5, *SHAPE))).astype(np.float32)
    strata = calibration.strata({"field": np.abs(middle)}, SHAPE)
    ensemble = Ensemble(members, make_map, Facts({"pixel": calibration}, strata=strata))
    truth = middle + rng.normal(0, 10, SHAPE)
    values = pit(ensemble, truth)
    for level in (0.5, 0.8, 0.95):
        low, high = ensemble.interval(level)
        held = (low.data <= truth) & (truth <= high.data)
        assert (np.abs(2 * values - 1) <= level).mean() == pytest.approx(held.mean(), abs=2e-3)
    with pytest.raises(ValueError, match=r"truth must have the shape of the ensemble, \(100, 100\), got \(9, 9\)"):
        pit(ensemble, np.ones((9, 9)))
    with pytest.raises(TypeError, match="ensemble must be an Ensemble, got ndarray"):
        pit(members, truth)


def test_errors_count_regions_not_pixels(rng):
    """Each region with a bias of its own: ten times the pixels do not make it surer."""
    biases = rng.normal(0, 10, 8)
    values = {str(at): case_pit(make_case(rng, "a", bias=bias)) for at, bias in enumerate(biases)}
    repeated = {name: np.tile(of_region, (10, 1)) for name, of_region in values.items()}
    for measure in (pit_histogram, reliability_of_regions):
        few, many = measure(values), measure(repeated)
        assert few["error"].tolist() == pytest.approx(many["error"].tolist())
        assert few["error"].max() > 0.02
    assert np.isnan(pit_histogram({"one": values["0"]})["error"]).all()
    assert reliability_of_regions(values, levels=[0.5])["coverage"][0] < 0.48


def test_pictures(rng):
    cases = [make_case(rng, name) for name in "abc"]
    table = Calibration.cross_fit(cases, edges=EDGES)
    values = {case.region: case_pit(case) for case in cases}
    axes = plot_pit({"members": pit_histogram(values)})
    assert axes.patches[0].get_data().values == pytest.approx(pit_histogram(values)["density"])
    axes = plot_reliability({"members": reliability_of_regions(values)})
    assert axes.lines[1].get_ydata() == pytest.approx(reliability_of_regions(values)["coverage"])
    axes = plot_strata(table, level=0.68)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["all", "field 0-30 G", "field 30 and more G"]
    with pytest.raises(ValueError, match=r"level must be one of \[0.5, 0.68, 0.9, 0.95\], got 0.8"):
        plot_strata(table, level=0.8)
    assert len(draw_diagnostics(values, values, table).axes) == 3
