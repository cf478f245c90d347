"""Calibration of a model folder by the command."""

import shutil

import numpy as np
import pytest

import sunpy_magsr
from sunpy_magsr.cli.train import main
from sunpy_magsr.instrument.noise import earlier_noise
from sunpy_magsr.store.card import ModelCard, bundled_folder
from sunpy_magsr.training.calibrate import calibration_regions
from sunpy_magsr.training.config import CalibrateConfig
from sunpy_magsr.uncertainty import Calibration

from .magnetograms import write_patch

CONFIG = """
output = "run"
[calibrate]
model = "{model}"
data = "fits"
dates = [2021.0]
n_samples = 2
levels = [0.5, 0.9]
cutouts = [16]
noise = [12.0]
psf_fwhm = [1.1]
description = "three made up regions"
[calibrate.edges]
field = [0, 30, "inf"]
mu = [0.65, 1]
"""


@pytest.fixture
def folder(tmp_path, truth):
    """Three regions, a recipe, and a copy of the bundled model without any calibration."""
    rows, columns = (np.array(truth.shape) - (128, 384)) // 2
    window = truth[rows : rows + 128, columns : columns + 384].astype(np.float32)
    for number in range(3):
        write_patch(tmp_path / "fits", window[:, 128 * number :][:, :128], harp=number + 1, date="20210215_000000")
    shutil.copytree(bundled_folder("default"), tmp_path / "model")
    (tmp_path / "recipe.toml").write_text(CONFIG.format(model=tmp_path / "model"))
    return tmp_path


def test_factors_are_written_into_the_card(folder, capsys):
    before = ModelCard.read(folder / "model")
    status = main(["calibrate", str(folder / "recipe.toml")])
    assert status == 0, capsys.readouterr().err
    card = ModelCard.read(folder / "model")
    pixel = Calibration.of(card.intervals["los"]["pixel"])
    assert pixel.data == "three made up regions"
    assert pixel.levels == (0.5, 0.9)
    assert np.isfinite(pixel.factors).any()
    assert card.intervals["radial"] == before.intervals["radial"]
    assert card.sha256 == before.sha256
    assert "coverage in regions that the factors were not fitted on" in capsys.readouterr().out
    saved = Calibration.load(folder / "run" / "calibration_los_pixel.json")
    assert np.array_equal(saved.factors, pixel.factors, equal_nan=True)
    assert (folder / "run" / "coverage_los_pixel.csv").exists()
    assert (folder / "run" / "calibration_los.png").read_bytes().startswith(b"\x89PNG")


def test_refusals(folder, capsys):
    recipe = str(folder / "recipe.toml")
    assert main(["calibrate", recipe, "--set", "calibrate.component=br"]) != 0
    assert "calibrate.data must be a folder with magnetograms of component 'br'" in capsys.readouterr().err
    assert main(["calibrate", recipe, "--set", "calibrate.model=enhance"]) != 0
    assert "calibrate.model must draw samples, got 'enhance'" in capsys.readouterr().err


def test_noise_of_earlier_years_is_what_was_measured():
    noise = earlier_noise((256, 256), seed=1)
    assert noise.std() == pytest.approx(1.77, abs=0.05)
    assert abs(noise.mean()) < 0.2
    assert np.array_equal(noise, earlier_noise((256, 256), seed=1))


def test_intervals_follow_the_card_of_the_adapter():
    kinds = sunpy_magsr.sampling.registry.model_card("default+mdi").intervals
    assert set(kinds) == {"los"}
    assert {"pixel", "unsigned_flux", "strong_flux"} <= set(kinds["los"])


def test_a_large_field_is_calibrated_in_pieces(tmp_path, truth):
    """Each piece counts as a region, and the blur of simulated frames is an axis of the strata."""
    write_patch(tmp_path, np.tile(truth[:400, :400].astype(np.float32), (4, 4)), harp=1, date="20110215_000000")
    config = CalibrateConfig(data=str(tmp_path), dates=[2011.0, 2021.0], noise=[12.0], psf_fwhm=[0.5, 1.5])
    found = list(calibration_regions(config, simulated=True))
    assert len({region.name for region, _ in found}) == 4
    assert len(found) == 8, "what HMI saw in 2011 is not taken for a frame of 2021"
    assert {region.truth.shape for region, _ in found} == {(800, 800)}
    assert sorted({round(conditions["blur"]) for _, conditions in found}) == [1, 3]
