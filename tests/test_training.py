"""Training: configuration, patches, a run that is stopped and goes on, and a model that comes out of it."""

import os
import socket
import subprocess
import sys

import pytest
import torch

import sunpy_magsr
from sunpy_magsr.forward_model import degrade
from sunpy_magsr.models.autoencoder import MagnetogramAutoencoder
from sunpy_magsr.training.cli import main
from sunpy_magsr.training.config import load_config
from sunpy_magsr.training.run.checkpoints import latest_checkpoint, save_checkpoint

from .training.magnetograms import write_patch
from .training.recipes import CARD, recipe

CONFIG = recipe('store = "store"', autoencoder="steps = 6", diffusion="steps = 6")


@pytest.fixture(scope="module")
def truth():
    from sunpy_magsr.data import sample_truth

    return sample_truth()[0]


@pytest.fixture
def project(tmp_path, truth):
    """A folder with magnetograms, a configuration and a card."""
    for number in range(2):
        data = truth[200 + 300 * number : 400 + 300 * number, 600:800]
        write_patch(tmp_path / "fits", data, harp=number + 1)
    (tmp_path / "train.toml").write_text(CONFIG)
    (tmp_path / "card.toml").write_text(CARD)
    assert main(["prepare", str(tmp_path / "train.toml")]) == 0
    return tmp_path


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("diffusion.setps=3", "unknown key diffusion.setps in the training configuration; known here: patch"),
        ("speed=3", "unknown key speed"),
        ("diffusion.steps=fast", r"diffusion.steps must be int \(a whole number\), got 'fast'"),
        ("diffusion.steps", r"--set takes section\.key=value, got 'diffusion\.steps'"),
    ],
)
def test_configuration_errors(project, override, message):
    with pytest.raises(ValueError, match=message):
        load_config(project / "train.toml", [override])


def test_configuration_overrides(project):
    config = load_config(project / "train.toml", ["diffusion.learning_rate=1", "data.root=other"])
    assert config.diffusion.learning_rate == 1.0
    assert config.data.root == "other"
    assert config.output == str(project / "run")


def weights(folder):
    return MagnetogramAutoencoder.from_pretrained(folder).state_dict()


def test_a_stopped_run_goes_on_to_the_same_weights(project):
    config = str(project / "train.toml")
    assert main(["autoencoder", config]) == 0
    expected = weights(project / "run" / "autoencoder")

    class Killed(BaseException):
        pass

    from sunpy_magsr.training.stages import autoencoder

    original = autoencoder.autoencoder_loss

    def dies(*args, calls=[], **options):  # noqa: B006  counts its own calls
        calls.append(1)
        if len(calls) == 4:
            raise Killed
        return original(*args, **options)

    autoencoder.autoencoder_loss = dies
    try:
        with pytest.raises(Killed):
            main(["autoencoder", config, "--set", f"output={project / 'other'}"])
    finally:
        autoencoder.autoencoder_loss = original
    assert latest_checkpoint(project / "other" / "checkpoints" / "autoencoder")["step"] == 2
    assert main(["autoencoder", config, "--set", f"output={project / 'other'}"]) == 0
    for name, value in weights(project / "other" / "autoencoder").items():
        assert torch.equal(value, expected[name]), name


def test_a_torn_checkpoint_is_passed_over(tmp_path, caplog):
    save_checkpoint(tmp_path, 1, {"a": {}})
    save_checkpoint(tmp_path, 2, {"a": {}})
    newest = tmp_path / "step-00000002.pt"
    newest.write_bytes(newest.read_bytes()[:100])
    assert latest_checkpoint(tmp_path)["step"] == 1
    assert "step-00000002.pt cannot be read" in caplog.text


def test_a_bad_batch_is_named(project, capsys, monkeypatch):
    from sunpy_magsr.training.stages import autoencoder

    monkeypatch.setattr(
        autoencoder, "autoencoder_loss", lambda *_, **__: (torch.tensor(float("nan"), requires_grad=True), {})
    )
    assert main(["autoencoder", str(project / "train.toml")]) == 1
    error = capsys.readouterr().err
    assert "the loss of batch 0 (patches of hmi.sharp_cea_720s." in error
    assert "is nan" in error


def test_two_processes_train_one_model(project):
    """Each sees other batches, one writes, and the result is not that of one process."""
    assert main(["autoencoder", str(project / "train.toml")]) == 0
    alone = weights(project / "run" / "autoencoder")
    stage = "import sys; from sunpy_magsr.training.cli import main; sys.exit(main(sys.argv[1:]))"
    (project / "train.py").write_text(stage)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    launch = ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", port]
    command = [*launch, "train.py", "autoencoder", "train.toml"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *command, "--set", "output=pair"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    together = weights(project / "pair" / "autoencoder")
    assert all(torch.isfinite(value).all() for value in together.values())
    assert any(not torch.equal(value, alone[name]) for name, value in together.items())
    log = (project / "pair" / "checkpoints" / "autoencoder" / "log.csv").read_text()
    assert len(log.splitlines()) == 1 + 6


@pytest.mark.parametrize(("schedule", "last"), [("cosine", 0.0), ("constant", 1e-3)])
def test_schedules(project, schedule, last):
    assert main(["autoencoder", str(project / "train.toml"), "--set", f"autoencoder.schedule={schedule}"]) == 0
    state = latest_checkpoint(project / "run" / "checkpoints" / "autoencoder")
    assert state["schedule"]["_last_lr"][0] == pytest.approx(last)


def test_unknown_schedule(project, capsys):
    assert main(["autoencoder", str(project / "train.toml"), "--set", "autoencoder.schedule=linear"]) == 2
    assert "schedule must be one of cosine, constant, got 'linear'" in capsys.readouterr().err


def test_from_fits_files_to_a_model(project, truth, small, capsys):
    config = str(project / "train.toml")
    assert main(["export", config, "--card", str(project / "card.toml"), "-o", str(project / "model")]) == 2
    assert "run must hold a finished autoencoder" in capsys.readouterr().err
    assert main(["autoencoder", config]) == 0
    assert main(["diffusion", config]) == 0
    assert main(["export", config, "--card", str(project / "card.toml"), "-o", str(project / "model")]) == 0
    result = sunpy_magsr.superresolve(small, model=project / "model", plate_scale=None)
    assert degrade(result.data) == pytest.approx(small.data, abs=0.1)
    assert result.meta["magsrmod"] == "tiny"
    log = (project / "run" / "checkpoints" / "diffusion" / "log.csv").read_text()
    assert len(log.splitlines()) == 1 + 6


def test_wrong_usage_is_one_line(project, capsys):
    assert main(["diffusion", str(project / "train.toml"), "--set", "speed=9"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["diffusion", str(project / "missing.toml")]) == 2
