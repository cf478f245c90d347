"""Members in antithetic pairs: each is a sample like any other, their mean is better, and all statistics know it."""

import astropy.units as u
import numpy as np
import pytest
import sunpy.map

import sunpy_magsr
from sunpy_magsr import metrics
from sunpy_magsr.data import mdi_cutout
from sunpy_magsr.metrics.ensemble import Draws, draws_of
from sunpy_magsr.uncertainty import Ensemble, coverage, flux_elements, rank_histogram
from sunpy_magsr.uncertainty.intervals import half_width
from sunpy_magsr.uncertainty.members import Moments

CORRELATION = -0.5
SHAPE = (200, 250)


def paired(rng, count, shape=SHAPE, *, correlation=CORRELATION, sigma=10.0):
    """Gaussian members in pairs of a given correlation, ``[S, y, x]``."""
    difference, total = (
        rng.normal(0, sigma * np.sqrt((1 + sign * correlation) / 2), ((count + 1) // 2, *shape)) for sign in (-1, 1)
    )
    return np.stack([total + difference, total - difference], axis=1).reshape(-1, *shape)[:count].astype(np.float32)


def ensemble_of(members):
    def make_map(data, _statistic, std=None, flagged=None):
        header = {"cunit1": "arcsec", "cunit2": "arcsec", "ctype1": "HPLN-TAN", "ctype2": "HPLT-TAN", "bunit": "G"}
        header |= {"cdelt1": 0.5, "cdelt2": 0.5, "dsun_obs": 1.496e11, "hgln_obs": 0.0, "hglt_obs": 0.0}
        return sunpy.map.Map(data, {**header, "date-obs": "2011-04-01T00:00:00"}, mask=flagged)

    return Ensemble(members, make_map, is_paired=True)


@pytest.fixture(scope="module")
def cutout():
    """An active region and network of a real frame."""
    return mdi_cutout().submap([60, 150] * u.pix, top_right=[119, 209] * u.pix)


@pytest.fixture(scope="module")
def ensembles(cutout):
    options = {"n_samples": 8, "plate_scale": None, "seed": 3, "bad_pixels": "keep"}
    return [sunpy_magsr.superresolve_ensemble(cutout, **options, independent=kind) for kind in (False, True)]


# Statistics of Gaussian members


@pytest.mark.parametrize("count", [4, 5, 8, 9, 16])
def test_the_spread_and_the_intervals_are_right_for_any_number(rng, count):
    """The truth is like one more member, and the correlation is estimated from the pairs."""
    members, truth = paired(rng, count), rng.normal(0, 10, SHAPE)
    moments = Moments(is_paired=True)
    for member in members:
        moments.add(member)
    assert moments.draws.correlation == pytest.approx(CORRELATION, abs=0.02)
    assert np.sqrt((moments.std**2).mean()) == pytest.approx(10, rel=0.01)
    error = np.abs(truth - moments.mean)
    for level in (0.68, 0.9):
        held = (error <= half_width(level, moments.draws) * moments.std).mean()
        assert held == pytest.approx(level, abs=0.015)


def test_the_mean_has_the_error_that_is_stated(rng):
    mean = paired(rng, 8).mean(axis=0)
    assert mean.var() / 100 == pytest.approx(Draws(8, is_paired=True, correlation=CORRELATION).mean_variance, rel=0.03)


@pytest.mark.parametrize("correlation", [-0.9, 0.0, 0.8])
def test_a_quantity_has_a_correlation_of_its_own(rng, correlation):
    """A flux hardly depends on the sign of the noise, so partners may even be alike in it."""
    values = paired(rng, 40, (500,), correlation=correlation)
    assert draws_of(values, is_paired=True).correlation == pytest.approx(correlation, abs=0.05)


def test_scores_leave_out_partners(rng):
    """With partners the members seem farther apart than they are."""
    members, truth = paired(rng, 8), rng.normal(0, 10, SHAPE)
    ensemble = ensemble_of(members)
    expected = metrics.crps(rng.normal(0, 10, (8, *SHAPE)), truth).to_value(u.G)
    assert metrics.crps(ensemble, truth).to_value(u.G) == pytest.approx(expected, rel=0.01)
    assert metrics.crps(members, truth).to_value(u.G) < 0.98 * expected
    assert metrics.spread_skill(ensemble, truth) == pytest.approx(1, abs=0.03)


def test_ranks_count_one_of_each_pair(rng):
    members, truth = paired(rng, 8), rng.normal(0, 10, SHAPE)
    ensemble = ensemble_of(members)
    counts = rank_histogram(ensemble, truth)
    assert len(counts) == 5
    assert counts == pytest.approx(counts.mean(), rel=0.05)
    assert coverage(ensemble, truth, level=0.6) == pytest.approx(0.6, abs=0.01)


# Members of the model


def test_the_first_of_each_pair_is_a_member_of_an_independent_ensemble(ensembles, cutout):
    pairs, independent = ensembles
    for number in range(4):
        assert np.array_equal(pairs.sample(2 * number).data, independent.sample(number).data)
    one = sunpy_magsr.superresolve(cutout, plate_scale=None, seed=3, bad_pixels="keep")
    assert np.array_equal(pairs.sample(0).data, one.data)


def test_partners_are_anticorrelated_and_alike_in_spread(ensembles):
    pairs = ensembles[0]
    assert pairs.is_paired
    assert -0.9 < pairs.draws.correlation < -0.3
    mean = pairs.mean().data
    spreads = [np.std(member.data - mean) for member in pairs]
    assert max(spreads) < 1.25 * min(spreads)
    assert pairs.std().data.mean() == pytest.approx(ensembles[1].std().data.mean(), rel=0.06)


def test_their_mean_is_nearer_to_the_expectation(ensembles, cutout):
    """That of 24 further independent members."""
    options = {"n_samples": 24, "plate_scale": None, "seed": 4, "bad_pixels": "keep", "independent": True}
    expectation = sunpy_magsr.superresolve(cutout, **options).data
    errors = [np.sqrt(((one.mean().data - expectation) ** 2).mean()) for one in ensembles]
    assert errors[0] < 0.85 * errors[1]


@pytest.mark.parametrize("name", ["ensemble.fits", "ensemble.asdf"])
def test_a_file_keeps_it(ensembles, tmp_path, name):
    pairs, independent = ensembles
    for number, ensemble in enumerate((pairs, independent)):
        read = Ensemble.load(ensemble.save(tmp_path / f"{number}{name}", members=True))
        assert read.is_paired == ensemble.is_paired
        assert read.draws == ensemble.draws


def test_elements_of_a_member_are_not_sought_in_its_partner(ensembles):
    """Which has them less often than other members do."""
    found = flux_elements(ensembles[0], number=1)
    members = ensembles[0].members
    others = ensemble_of(np.concatenate([members[:2], members[2:]]))
    assert len(found) > 5
    assert set(np.round(found["detection"] * 6, 6) % 1) == {0}  # shares of 6 members
    assert others.is_paired


def test_published_architectures_and_single_samples_are_independent(cutout):
    assert "magsrdrw" not in sunpy_magsr.superresolve(cutout, plate_scale=None).meta
    with pytest.raises(TypeError, match="independent must be True or False, got 'yes'"):
        sunpy_magsr.superresolve(cutout, independent="yes")
