"""Hits, dead pixels and saturated umbrae are found; small bright elements of the Sun are not thrown away."""

import astropy.units as u
import numpy as np
import pytest
import scipy.ndimage
import sunpy.map

import sunpy_magsr
from sunpy_magsr.exceptions import MagsrUserWarning
from sunpy_magsr.instrument import MDI_PSF_FWHM, degrade, find_bad_pixels, instrument_of
from sunpy_magsr.instrument.defects import without_constant_pixels
from sunpy_magsr.maps import prepare
from sunpy_magsr.validation.regions import degraded_region

NOISE = 20.0


@pytest.fixture(scope="module", params=[0, 1])
def frame(request, sharps):
    """HMI as MDI would have seen it, where it is measured, and where it is active."""
    truth = degraded_region(sharps[request.param], name="truth").truth / 0.701
    fwhm = MDI_PSF_FWHM.to_value(u.arcsec) / 0.5
    data = degrade(np.nan_to_num(truth), psf_fwhm=fwhm, noise=NOISE, seed=1)
    valid = np.isfinite(degrade(truth))
    active = scipy.ndimage.maximum_filter(np.abs(scipy.ndimage.uniform_filter(data, 3)), 9) > 60
    return data, valid, active


def find(data, valid):
    return find_bad_pixels(data, valid, np.full(data.shape, NOISE, np.float32))


def test_the_sun_is_not_thrown_away(frame):
    """Fewer than 1 in 100 000 quiet and 1 in 10 000 active pixels; neither frame has as many, so one is too many."""
    data, valid, active = frame
    found = find(data, valid)
    assert found[~active].sum() == 0
    assert found[active].sum() <= max(1, 1e-4 * (valid & active).sum())


def test_planted_hits_are_found(frame, rng):
    """
    Of 8 to 30 times the noise, or half of the strongest pixel beside them if that is more; and nothing beside them.

    They are 8 pixels apart, as a hit beside another may look like an element of the Sun.
    """
    data, valid, active = frame
    inner = scipy.ndimage.binary_erosion(valid & ~active, iterations=2)
    strongest = scipy.ndimage.maximum_filter(np.abs(data), footprint=np.ones((3, 3)))
    there, others = [], []
    for row, column in rng.integers(0, 8, (8, 2)):
        planted = np.zeros(data.shape, bool)
        planted[row::8, column::8] = inner[row::8, column::8]
        local = np.maximum(strongest[planted] / 2, NOISE)
        spoiled = data.copy()
        spoiled[planted] += rng.choice([-1, 1], len(local)) * rng.uniform(8, 30, len(local)) * local
        found = find(spoiled, valid)
        there.append(found[planted])
        others.append(found & ~planted & ~find(data, valid))
    assert np.concatenate(there).mean() >= 0.99
    assert np.mean(others) < 1e-4


def test_the_trail_of_a_hit_is_found(rng):
    data = rng.normal(0, NOISE, (40, 40)).astype(np.float32)
    data[19:22, 12] = [-546, -778, -481]  # as in the frame of 11 December 1999
    assert np.argwhere(find(data, np.ones(data.shape, bool))).tolist() == [[19, 12], [20, 12], [21, 12]]


@pytest.mark.parametrize("place", [(80, 80), (82, 80), (82, 82), (81, 83)])
def test_a_point_is_no_hit(rng, place):
    """A source of no extent, seen through the sharpest optics that MDI may have, wherever in a pixel it is."""
    point = np.zeros((160, 160), np.float32)
    point[place] = 16 * 20 * NOISE
    data = degrade(point, psf_fwhm=4.0) + rng.normal(0, NOISE, (40, 40)).astype(np.float32)
    assert not find(data, np.ones(data.shape, bool)).any()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((slice(10, 16), slice(20, 26)), 0.0),
        ((slice(10, 22), 30), 800.0),
        ((25, slice(8, 30)), -2500.0),
        ((slice(30, 34), slice(5, 9)), 41.0),
    ],
)
def test_dead_and_constant_pixels_are_found(rng, place, value):
    """A block, a hot column, a torn line; without knowing the instrument."""
    data = rng.normal(0, 15, (48, 48)).astype(np.float32)
    data[place] = value
    expected = np.zeros(data.shape, bool)
    expected[place] = True
    assert np.array_equal(find_bad_pixels(data, np.ones(data.shape, bool)), expected)
    assert np.array_equal(np.isnan(without_constant_pixels(data)), expected)


def test_coarse_digits_are_no_constant_pixels(rng):
    """MDI's numbers come in steps of some Gauss."""
    data = (4.7 * np.round(rng.normal(0, 10, (400, 400)) / 4.7)).astype(np.float32)
    assert find_bad_pixels(data, np.ones(data.shape, bool), np.full(data.shape, 10, np.float32)).sum() == 0


def test_a_saturated_umbra_is_found():
    y, x = np.mgrid[:60, :60] - 30
    data = (-2600 * np.exp(-(x**2 + y**2) / 200)).astype(np.float32)
    sunk = np.where(x**2 + y**2 < 16, 0.4 * data, data)
    noise = np.full(data.shape, 10, np.float32)
    assert not find_bad_pixels(data, np.ones(data.shape, bool), noise).any()
    found = find_bad_pixels(sunk, np.ones(data.shape, bool), noise)
    assert found[x**2 + y**2 < 9].all()
    assert not found[x**2 + y**2 > 64].any()


SPOILED = {
    "hit of 3 kG": ((20, 20), 3027.0),
    "hit of -600 G": ((20, 20), -600.0),
    "zero block": ((slice(16, 24), slice(16, 24)), 0.0),
    "hot column": ((slice(12, 28), 20), 800.0),
    "torn line": ((20, slice(12, 28)), -2500.0),
}


@pytest.mark.parametrize("kind", SPOILED)
def test_what_is_bad_leaves_no_trace(small, kind):
    """No pixel stands out, what is far away is as it was, and the mask says where nothing was measured."""
    place, value = SPOILED[kind]
    clean = sunpy_magsr.superresolve(small, plate_scale=None).data
    data = small.data.copy()
    data[place] = value
    spoiled = sunpy.map.Map(data, small.meta)
    with pytest.warns(MagsrUserWarning, match=r"smap has \d+ bad pixel"):
        result = sunpy_magsr.superresolve(spoiled, plate_scale=None)
    assert np.array_equal(spoiled.data, data)
    assert np.nanmax(np.abs(result.data)) <= 1.2 * np.nanmax(np.abs(clean))
    bad = np.zeros(data.shape, bool)
    bad[place] = True
    assert np.isnan(result.data[bad.repeat(4, 0).repeat(4, 1)]).all()
    assert result.mask[bad.repeat(4, 0).repeat(4, 1)].all()
    far = ~scipy.ndimage.binary_dilation(bad, np.ones((3, 3)), iterations=12).repeat(4, 0).repeat(4, 1)
    error = instrument_of(prepare(small)).misfit_error(prepare(small).data)
    changed = np.abs(result.data - clean) / error.repeat(4, 0).repeat(4, 1)
    assert np.nanmax(changed[far], initial=0) < 1
    assert result.meta["magsrbad"] == bad.sum()
    assert "Bad pixels" in " ".join(result.meta["history"].split())


def test_they_may_be_kept(small):
    data = small.data.copy()
    data[20, 20] = 900.0
    result = sunpy_magsr.superresolve(sunpy.map.Map(data, small.meta), plate_scale=None, bad_pixels="keep")
    assert np.isfinite(result.data).sum() == 16 * np.isfinite(data).sum()
    assert result.meta["magsrbad"] == 0
    with pytest.raises(ValueError, match="bad_pixels must be one of 'mask', 'keep', got 'drop'"):
        sunpy_magsr.superresolve(small, bad_pixels="drop")
