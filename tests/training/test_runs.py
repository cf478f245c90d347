"""Training: configuration, runs of one process and of two, and a model that comes out of them."""

import csv
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import sunpy_magsr
from sunpy_magsr.cli.train import main
from sunpy_magsr.instrument import degrade
from sunpy_magsr.training.config import load_config
from sunpy_magsr.training.data.samplers import PatchSampler

from .magnetograms import write_patch
from .recipes import CARD, recipe

CONFIG = recipe('store = "store"', autoencoder="steps = 6", diffusion="steps = 6")


@pytest.fixture(scope="module")
def project(tmp_path_factory, truth):
    """A folder with magnetograms, the store that is made of them, a configuration and a card; tests write elsewhere."""
    folder = tmp_path_factory.mktemp("project")
    for number in range(2):
        data = truth[200 + 300 * number : 400 + 300 * number, 600:800]
        write_patch(folder / "fits", data, harp=number + 1)
    (folder / "train.toml").write_text(CONFIG)
    (folder / "card.toml").write_text(CARD)
    assert main(["prepare", str(folder / "train.toml")]) == 0
    return folder


@pytest.fixture
def run(project, tmp_path):
    """A function that runs a command of ``magsr-train`` on the project, with results in the folder of the test."""

    def run(command, *arguments):
        return main([command, str(project / "train.toml"), "--set", f"output={tmp_path / 'run'}", *arguments])

    return run


@pytest.fixture
def recipe_file(tmp_path):
    (tmp_path / "train.toml").write_text(CONFIG)
    return tmp_path / "train.toml"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("diffusion.setps=3", "unknown key diffusion.setps in the training configuration; known here: patch"),
        ("speed=3", "unknown key speed"),
        ("diffusion.steps=fast", r"diffusion.steps must be int \(a whole number\), got 'fast'"),
        ("diffusion.steps", r"overrides must have the form section\.key=value, got 'diffusion\.steps'"),
    ],
)
def test_configuration_errors(recipe_file, override, message):
    with pytest.raises(ValueError, match=message):
        load_config(recipe_file, [override])


def test_configuration_overrides(recipe_file):
    config = load_config(recipe_file, ["diffusion.learning_rate=1", "data.root=other"])
    assert config.diffusion.learning_rate == 1.0
    assert config.data.root == "other"
    assert config.output == str(recipe_file.parent / "run")


NETWORK = {"network": "'Enhance'", "steps": 6, "patch": 32, "batch_size": 2, "warmup": 1, "log_every": 1}


@pytest.mark.slow
def test_two_processes_are_one_with_batches_of_twice_the_size(project, run, tmp_path, monkeypatch):
    """
    Of a loss without random numbers, the mean over two batches has the mean of their gradients.

    One process that is given what both processes see therefore ends with their weights except for rounding.
    """
    options = [word for name, value in NETWORK.items() for word in ("--set", f"regression.{name}={value}")]
    options += ["--set", "regression.model={ channels = 8, blocks = 1 }"]
    stage = "import sys; from sunpy_magsr.cli.train import main; sys.exit(main(sys.argv[1:]))"
    (tmp_path / "train.py").write_text(stage)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    launch = ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", port]
    command = [*launch, str(tmp_path / "train.py"), "baseline", str(project / "train.toml"), *options]
    done = subprocess.run(
        [sys.executable, "-m", *command, "--set", f"output={tmp_path / 'pair'}"],
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
    assert run("baseline", *options, "--set", "regression.batch_size=4") == 0
    folders = [tmp_path / name for name in ("pair", "run")]
    together, alone = (load_file(next(folder.glob("network/*.safetensors"))) for folder in folders)
    assert together.keys() == alone.keys()
    for name, value in alone.items():
        assert torch.allclose(together[name], value, atol=1e-6), name
    for folder in folders:
        log = (folder / "checkpoints" / "regression" / "log.csv").read_text()
        assert len(log.splitlines()) == 1 + 6


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_schedules(run, tmp_path, schedule):
    """After one step of warming up, the learning rate stays, or falls to almost nothing."""
    assert run("autoencoder", "--set", f"autoencoder.schedule={schedule}") == 0
    with (tmp_path / "run" / "checkpoints" / "autoencoder" / "log.csv").open(newline="") as stream:
        rates = [float(row["learning_rate"]) for row in csv.DictReader(stream)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx(1e-3)
    assert rates[-1] == 0 if schedule == "cosine" else rates[-1] == rates[0]


def test_unknown_schedule(run, capsys):
    assert run("autoencoder", "--set", "autoencoder.schedule=linear") == 2
    assert "schedule must be one of cosine, constant, got 'linear'" in capsys.readouterr().err


@pytest.mark.usefixtures("unchecked")
def test_from_fits_files_to_a_model(project, run, small, tmp_path, capsys):
    export = ["export", "--card", str(project / "card.toml"), "-o", str(tmp_path / "model")]
    assert run(*export) == 2
    assert "run must hold a finished autoencoder" in capsys.readouterr().err
    assert run("autoencoder") == 0
    assert run("diffusion") == 0
    assert run(*export) == 0
    result = sunpy_magsr.superresolve(small, model=tmp_path / "model", plate_scale=None)
    assert degrade(result.data) == pytest.approx(small.data, abs=0.1)
    assert result.meta["magsrmod"] == "tiny"
    log = (tmp_path / "run" / "checkpoints" / "diffusion" / "log.csv").read_text()
    assert len(log.splitlines()) == 1 + 6


def test_wrong_usage_is_one_line(recipe_file, capsys):
    assert main(["diffusion", str(recipe_file), "--set", "speed=9"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["diffusion", str(recipe_file.parent / "missing.toml")]) == 2
