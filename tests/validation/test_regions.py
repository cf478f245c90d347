"""Regions whose truth is known, made of files."""

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.io import fits

from sunpy_magsr import spectral
from sunpy_magsr.instrument import degrade
from sunpy_magsr.maps import Magnetogram, prepare
from sunpy_magsr.maps.fits import read_fits
from sunpy_magsr.maps.header import observation_time
from sunpy_magsr.validation import Region, degraded_map, read_regions
from sunpy_magsr.validation.regions import component_of, cut_region, degraded_region, paired_region, window_of

from .cutouts import cut


def test_input_is_the_block_mean_at_the_same_place(hmi):
    region = degraded_region(cut(hmi, 380, 800, 181, 203), name="a")
    assert region.truth.shape == (180, 200)
    expected = region.truth.reshape(45, 4, 50, 4).mean(axis=(1, 3))
    assert region.low.data == pytest.approx(expected, abs=1e-3)
    assert region.plate_scale.to_value(u.arcsec / u.pix) == pytest.approx(hmi.scale[0].value)
    assert region.low.plate_scale[0].value == pytest.approx(4 * hmi.scale[0].value)


def test_a_gap_leaves_out_its_block_in_input_and_truth(hmi):
    smap = cut(hmi, 380, 800, 120, 120)
    data = smap.data.copy()
    data[50, 41] = np.nan
    region = degraded_region(sunpy.map.Map(data, smap.meta), name="a")
    assert np.isnan(region.truth).sum() == 16
    assert not region.low.valid[12, 10]
    assert region.low.valid.sum() == 30 * 30 - 1


def test_sharp_files_without_unit_and_of_other_components(hmi, tmp_path):
    smap = cut(hmi, 380, 800, 64, 64)
    header = smap.fits_header
    header.remove("BUNIT")
    header["_BUNIT"] = "Mx/cm^2"
    for segment in ("magnetogram", "Br"):
        header["DRMS_ID"] = f"hmi.sharp_cea_720s:1:{segment}"
        fits.PrimaryHDU(smap.data, header).writeto(tmp_path / f"{segment}.fits")
    assert component_of(read_fits(tmp_path / "Br.fits"), "Br.fits") == "br"
    assert component_of(smap, "hmi.sharp_cea_720s.1.20110101_000000_TAI.Bt.fits") == "bt"
    assert "Br_err" in component_of(smap, "hmi.sharp_cea_720s.1.20110101_000000_TAI.Br_err.fits")
    regions, failed = read_regions(tmp_path)
    assert [region.name for region in regions] == ["magnetogram.fits"]
    assert not failed
    assert not regions[0].low.is_radial
    (tmp_path / "Br.fits").rename(tmp_path / "a_TAI.Br.fits")
    fits.delval(tmp_path / "a_TAI.Br.fits", "DRMS_ID")
    assert read_regions(tmp_path, component="br")[0][0].low.is_radial


def test_low_resolution_data_are_refused_as_truth(sample, tmp_path):
    fits.PrimaryHDU(sample.data, sample.fits_header).writeto(tmp_path / "mdi.fits")
    with pytest.raises(ValueError, match=r"high-resolution magnetogram of 0\.667 arcsec/pix or finer, got 1\.99"):
        read_regions(tmp_path)


def test_a_true_pair_meets_on_the_grid_of_the_input(sample, hmi):
    """The truth of the synthetic sample, brought back from another grid, is what the sample was made of."""
    low = cut(sample, 100, 200, 40, 50)
    shifted = cut(hmi, 383, 790, 187, 232)  # not on the block grid
    region = paired_region(low, shifted, name="pair")
    expected = hmi.data[400:560, 800:1000]
    assert region.truth.shape == (160, 200)
    assert region.gain == pytest.approx(1 / 0.701)
    inner = np.isfinite(region.truth)
    assert inner.mean() > 0.9
    assert np.corrcoef(region.truth[inner], expected[inner])[0, 1] > 0.99
    window = (slice(20, 140), slice(20, 180))
    scale = {"plate_scale": region.plate_scale}
    power, reference = (spectral.power_spectrum(field[window], **scale) for field in (region.truth, expected))
    for band, lowest in (((8, 4), 0.98), ((4, 2), 0.95), ((2, 4 / 3), 0.75)):
        assert lowest < power.band(*band) / reference.band(*band) < 1.05, band


def test_a_pair_is_cut_to_what_the_truth_covers(sample, hmi):
    region = paired_region(sample, cut(hmi, 500, 700, 100, 120), name="pair")
    assert max(region.low.data.shape) <= 30 + 2 * 64 + 2
    covered = np.argwhere(np.isfinite(region.truth))
    place = covered.min(axis=0) + 4 * (np.array(region.low.origin) - prepare(sample).origin)
    assert np.abs(place - (500, 700)).max() <= 2


def test_a_large_region_is_cut_into_pieces_that_cover_it(rng):
    """Pieces hold every measured pixel but those of pieces that are nearly empty."""
    truth = rng.normal(0, 50, (2400, 1200)).astype(np.float32)
    truth[:, :100] = np.nan
    truth[1200:1800, 300:] = np.nan
    data = degrade(truth)
    valid = np.isfinite(data)
    low = Magnetogram(
        data=np.nan_to_num(data),
        valid=valid,
        origin=(-300, -150),
        plate_scale=(None, None),
        is_cea=True,
        instrument="HMI",
    )
    region = Region("disk", truth, low, [0.03, 0.03] * u.deg / u.pix, "")
    pieces = cut_region(region)
    assert [piece.name for piece in pieces] == ["disk[0,0]", "disk[1,0]"]
    assert sum(np.isfinite(piece.truth).sum() for piece in pieces) == np.isfinite(truth).sum()
    second = pieces[1]
    start = second.low.origin[0] + 300
    assert np.array_equal(second.truth, truth[4 * start :], equal_nan=True)
    assert np.array_equal(second.low.valid, valid[start:])
    small = window_of(region, slice(0, 100), slice(0, 300))
    assert cut_region(small) == [small]


def test_times_are_those_of_the_middle_of_the_exposure(with_meta):
    assert observation_time(with_meta(t_obs="2001.03.29_12:02:30_TAI")).tai.isot == "2001-03-29T12:02:30.000"


def test_input_of_a_simulated_instrument(hmi_quiet, hmi_active):
    """The blur smooths and the noise has its strength; the blur is measured like that of MDI, not told."""
    _, plain = degraded_map(hmi_active)
    assert plain.instrument == hmi_active.instrument
    _, low = degraded_map(hmi_active, blur=3.0)
    assert "MDI" in low.instrument
    assert low.data.std() < 0.95 * plain.data.std()
    quiet = [degraded_map(hmi_quiet, **options)[1].data for options in ({}, {"noise": 12, "seed": 5})]
    assert (quiet[1] - quiet[0]).std() == pytest.approx(12, rel=0.05)
    with pytest.raises(ValueError, match=r"^blur must be a finite number of at least 0, got -1\.$"):
        degraded_map(hmi_quiet, blur=-1)
    region = degraded_region(hmi_active, name="a", blur=3.0, noise=12.0)
    assert region.low.instrument == "MDI"
    assert region.low.blur.origin != "told"
    assert region.sha256 != degraded_region(hmi_active, name="a").sha256
