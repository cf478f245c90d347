"""Runs by the command: configuration, schedules, two processes, kills, and the models that come out."""

import csv
import os
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import sunpy_magsr
from sunpy_magsr.instrument import degrade
from sunpy_magsr.training.config import load_config
from sunpy_magsr.training.data.samplers import PatchSampler

from ..processes import start
from .conftest import settings
from .recipes import CARD, RECIPE

ENHANCE = ["regression.network='Enhance'", "regression.model={ channels = 8, blocks = 1 }"]


def weights(folder):
    return load_file(next(folder.glob("*.safetensors")))


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.fixture
def recipe_file(tmp_path):
    (tmp_path / "train.toml").write_text(RECIPE)
    return tmp_path / "train.toml"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("diffusion.setps=3", "unknown key diffusion.setps in the training configuration; known here: patch"),
        ("speed=3", "unknown key speed"),
        ("diffusion.steps=fast", "diffusion.steps must be int (a whole number), got 'fast'"),
        ("diffusion.steps", "--set must have the form section.key=value, got 'diffusion.steps'"),
        ("autoencoder.schedule=linear", "schedule must be one of cosine, constant, got 'linear'"),
        ("data.store=nowhere", "data.store must be a folder made by `magsr-train prepare`, got nowhere"),
        ("data.validation_harps=[1]", "data.validation_harps must be that of the store, [], got [1]"),
        ("data.strength_range=[1.5, 0.5]", "data.strength_range must be the lowest and the highest of a range"),
        ("data.component_weights=[1, 2]", "data.component_weights must be one for each of ['los'], got [1, 2]"),
    ],
)
def test_wrong_usage_is_one_line(train, capsys, override, message):
    assert train("autoencoder", override) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_recipe_is_read_with_overrides(recipe_file):
    config = load_config(recipe_file, ["diffusion.learning_rate=1", "data.root=other"])
    assert config.diffusion.learning_rate == 1.0
    assert config.data.root == "other"
    assert config.output == str(recipe_file.parent / "run")
    with pytest.raises(FileNotFoundError, match="there is no file of this name"):
        load_config(recipe_file.parent / "missing.toml")


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_schedules(train, tmp_path, schedule):
    """After one step of warming up, the learning rate stays, or falls to almost nothing."""
    assert train("autoencoder", f"autoencoder.schedule={schedule}", "autoencoder.steps=6") == 0
    with (tmp_path / "run" / "checkpoints" / "autoencoder" / "log.csv").open(newline="") as stream:
        rates = [float(row["learning_rate"]) for row in csv.DictReader(stream)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx(1e-3)
    assert rates[-1] == 0 if schedule == "cosine" else rates[-1] == rates[0]


@pytest.mark.usefixtures("unchecked")
def test_from_fits_files_to_a_model(train, small, tmp_path, capsys):
    (tmp_path / "card.toml").write_text(CARD)
    export = ["--card", tmp_path / "card.toml", "-o", tmp_path / "model"]
    assert train("export", f"output={tmp_path}", more=export) == 2
    assert "run must hold a finished autoencoder" in capsys.readouterr().err
    assert train("export", more=export) == 0
    result = sunpy_magsr.superresolve(small, model=tmp_path / "model", plate_scale=None)
    assert degrade(result.data) == pytest.approx(small.data, abs=0.1)
    assert result.meta["magsrmod"] == "tiny"


TINY_DIFFUSION = ["regression.network=''", "diffusion.residual=false", "diffusion.whitened=false"]
RIVALS = {
    "enhance": (ENHANCE, "network"),
    "progressive": (["regression.network='Progressive'", ENHANCE[1]], "network"),
    "adversarial": (["regression.network='Progressive'", ENHANCE[1], "regression.adversarial_weight=0.01"], "network"),
    "ddpm": ([*TINY_DIFFUSION, "diffusion.codec=pixel", "diffusion.prediction=epsilon"], "denoiser"),
    "ldm": ([*TINY_DIFFUSION, "diffusion.codec=default"], "denoiser"),
    "flow": (["regression.network=''", "diffusion.codec=pixel", "diffusion.prediction=flow"], "denoiser"),
}
LAST = {"enhance": "detail.weight", "progressive": "fine.detail.weight", "adversarial": "fine.detail.weight"}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "rival", [*(pytest.param(name, marks=pytest.mark.slow) for name in RIVALS if name != "ddpm"), "ddpm"]
)
def test_one_command_trains_a_rival(rival, train, tmp_path, small):
    overrides, part = RIVALS[rival]
    assert train("baseline", *overrides) == 0
    assert weights(tmp_path / "run" / part)[LAST.get(rival, "velocity.weight")].abs().max() > 0, "starts from zero"
    kind = "regression" if part == "network" else "diffusion"
    facts = CARD.replace("tiny", rival) if kind == "diffusion" else f'name = "{rival}"\nkind = "regression"\n'
    (tmp_path / "card.toml").write_text(facts)
    model = tmp_path / "model"
    assert train("export", more=["--card", tmp_path / "card.toml", "--half", "-o", model]) == 0
    assert not any("_name_or_path" in path.read_text() for path in model.glob("*/config.json"))
    result = sunpy_magsr.superresolve(small, model=model, plate_scale=None)
    assert degrade(result.data) == pytest.approx(small.data, abs=0.1)
    assert result.meta["magsrmod"] == rival


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["regression.network=Upscale"], "regression.network must be one of Enhance, Progressive, got 'Upscale'"),
        (["regression.network=''", "diffusion.codec=none"], "diffusion.codec must be 'pixel', a model, or 'trained'"),
        (["regression.network=''", "diffusion.prediction=x"], "prediction must be 'v_prediction', 'epsilon' or 'flow'"),
    ],
)
def test_a_wrong_rival_is_refused(train, capsys, overrides, message):
    assert train("baseline", *overrides) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_are_one_with_batches_of_twice_the_size(project, train, tmp_path, monkeypatch):
    """
    Of a loss without random numbers, the mean over two batches has the mean of their gradients.

    One process that is given what both processes see therefore ends with their weights except for rounding.
    """
    stage = "import sys; from sunpy_magsr.cli.train import main; sys.exit(main(sys.argv[1:]))"
    (tmp_path / "train.py").write_text(stage)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    command = ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", port]
    command += [str(tmp_path / "train.py"), "baseline", str(project / "train.toml")]
    done = subprocess.run(
        [sys.executable, "-m", *command, *settings(*ENHANCE, f"output={tmp_path / 'pair'}")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    original = PatchSampler.batch

    def both(self, number, size):
        parts = [original(self, 2 * number + rank, size // 2) for rank in range(2)]
        return tuple(np.concatenate(part) for part in zip(*parts, strict=True))

    monkeypatch.setattr(PatchSampler, "batch", both)
    assert train("baseline", *ENHANCE, "regression.batch_size=4") == 0
    together, alone = (weights(tmp_path / name / "network") for name in ("pair", "run"))
    assert together.keys() == alone.keys()
    for name, value in alone.items():
        assert torch.allclose(together[name], value, atol=1e-6), name
    for name in ("pair", "run"):
        log = (tmp_path / name / "checkpoints" / "regression" / "log.csv").read_text()
        assert len(log.splitlines()) == 1 + 3


STEPS, KILLS = 40, 2


def last_step(output):
    log = output / "checkpoints" / "autoencoder" / "log.csv"
    return int(log.read_text().splitlines()[-1].split(",")[0]) if log.is_file() else 0


@pytest.mark.slow
def test_killed_runs_end_with_the_weights_of_an_uninterrupted_one(project, tmp_path):
    options = [f"autoencoder.{one}" for one in (f"steps={STEPS}", "patch=64", "batch_size=4", "checkpoint_every=4")]

    def begin(output):
        arguments = ["autoencoder", project / "train.toml", *settings(*options, f"output={output}")]
        return start("sunpy_magsr.cli.train", *arguments)

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    uninterrupted = begin(whole)
    rng = np.random.default_rng(20010329)
    for step in np.sort(rng.choice(np.arange(2, STEPS - 2), KILLS, replace=False)):
        (killed / "checkpoints" / "autoencoder" / "log.csv").unlink(missing_ok=True)
        process = begin(killed)
        while last_step(killed) < step and process.is_alive():
            time.sleep(0.002)
        assert process.is_alive(), f"ended before step {step}"
        time.sleep(rng.uniform(0, 0.02))
        process.kill()
        process.join()
        assert not (killed / "autoencoder").exists()
    last = begin(killed)
    for process in (last, uninterrupted):
        process.join()
        assert process.exitcode == 0
    assert_equal(weights(killed / "autoencoder"), weights(whole / "autoencoder"))
