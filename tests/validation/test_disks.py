"""Whole disks judged by distance from disk center and strength of the input."""

import dataclasses

import astropy.units as u
import numpy as np
import pytest
import scipy.ndimage
import sunpy.map
from astropy.table import Table

from sunpy_magsr.cli.main import main
from sunpy_magsr.sampling import load_backend
from sunpy_magsr.validation.disks import (
    STRENGTHS,
    compare_disk,
    disk_table,
    hmi_noise,
    is_whole_disk,
    make_disk,
    predict,
    predict_by_members,
    predict_by_result,
)
from sunpy_magsr.validation.regions import on_fine_grid

RADIUS = 60.0  # arcsec, of a disk that is seen from far away
CARDS = {
    "telescop": "SDO/HMI",
    "instrume": "HMI_SIDE1",
    "content": "MAGNETOGRAM",
    "bunit": "Gauss",
    "ctype1": "HPLN-TAN",
    "ctype2": "HPLT-TAN",
    "crpix1": 129.0,
    "crpix2": 128.0,
    "crota2": 180.0,
    "cdelt1": 0.5,
    "cdelt2": 0.5,
    "crval1": 0.0,
    "crval2": 0.0,
    "cunit1": "arcsec",
    "cunit2": "arcsec",
    "rsun_obs": RADIUS,
    "dsun_obs": 6.957e8 / np.sin(np.deg2rad(RADIUS / 3600)),
    "hgln_obs": 0.0,
    "hglt_obs": 0.0,
    "date-obs": "2011-12-17T05:58:10.700",
    "t_obs": "2011.12.17_05:59:52_TAI",
}


@pytest.fixture(scope="module")
def whole():
    """A small disk of weak field, upside down, with a ring of pixels outside of the limb that hold no field."""
    rng = np.random.default_rng(3)
    field = 30 * scipy.ndimage.gaussian_filter(rng.normal(size=(256, 256)), 2) + rng.normal(0, 2, (256, 256))
    y, x = np.indices(field.shape)
    distance = np.hypot(y - 127, x - 128) / (RADIUS / 0.5)
    return sunpy.map.Map(np.where(distance > 1.03, np.nan, np.where(distance > 1, 0, field)).astype(np.float32), CARDS)


@pytest.fixture(scope="module")
def quiet_disk(hmi_quiet):
    return make_disk(hmi_quiet, name="quiet")


@pytest.fixture(scope="module")
def active_disk(hmi_active):
    return make_disk(hmi_active, name="active")


def test_whole_disks_are_told_from_cutouts(whole, hmi_quiet, sharps):
    assert is_whole_disk(whole)
    assert not is_whole_disk(hmi_quiet)
    assert not is_whole_disk(sharps[0])


def test_rings_and_sides_of_a_disk(whole):
    disk = make_disk(whole, name="disk")
    middle, (rows, columns) = disk.strata[31, 32], disk.strata.shape
    assert middle // len(STRENGTHS) == 0
    assert disk.strata[0, 0] == -1
    place = (31, 32 - round(0.99 * RADIUS / 2))
    assert disk.strata[place] == -1, "mu of 0.14"
    ring = disk.strata[31, 32 - round(0.85 * RADIUS / 2)] // len(STRENGTHS)
    assert ring == 3, "mu of 0.53"
    assert disk.is_west[:, : columns // 2 - 1].all(), "the frame is upside down"
    assert not disk.is_west[:, columns // 2 + 1 :].any()
    assert disk.truth.shape == (4 * rows, 4 * columns)


def test_strata_are_chosen_by_the_input(active_disk):
    strength = np.abs(active_disk.low.data)
    for number, (least, below) in enumerate(((0, 15), (15, 100), (100, np.inf))):
        of_strength = (active_disk.strata % len(STRENGTHS) == number) & (active_disk.strata >= 0)
        assert strength[of_strength].min() >= least
        assert strength[of_strength].max() < below


def test_noise_of_hmi_is_that_of_the_corners_of_the_spectrum(hmi_quiet, rng):
    mu = np.ones(hmi_quiet.data.shape)
    own = hmi_noise(hmi_quiet.data, mu)[0]
    assert 1.2 < own < 2.4
    noisy = hmi_noise(hmi_quiet.data + rng.normal(0, 4, mu.shape), mu)[0]
    assert noisy == pytest.approx(np.hypot(own, 4), rel=0.05)
    assert np.isnan(hmi_noise(hmi_quiet.data, 0.5 * mu)[0])


def test_members_like_the_truth_are_calibrated(quiet_disk, rng):
    """Truth and members are drawn around the same mean."""
    mean = scipy.ndimage.gaussian_filter(np.nan_to_num(quiet_disk.truth), 3)
    truth, *members = (mean + rng.normal(0, 10, mean.shape) for _ in range(13))
    rows = compare_disk(dataclasses.replace(quiet_disk, truth=truth), predict_by_members(members))
    assert rows
    for row in rows:
        assert row["intervals"] == "not calibrated"
        assert row["spread / skill"] == pytest.approx(1, abs=0.04)
        assert row["in 68 % (%)"] == pytest.approx(68, abs=2)
        assert row["in 90 % (%)"] == pytest.approx(90, abs=2)
        assert row["CRPS (G)"] == pytest.approx(10 / np.sqrt(np.pi), rel=0.04)
        assert row['power 2-1.33"'] == pytest.approx(1, abs=0.05)


def test_error_bar_is_that_of_the_other_side(quiet_disk, rng):
    """Errors of 10 G in the west and of 20 G in the east."""
    size = on_fine_grid(np.where(quiet_disk.is_west, 10, 20))
    result = quiet_disk.truth + size * rng.choice([-1, 1], size.shape)
    prediction = predict_by_result(quiet_disk, result)
    fitted = prediction.std[np.isfinite(prediction.std)]
    assert fitted.size > 0.5 * size.size
    assert (prediction.std + size)[np.isfinite(prediction.std)] == pytest.approx(30, rel=1e-3)


def test_error_bar_of_gaussian_errors_takes_their_share_of_the_absolute_error(quiet_disk, rng):
    result = quiet_disk.truth + rng.normal(0, 5, quiet_disk.truth.shape)
    row = compare_disk(quiet_disk, predict_by_result(quiet_disk, result))[0]
    assert row["intervals"] == "fitted"
    assert row["MAE (G)"] == pytest.approx(5 * np.sqrt(2 / np.pi), rel=0.02)
    assert row["CRPS (G)"] / row["MAE (G)"] == pytest.approx(np.sqrt(0.5), rel=0.01)
    assert row["spread / skill"] == pytest.approx(1, abs=0.02)
    assert row["in 90 % (%)"] == pytest.approx(90, abs=1)


def test_a_cutout_of_one_side_has_no_error_bar(active_disk):
    row = compare_disk(active_disk, predict_by_result(active_disk, active_disk.truth))[0]
    assert "CRPS (G)" not in row
    assert row["RMSE (G)"] == 0
    table = disk_table([{**row, "model": "perfect"}])
    assert table["CRPS (G)"].mask.all()
    assert not table["MAE (G)"].mask.any()


def test_a_blurred_result_lacks_power_and_flux(active_disk):
    truth = np.nan_to_num(active_disk.truth)
    blurred = scipy.ndimage.gaussian_filter(truth, 1.5)
    for field, right in ((truth, True), (blurred, False)):
        rows = compare_disk(active_disk, predict_by_result(active_disk, field))
        powers = [row['power 2-1.33"'] for row in rows if 'power 2-1.33"' in row]
        assert powers
        assert np.allclose(powers, 1) if right else max(powers) < 0.1
        assert all((row["flux > 50 G"] == 1) is right for row in rows if row["input"] != "quiet")


def test_masked_intervals_are_not_counted(quiet_disk, rng):
    members = quiet_disk.truth + rng.normal(0, 5, (4, *quiet_disk.truth.shape))
    prediction = predict_by_members(members)
    low, high = prediction.intervals[0.9]
    masked = np.arange(len(low))[:, None] % 4 + np.zeros(low.shape, int) == 0
    wrong = {0.9: (np.where(masked, 1e5, low), high)}
    half = compare_disk(quiet_disk, dataclasses.replace(prediction, intervals=wrong, masked=masked))[0]
    assert half["masked (%)"] == pytest.approx(25, abs=1)
    assert half["in 90 % (%)"] > 60
    every = compare_disk(quiet_disk, dataclasses.replace(prediction, masked=np.ones_like(masked)))[0]
    assert np.isnan(every["in 90 % (%)"])


def test_models_are_judged_as_users_get_them(hmi_active):
    disk = make_disk(hmi_active.submap([100, 100] * u.pix, top_right=[195, 195] * u.pix), name="a")
    prediction = predict(load_backend("default", instrument="HMI"), disk, n_samples=2)
    assert prediction.origin == "calibrated"
    assert prediction.is_ensemble
    assert len(prediction.members) == 2
    low, high = prediction.intervals[0.9]
    assert (low < high).all()
    assert not predict(load_backend("bicubic"), disk, n_samples=2).is_ensemble


def test_command_judges_disks_and_resumes(whole, tmp_path, capsys, monkeypatch):
    (tmp_path / "data").mkdir()
    whole.save(tmp_path / "data" / "disk.fits")
    command = ["evaluate", "--data", str(tmp_path / "data"), "-o", str(tmp_path / "out"), "--models", "bicubic"]
    assert main(command) == 0
    assert "Whole disks by distance from the center" in capsys.readouterr().out
    table = Table.read(tmp_path / "out" / "disks.ecsv")
    assert list(table["mu"][:2]) == ["1-0.9", "0.9-0.75"]
    assert set(table["intervals"]) == {"fitted"}
    assert (table["CRPS (G)"] < table["MAE (G)"]).all()
    monkeypatch.setattr("sunpy_magsr.validation.disks.predict", None)
    assert main(command) == 0, "finished disks are read from their files"
    again = Table.read(tmp_path / "out" / "disks.csv")
    assert np.allclose(again["CRPS (G)"], table["CRPS (G)"], atol=0.01)
