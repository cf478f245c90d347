"""The main job on real MDI magnetograms (or the sample, where there are none)."""

import warnings

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.stats import mad_std

import sunpy_magsr
from sunpy_magsr import metrics, spectral
from sunpy_magsr.io import read_fits, write_fits
from sunpy_magsr.prep import prepare

from .conftest import real_or_sample

FRAMES = ["mdi/mdi.fd_M_96m_lev182.2011*.fits", "mdi/mdi.fd_M_96m_lev182.1999*.fits"]


def superresolved(mdi, **options):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"smap has \d+ bad pixel")  # as real frames do
        return sunpy_magsr.superresolve(mdi, **options)


@pytest.fixture(scope="module", params=FRAMES)
def pair(request):
    mdi = real_or_sample(request.param)
    data, meta = mdi.data.copy(), dict(mdi.meta)
    result = superresolved(mdi)
    assert np.array_equal(mdi.data, data, equal_nan=True), "the input was changed"
    assert dict(mdi.meta) == meta
    return mdi, result


def test_grid_and_unit(pair):
    mdi, result = pair
    assert type(result).__name__ == "MDIMap"
    assert u.Quantity(result.scale).to_value(u.arcsec / u.pix) == pytest.approx(0.5, rel=1e-9)
    expected = round(mdi.data.shape[1] * mdi.scale[0].value / 0.5)
    assert result.data.shape == (expected, expected)
    assert result.unit == u.G
    assert result.data.dtype == np.float32


def test_missing_share(pair):
    shares = [np.isnan(smap.data).mean() for smap in pair]
    assert shares[1] == pytest.approx(shares[0], abs=0.01)


def test_world_coordinates(pair):
    """Corners and arbitrary points agree to a tenth of an input pixel."""
    mdi, result = pair
    rows, columns = result.data.shape
    x = np.array([-0.5, columns - 0.5, -0.5, columns - 0.5])
    y = np.array([-0.5, -0.5, rows - 0.5, rows - 0.5])
    back = mdi.wcs.world_to_pixel(result.wcs.pixel_to_world(x, y))
    side = mdi.data.shape[0]
    assert np.abs(back[0] - np.array([-0.5, side - 0.5, -0.5, side - 0.5])).max() < 0.1
    assert np.abs(back[1] - np.array([-0.5, -0.5, side - 0.5, side - 0.5])).max() < 0.1


def test_field_is_where_it_was(pair):
    """Averaged back over input pixels through the two WCS, the result is the input, but for MDI's blur and noise."""
    mdi, result = pair
    points = np.random.default_rng(1).uniform(40, mdi.data.shape[0] - 40, (2, 4000))
    x, y = result.wcs.world_to_pixel(mdi.wcs.pixel_to_world(*np.round(points)))
    offsets = np.linspace(-1.5, 1.5, 4)
    values = [
        result.data[np.round(y + dy).astype(int), np.round(x + dx).astype(int)] for dy in offsets for dx in offsets
    ]
    mean = np.mean(values, axis=0)
    expected = mdi.data[np.round(points[1]).astype(int), np.round(points[0]).astype(int)]
    both = np.isfinite(mean) & np.isfinite(expected)
    assert both.mean() > 0.5
    both &= np.abs(expected) > 80  # well above the noise, which the result does not have
    assert np.corrcoef(mean[both], expected[both])[0, 1] > 0.95


def test_flux_is_kept(pair):
    """The resampling to 0.5 arcsec keeps net flux to 0.1 % of the unsigned flux."""
    mdi, _ = pair
    net = [np.nansum(smap.data, dtype=float) * smap.scale[0].value * smap.scale[1].value for smap in pair]
    unsigned = np.nansum(np.abs(mdi.data)) * mdi.scale[0].value * mdi.scale[1].value
    assert net[1] == pytest.approx(net[0], abs=1e-3 * unsigned)


def test_round_trip(pair, tmp_path):
    result = pair[1]
    back = read_fits(write_fits(result, tmp_path / "out.fits"))
    assert np.array_equal(back.data, result.data, equal_nan=True)
    assert back.meta["magsrver"] == result.meta["magsrver"]
    for card in ("bscale", "blank", "r_sun", "datamax", "missvals", "x0"):
        assert card not in back.meta


def test_smarp_patch():
    smarp = real_or_sample("mdi/mdi.smarp_cea_96m*.fits")
    result = sunpy_magsr.superresolve(smarp, plate_scale=None)
    assert result.data.shape == tuple(4 * side for side in smarp.data.shape)
    assert result.scale[0].value == pytest.approx(smarp.scale[0].value / 4)
    assert isinstance(result, sunpy.map.GenericMap)
    assert np.isfinite(result.data).sum() > 0.98 * 16 * np.isfinite(smarp.data).sum()
    agreement = metrics.forward_agreement(result, smarp)
    assert agreement.quiet < 1.2
    assert 0.5 < agreement.active < 1.5
    exact = sunpy_magsr.superresolve(smarp, model="ldm-res", plate_scale=None)
    low = exact.data.reshape(smarp.data.shape[0], 4, smarp.data.shape[1], 4).mean(axis=(1, 3))
    both = np.isfinite(low)
    assert low[both] == pytest.approx(smarp.data[both], abs=0.1)


@pytest.fixture(scope="module", params=FRAMES)
def active(request):
    """A part of a frame with active regions and quiet Sun, and a sample on its x4 grid."""
    mdi = real_or_sample(request.param)
    if min(mdi.data.shape) > 700:
        mdi = mdi.submap([300, 300] * u.pix, top_right=[679, 679] * u.pix)
    return mdi, superresolved(mdi, plate_scale=None)


@pytest.fixture
def quiet(active):
    """Where the field of the result is weak."""
    magnetogram = prepare(active[0])
    weak = metrics.quiet_pixels(magnetogram.data, magnetogram.valid).repeat(4, 0).repeat(4, 1)
    return weak & np.isfinite(active[1].data)


def test_mdi_would_have_seen_the_input(active):
    """Within its noise, in the quiet Sun; in active regions nearly so, with one blur for all of them."""
    agreement = metrics.forward_agreement(active[1], active[0])
    assert agreement.quiet_pixels > 1000
    assert agreement.active_pixels > 500
    assert 0.8 < agreement.quiet < 1.2
    assert 0.7 < agreement.active < 1.5


def test_quiet_sun_has_the_noise_of_hmi(active, quiet):
    """And not that of MDI, 10 to 20 G a pixel four times coarser."""
    assert 4 < mad_std(active[1].data[quiet]) < 12


def test_no_trace_of_the_pixels_of_mdi(active, quiet):
    assert (spectral.grid_excess(active[1].data, where=quiet) < 1.1).all()
    assert (spectral.border_steps(active[1].data, where=quiet) < 1.1).all()
