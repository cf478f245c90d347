"""A run that is killed, again and again, ends with the weights of one that was not."""

import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from sunpy_magsr.cli.train import main

from ..processes import start
from .magnetograms import write_patch
from .recipes import recipe

KILLS = 2
STEPS = 40
CONFIG = recipe('store = "store"', autoencoder=f"steps = {STEPS}\npatch = 64\nbatch_size = 4\ncheckpoint_every = 4")

pytestmark = pytest.mark.slow


@pytest.fixture
def config(tmp_path, truth):
    write_patch(tmp_path / "fits", truth[300:600, 600:900])
    (tmp_path / "train.toml").write_text(CONFIG)
    assert main(["prepare", str(tmp_path / "train.toml")]) == 0
    return tmp_path / "train.toml"


def train(config, output):
    return start("sunpy_magsr.cli.train", "autoencoder", config, "--set", f"output={output}")


def finished_steps(output):
    log = output / "checkpoints" / "autoencoder" / "log.csv"
    lines = log.read_text().splitlines() if log.is_file() else []
    return int(lines[-1].split(",")[0]) if lines and lines[-1].split(",")[0].isdigit() else 0


def weights(output):
    return load_file(next((output / "autoencoder").glob("*.safetensors")))


def test_killed_runs_end_with_the_weights_of_an_uninterrupted_one(config, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    uninterrupted = train(config, whole)
    rng = np.random.default_rng(20010329)
    for step in np.sort(rng.choice(np.arange(2, STEPS - 2), KILLS, replace=False)):
        (killed / "checkpoints" / "autoencoder" / "log.csv").unlink(missing_ok=True)
        process = train(config, killed)
        while finished_steps(killed) < step and process.is_alive():
            time.sleep(0.002)
        assert process.is_alive(), f"ended before step {step}"
        time.sleep(rng.uniform(0, 0.02))
        process.kill()
        process.join()
        assert not (killed / "autoencoder").exists()
    last = train(config, killed)
    for process in (last, uninterrupted):
        process.join()
        assert process.exitcode == 0
    expected, found = weights(whole), weights(killed)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
