"""Fine-tuning: pairs, an adapter for a run or a bundled model, and what comes out of it."""

import numpy as np
import pytest
import sunpy.map
import torch
from safetensors.torch import load_file

import sunpy_magsr
from sunpy_magsr.cli.train import main
from sunpy_magsr.exceptions import MagsrUserWarning
from sunpy_magsr.instrument import degrade
from sunpy_magsr.sampling import load_backend
from sunpy_magsr.store.card import ModelCard
from sunpy_magsr.training.config import FinetuneConfig, load_config
from sunpy_magsr.training.data.pairs import MARGIN, PairSampler
from sunpy_magsr.training.data.samplers import samplers_of
from sunpy_magsr.training.stages.finetune import adapter_loss

from .magnetograms import MDI, write_patch
from .recipes import CARD_WITH_ADAPTER, recipe

CONFIG = recipe(finetune='base = "trained"\nrank = 2\ndecoder_rank = 1')
CARD = f'instruments = ["HMI"]\n{CARD_WITH_ADAPTER}'


@pytest.fixture(scope="module")
def project(tmp_path_factory, truth):
    """A folder with magnetograms, a configuration, a card and a finished base."""
    folder = tmp_path_factory.mktemp("project")
    for number in range(2):
        write_patch(folder / "fits", truth[200 + 300 * number : 400 + 300 * number, 600:800], harp=number + 1)
    (folder / "train.toml").write_text(CONFIG)
    (folder / "card.toml").write_text(CARD)
    for stage in ("prepare", "autoencoder", "diffusion"):
        assert main([stage, str(folder / "train.toml")]) == 0
    return folder


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


@pytest.mark.usefixtures("unchecked")
@pytest.mark.slow
def test_fine_tuning_on_true_pairs(tmp_path, truth):
    """MDI and HMI files of one time in two folders, as far as an adapter that says on which scale it is."""
    truth = truth[300:600, 600:900]
    write_patch(tmp_path / "fits", truth)
    write_patch(tmp_path / "mdi", 1.4 * degrade(truth, psf_fwhm=3.6, noise=12.0, seed=1), **MDI)
    (tmp_path / "train.toml").write_text(CONFIG.replace('root = "fits"', 'root = "fits"\npairs = "mdi"'))
    config = str(tmp_path / "train.toml")
    options = [
        word for one in ("base=default", "pairs=observed", "decoder_rank=0") for word in ("--set", f"finetune.{one}")
    ]
    assert main(["prepare", config]) == 0
    assert main(["finetune", config, *options]) == 0
    stage = load_config(config, ["finetune.pairs=observed", f"finetune.patch={32 + 2 * MARGIN}"])
    pairs = PairSampler(samplers_of(stage, stage.finetune)[0], stage.finetune)
    high, given = pairs.batch(0, 20)
    mean = np.stack([degrade(field[0], psf_fwhm=3.6) for field in high])
    strong = np.abs(mean) > 100
    assert np.median(given[:, 0][strong] / mean[strong]) == pytest.approx(1.4, abs=0.05)
    assert all("+" in name for name in pairs.names(0, 3))
    card = tmp_path / "card.toml"
    card.write_text(
        'name = "pairs"\nkind = "adapter"\ncalibration = "hmi"\nconsistency = "noise"\npsf_fwhm = 0.9\ninstruments = ["MDI"]\n'
    )
    assert main(["export", config, "--card", str(card), "-o", str(tmp_path / "adapter")]) == 0
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
def test_from_a_run_to_a_folder_that_takes_its_adapter_for_mdi(project, small, capsys):
    config = str(project / "train.toml")
    export = ["export", config, "--card", str(project / "card.toml"), "-o", str(project / "model")]
    assert main(export) == 2
    assert "run must hold a finished adapter" in capsys.readouterr().err
    assert main(["finetune", config]) == 0
    assert main(export) == 0
    model = project / "model"
    result = sunpy_magsr.superresolve(small, model=model, plate_scale=None)
    assert result.meta["magsrmod"] == "tiny+mdi"
    assert "consistency with the input: noise" in " ".join(str(result.meta["history"]).split())
    of_hmi = sunpy.map.Map(small.data, {**small.meta, "instrume": "HMI_SIDE1", "camera": "HMI"})
    plain = sunpy_magsr.superresolve(of_hmi, model=model, plate_scale=None)
    assert plain.meta["magsrmod"] == "tiny"
    assert degrade(plain.data) == pytest.approx(small.data, abs=0.1)
    with pytest.warns(MagsrUserWarning, match="'tiny.mdi' was trained for MDI, and this map is from HMI"):
        assert sunpy_magsr.superresolve(of_hmi, model=f"{model}+mdi").meta["magsrmod"] == "tiny+mdi"
    with pytest.raises(ValueError, match=r"adapter must be one of the model's \(mdi, a folder, or .*got 'hmi'"):
        load_backend(f"{model}+hmi")


@pytest.mark.usefixtures("unchecked")
@pytest.mark.slow
def test_an_adapter_belongs_to_its_base(project, tmp_path):
    """Alone in a folder, it loads onto the weights that it was trained on and onto no others."""
    config = str(project / "train.toml")
    card = tmp_path / "card.toml"
    card.write_text('name = "mdi"\nkind = "adapter"\nconsistency = "noise"\npsf_fwhm = 0.9\ninstruments = ["MDI"]\n')
    options = ["--set", "finetune.base=default", "--set", f"output={tmp_path / 'run'}"]
    options += ["--set", f"data.store={project / 'run' / 'patches'}", "--set", "finetune.decoder_rank=0"]
    assert main(["finetune", config, *options]) == 0
    assert main(["export", config, *options, "--card", str(card), "-o", str(tmp_path / "adapter"), "--half"]) == 0
    loaded = load_backend(f"default+{tmp_path / 'adapter'}")
    assert loaded.card.name == "default+mdi"
    assert loaded.card.base_sha256 == load_backend("ldm-res").card.sha256
    assert loaded.denoiser.config.draws_low
    assert not load_backend("ldm-res").denoiser.config.draws_low
    with pytest.raises(ValueError, match="adapter must be one for the weights of model 'ldm'"):
        load_backend(f"ldm+{tmp_path / 'adapter'}")
    with pytest.raises(ValueError, match="is of a kind that is no model"):
        load_backend(tmp_path / "adapter")


def test_the_base_is_not_trained(project):
    config = str(project / "train.toml")
    before = (project / "run" / "denoiser" / "diffusion_pytorch_model.safetensors").read_bytes()
    assert main(["finetune", config, "--set", "finetune.steps=4"]) == 0
    assert (project / "run" / "denoiser" / "diffusion_pytorch_model.safetensors").read_bytes() == before
    state = torch.load(next((project / "run" / "checkpoints" / "finetune").glob("step-00000004.pt")), weights_only=True)
    count = len(state["average"]["shadow_params"])
    assert count < len(state["model"]) / 2


def test_a_stopped_run_goes_on_to_the_same_weights(project, tmp_path, monkeypatch):
    class StoppedError(BaseException):
        pass

    def run(name):
        settings = [f"output={tmp_path / name}", "finetune.base=default", "finetune.decoder_rank=0", "finetune.rank=1"]
        settings.append(f"data.store={project / 'run' / 'patches'}")
        options = [word for setting in settings for word in ("--set", setting)]
        assert main(["finetune", str(project / "train.toml"), *options]) == 0
        return load_file(tmp_path / name / "adapter" / "denoiser" / "adapter_model.safetensors")

    expected = run("whole")
    calls = []

    def stops(*args, **options):
        calls.append(1)
        if len(calls) == 3:
            raise StoppedError
        return adapter_loss(*args, **options)

    monkeypatch.setattr("sunpy_magsr.training.stages.finetune.adapter_loss", stops)
    with pytest.raises(StoppedError):
        run("stopped")
    monkeypatch.undo()
    found = run("stopped")
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("finetune.pairs=real", "finetune.pairs must be 'simulated' or 'observed', got 'real'"),
        ("finetune.noise=[30, 7]", "finetune.noise must be the lowest and the highest of a range above 0, got [30, 7]"),
        ("finetune.psf_fwhm=[1.8]", "finetune.psf_fwhm must be the lowest and the highest"),
        ("finetune.gain=[0, 1]", "finetune.gain must be the lowest and the highest of a range above 0, got [0, 1]"),
        ("finetune.resampled=[0.5, 0.6, 0]", "finetune.resampled must be three shares of together at most 1"),
        ("finetune.base=nothing", "model must be one of default, ldm-res"),
        ("finetune.base=ldm", "denoiser must have a whitened residual"),
        ("finetune.base=enhance", "finetune.base must be a diffusion model, got 'enhance'"),
        ("finetune.pairs=observed", "data.store must hold true pairs"),
    ],
)
def test_wrong_usage_is_one_line(project, tmp_path, capsys, override, message):
    settings = ["finetune.base=default", f"data.store={project / 'run' / 'patches'}", f"output={tmp_path}", override]
    options = [word for setting in settings for word in ("--set", setting)]
    assert main(["finetune", str(project / "train.toml"), *options, "--set", "finetune.decoder_rank=0"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_card_of_an_adapter_is_read_back(tmp_path):
    card = ModelCard(name="mdi", kind="adapter", base="default", base_sha256="1" * 64, psf_fwhm=0.9, sha256="2" * 64)
    card.write(tmp_path)
    assert ModelCard.read(tmp_path, where="built in") == card


def test_mdi_files_can_be_prepared(tmp_path, truth):
    """They are no truth for training, and the report says what they are."""
    write_patch(tmp_path / "fits", truth[200:400, 600:800])
    write_patch(tmp_path / "fits", truth[300:400, 300:400], harp=2, **MDI, interval=30.0)
    (tmp_path / "train.toml").write_text('output = "run"\n[data]\nroot = "fits"\n')
    assert main(["prepare", str(tmp_path / "train.toml")]) == 0
    assert "mdi-30s" in (tmp_path / "run" / "patches" / "report" / "report.rst").read_text()


def test_an_adapter_of_another_rank_is_no_start(project, capsys):
    config = str(project / "train.toml")
    assert main(["finetune", config]) == 0
    again = ["finetune", config, "--set", f"finetune.start={project / 'run' / 'adapter'}", "--set", "finetune.rank=5"]
    assert main([*again, "--set", f"output={project / 'run'}", "--set", "finetune.seed=1"]) == 2
    assert "finetune.start must be an adapter of this section's rank (5)" in capsys.readouterr().err
