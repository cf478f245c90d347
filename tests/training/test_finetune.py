"""Fine-tuning: pairs, an adapter for a run or a bundled model, and what comes out of it."""

import numpy as np
import pytest
import sunpy.map
import torch
from safetensors.torch import load_file

import sunpy_magsr
from sunpy_magsr.cli.train import main
from sunpy_magsr.instrument import degrade
from sunpy_magsr.sampling import load_backend
from sunpy_magsr.training.config import FinetuneConfig, load_config
from sunpy_magsr.training.data.pairs import MARGIN, PairSampler
from sunpy_magsr.training.data.samplers import samplers_of
from sunpy_magsr.training.loop import latest_checkpoint
from sunpy_magsr.training.stages.finetune import adapter_loss

from .conftest import settings
from .magnetograms import MDI, write_patch
from .recipes import RECIPE


@pytest.fixture
def sampler(project):
    config = load_config(project / "train.toml", [f"finetune.patch={32 + 2 * MARGIN}"])
    return samplers_of(config, config.finetune)[0]


PLAIN = {"relative_error": [0.0, 0.0], "resampled": [0.0, 0.0, 0.0], "gain": [1.0, 1.0], "told_wrong": 0.0}


def test_simulated_pairs_are_what_the_instrument_would_see(sampler):
    stage = FinetuneConfig(noise=[10.0, 10.0], psf_fwhm=[1.8, 1.8], **PLAIN)
    high, given = PairSampler(sampler, stage).batch(0, 40)
    assert high.shape == (40, 1, 32, 32)
    assert given.shape == (40, 4, 8, 8)
    low, noise, expected, spread = given.transpose(1, 0, 2, 3)
    assert noise.mean() == pytest.approx(10, rel=0.1)
    assert expected == pytest.approx(np.full_like(expected, 0.9))
    assert not spread.any()
    misfit = np.stack([field - degrade(truth[0], psf_fwhm=3.6) for field, truth in zip(low, high, strict=True)])
    assert misfit[:, 3:-3, 3:-3].std() == pytest.approx(10, rel=0.1)


def test_simulated_pairs_differ_in_noise_and_blur_and_repeat(sampler):
    pairs = PairSampler(sampler, FinetuneConfig(**{**PLAIN, "noise": [7.0, 30.0], "psf_fwhm": [1.0, 3.32]}))
    high, given = pairs.batch(3, 30)
    noise, blur = given[:, 1, 0, 0], 2 * given[:, 2, 0, 0]
    assert noise.min() > 3.5
    assert noise.max() < 45
    assert noise.std() > 4
    assert blur.min() > 1
    assert blur.max() < 3.32
    again = pairs.batch(3, 30)
    assert np.array_equal(high, again[0])
    assert np.array_equal(given, again[1])
    assert not np.array_equal(given, pairs.batch(4, 30)[1])


def test_what_is_told_of_the_blur_is_as_wrong_as_is_said(sampler):
    stage = FinetuneConfig(**{**PLAIN, "psf_fwhm": [3.0, 3.0], "told_wrong": 1.0, "psf_fwhm_spread": 1.0})
    expected, spread = PairSampler(sampler, stage).batch(0, 200)[1][:, 2:, 0, 0].T
    error = (expected - 1.5) / spread
    assert error.mean() == pytest.approx(0, abs=0.2)
    assert error.std() == pytest.approx(1, abs=0.15)


def test_a_gain_scales_both_fields(sampler):
    quiet = {**PLAIN, "noise": [1e-3, 1e-3], "psf_fwhm": [1.0, 1.0]}
    one, other = (
        PairSampler(sampler, FinetuneConfig(**{**quiet, "gain": [gain, gain]})).batch(0, 4) for gain in (1.0, 0.5)
    )
    assert other[0] == pytest.approx(2 * one[0])
    assert other[1][:, 0] == pytest.approx(2 * one[1][:, 0], abs=0.1)


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_a_frame_that_was_turned_still_shows_the_same_field(sampler, kind):
    """Nearest-neighbor, bilinear and bicubic: details are lost, places are not."""
    shares = [0.0, 0.0, 0.0]
    shares[kind] = 1.0
    stage = FinetuneConfig(**{**PLAIN, "noise": [1e-3, 1e-3], "psf_fwhm": [4.0, 4.0], "resampled": shares})
    high, given = PairSampler(sampler, stage).batch(0, 20)
    plain = PairSampler(sampler, FinetuneConfig(**{**PLAIN, "noise": [1e-3, 1e-3], "psf_fwhm": [4.0, 4.0]})).batch(
        0, 20
    )
    assert np.array_equal(high, plain[0])
    low, clean = (one[1][:, 0] for one in ((high, given), plain))
    assert np.corrcoef(low.ravel(), clean.ravel())[0, 1] > 0.95
    moved = [
        np.corrcoef(low.ravel(), np.roll(clean, step, axis=(1, 2)).ravel())[0, 1] for step in ((0, 1), (1, 0), (-1, 0))
    ]
    assert max(moved) < np.corrcoef(low.ravel(), clean.ravel())[0, 1]


def test_observed_pairs_keep_their_scales(sampler):
    class Pairs:
        seed = 0

        def pair_batch(self, _number, size, scale):
            high = (
                np.random.default_rng(0).normal(0, 30, (size, 1, 32 + 2 * MARGIN, 32 + 2 * MARGIN)).astype(np.float32)
            )
            low = np.stack([[1.4 * degrade(field[0], noise=12.0, seed=1)] for field in high])
            return high, low, np.full(size, 3.0, np.float32)

    high, given = PairSampler(Pairs(), FinetuneConfig(pairs="observed")).batch(0, 3)
    assert high.shape == (3, 1, 32, 32)
    assert given[:, 1].mean() == pytest.approx(np.hypot(1.4 * 12, 1.4 * 30 / 4), rel=0.25)
    assert given[:, 2] == pytest.approx(np.full((3, 8, 8), 1.1))
    assert given[:, 3] == pytest.approx(np.full((3, 8, 8), 0.4))


def test_the_base_is_not_trained(train, tmp_path):
    before = (tmp_path / "run" / "denoiser" / "diffusion_pytorch_model.safetensors").read_bytes()
    assert train("finetune") == 0
    assert (tmp_path / "run" / "denoiser" / "diffusion_pytorch_model.safetensors").read_bytes() == before
    state = latest_checkpoint(tmp_path / "run" / "checkpoints" / "finetune")
    assert len(state["average"]["shadow_params"]) < len(state["model"]) / 2


def test_a_stopped_run_goes_on_to_the_same_weights(train, tmp_path, monkeypatch):
    class StoppedError(BaseException):
        pass

    def run(name):
        assert train("finetune", f"output={tmp_path / name}", "finetune.base=default", "finetune.decoder_rank=0") == 0
        return load_file(tmp_path / name / "adapter" / "denoiser" / "adapter_model.safetensors")

    expected = run("whole")
    calls = []

    def stops(*args, **options):
        calls.append(1)
        if len(calls) == 3:
            raise StoppedError
        return adapter_loss(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr("sunpy_magsr.training.stages.finetune.adapter_loss", stops)
        with pytest.raises(StoppedError):
            run("stopped")
    found = run("stopped")
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("pairs=real", "finetune.pairs must be one of 'simulated', 'observed', got 'real'"),
        ("members=1", "finetune.members must be one of 0, 2, 3, 4, got 1"),
        ("noise=[30, 7]", "finetune.noise must be the lowest and the highest of a range above 0, got [30, 7]"),
        ("psf_fwhm=[1.8]", "finetune.psf_fwhm must be the lowest and the highest"),
        ("resampled=[0.5, 0.6, 0]", "finetune.resampled must be three shares of together at most 1"),
        ("base=nothing", "model must be one of default, ldm-res"),
        ("base=ldm", "denoiser must have a whitened residual"),
        ("base=enhance", "finetune.base must be a diffusion model, got 'enhance'"),
        ("pairs=observed", "data.store must hold true pairs"),
        (
            "start=mdi",
            "finetune.start must be an adapter with the rank, decoder_rank, targets and whole of this section",
        ),
    ],
)
def test_wrong_usage_is_one_line(train, capsys, override, message):
    assert train("finetune", "finetune.base=default", f"finetune.{override}") == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


ADAPTER = 'kind = "adapter"\nconsistency = "noise"\npsf_fwhm = 0.9\ninstruments = ["MDI"]\n'


@pytest.mark.usefixtures("unchecked")
@pytest.mark.slow
def test_fine_tuning_on_true_pairs(tmp_path, truth):
    """MDI and HMI files of one time in two folders, as far as an adapter that says on which scale it is."""
    truth = truth[300:600, 600:900]
    write_patch(tmp_path / "fits", truth)
    write_patch(tmp_path / "mdi", 1.4 * degrade(truth, psf_fwhm=3.6, noise=12.0, seed=1), **MDI)
    (tmp_path / "train.toml").write_text(RECIPE.replace('root = "fits"', 'root = "fits"\npairs = "mdi"'))
    config = str(tmp_path / "train.toml")
    assert main(["prepare", config]) == 0
    options = settings("finetune.base=default", "finetune.pairs=observed", "finetune.decoder_rank=0")
    assert main(["finetune", config, *options]) == 0
    stage = load_config(config, ["finetune.pairs=observed", f"finetune.patch={32 + 2 * MARGIN}"])
    pairs = PairSampler(samplers_of(stage, stage.finetune)[0], stage.finetune)
    high, given = pairs.batch(0, 20)
    mean = np.stack([degrade(field[0], psf_fwhm=3.6) for field in high])
    strong = np.abs(mean) > 100
    assert np.median(given[:, 0][strong] / mean[strong]) == pytest.approx(1.4, abs=0.05)
    assert all("+" in name for name in pairs.names(0, 3))
    (tmp_path / "card.toml").write_text(f'name = "pairs"\ncalibration = "hmi"\n{ADAPTER}')
    assert main(["export", config, "--card", str(tmp_path / "card.toml"), "-o", str(tmp_path / "adapter")]) == 0
    smap = sunpy.map.Map(next((tmp_path / "mdi").glob("*.fits")))
    one, other = (
        sunpy_magsr.superresolve(smap, model=f"default+{tmp_path / 'adapter'}", calibrate=calibrate, bad_pixels="keep")
        for calibrate in (None, "hmi")
    )
    assert one.meta["magsrcal"] == "hmi"
    assert np.array_equal(one.data, other.data, equal_nan=True)
    seen = degrade(np.nan_to_num(one.data), psf_fwhm=3.6) / 0.701
    strong = np.abs(smap.data) > 200
    assert np.median(seen[strong] / smap.data[strong]) == pytest.approx(1, abs=0.1)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.slow
def test_an_adapter_belongs_to_its_base(train, tmp_path):
    """Alone in a folder, it loads onto the weights that it was trained on and onto no others."""
    adapter = tmp_path / "adapter"
    (tmp_path / "card.toml").write_text(f'name = "mdi"\n{ADAPTER}')
    assert train("finetune", "finetune.base=default", "finetune.decoder_rank=0") == 0
    assert train("export", more=["--card", tmp_path / "card.toml", "-o", adapter, "--half"]) == 0
    loaded = load_backend(f"default+{adapter}")
    assert loaded.card.name == "default+mdi"
    assert loaded.card.base_sha256 == load_backend("ldm-res").card.sha256
    assert loaded.denoiser.config.draws_low
    assert not load_backend("ldm-res").denoiser.config.draws_low
    with pytest.raises(ValueError, match="adapter must be one for the weights of model 'ldm'"):
        load_backend(f"ldm+{adapter}")
    with pytest.raises(ValueError, match="is of a kind that is no model"):
        load_backend(adapter)
