"""One tiny run and one tiny exported model, shared by all tests of the training."""

import shutil

import pytest

from sunpy_magsr.cli.train import main

from .magnetograms import write_patch
from .recipes import RECIPE
from .tiny_models import diffusion_run, exported_diffusion


@pytest.fixture(scope="session")
def project(tmp_path_factory, truth):
    """A folder with two magnetograms, their store, and a run of the first two stages; tests write elsewhere."""
    folder = tmp_path_factory.mktemp("project")
    for number in range(2):
        write_patch(folder / "fits", truth[200 + 300 * number : 400 + 300 * number, 600:800], harp=number + 1)
    (folder / "train.toml").write_text(RECIPE)
    for stage in ("prepare", "autoencoder", "diffusion"):
        assert main([stage, str(folder / "train.toml")]) == 0
    return folder


def settings(*overrides):
    """Options of a command that change values of its recipe."""
    return [word for override in overrides for word in ("--set", override)]


def trainer(project, folder):
    """A function that runs a command of ``magsr-train`` on a copy of the project's run."""
    shutil.copytree(project / "run", folder, ignore=shutil.ignore_patterns("checkpoints"))

    def train(command, *overrides, more=()):
        return main([command, str(project / "train.toml"), *settings(f"output={folder}", *overrides), *map(str, more)])

    return train


@pytest.fixture
def train(project, tmp_path):
    """A function that runs a command on a copy of the project's run, ``run`` in the folder of the test."""
    return trainer(project, tmp_path / "run")


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory):
    """A run of random networks."""
    return diffusion_run(tmp_path_factory.mktemp("tiny") / "run")


@pytest.fixture(scope="session")
def exported(tiny_run):
    """The model folder of that run."""
    return exported_diffusion(tiny_run, tiny_run.parent / "model")


@pytest.fixture
def model(exported, tmp_path):
    """A copy of that model folder."""
    return shutil.copytree(exported, tmp_path / "model")
