"""The loop: logs, validation, checkpoints, what goes on when a run does, and what stops it."""

import csv
import errno
import logging
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import torch
from astropy.io import fits
from torch import nn

from sunpy_magsr.training import loop
from sunpy_magsr.training.config import StageConfig
from sunpy_magsr.training.logs import RunLog, draw_patches, score_samples
from sunpy_magsr.training.loop import latest_checkpoint, run_stage, save_checkpoint
from sunpy_magsr.training.stages.stage import Stage

TRUTH = fits.getdata(Path(__file__).parents[1] / "data" / "hmi_active_20111217.fits").astype(np.float32)


class Patches:
    """Patches of an active region by the number of the batch."""

    def __init__(self, seed=0):
        self.seed = seed

    def batch(self, number, size):
        rng = np.random.default_rng([self.seed, number])
        corners = rng.integers(0, 352, (size, 2))
        return np.stack([TRUTH[y : y + 32, x : x + 32] for y, x in corners])[:, None], np.full(size, 3.0, np.float32)

    def names(self, number, size):
        return [f"field-{number}"] * size


class Gain(nn.Module):
    """One number that the field is multiplied with."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.5))

    def forward(self, field):
        return self.gain * field


class GainStage(Stage):
    """A stage of one number, with noise from torch's own random numbers; ``stop`` interrupts that call of its loss."""

    section = "gain"

    def __init__(self, folder, *, validation=None, stop=None, **settings):
        self.where, self.device, self.stop, self.calls = folder, "cpu", stop, 0
        self.options, self.sampler, self.validation = StageConfig(**settings), Patches(), validation
        torch.manual_seed(0)
        self.model = Gain()

    @property
    def folder(self):
        return self.where

    def loss(self, high, given, generator):
        self.calls += 1
        if self.calls == self.stop:
            raise KeyboardInterrupt
        loss = ((self.model(high) - high + 100 * torch.randn_like(high)) / 1000).square().mean()
        return loss, {"gain": self.model.gain.item()}

    def draw(self, high, given, n_samples):
        low = nn.functional.avg_pool2d(high, 4)
        return torch.stack([self.model(high) + torch.randn_like(high) for _ in range(n_samples)]), low

    def save(self):
        """Nothing to keep."""


def train(folder, *, stage=GainStage, **changes):
    """The weight after a run."""
    settings = {"steps": 8, "batch_size": 2, "checkpoint_every": 4, "validate_every": 4, "log_every": 1, "warmup": 1}
    made = stage(folder, **settings | changes)
    run_stage(made, progress=False)
    return made.model.gain.item()


def table(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_log_is_a_table_with_one_header(tmp_path):
    train(tmp_path, validation=Patches(1))
    rows = table(tmp_path / "log.csv")
    assert [int(row["step"]) for row in rows] == list(range(1, 9))
    assert list(rows[0]) == ["step", "seconds", "learning_rate", "loss", "gain"]
    assert all(np.isfinite(float(value)) for row in rows for value in row.values())
    rows = table(tmp_path / "validation.csv")
    assert [row["step"] for row in rows] == ["4", "8"]
    assert {"loss", "rmse_mean", "crps", "power_8_4", "power_4_2", "power_2_1.33"} < set(rows[0])


def test_a_resumed_run_goes_on_to_the_same_weight_and_logs_every_step_once(tmp_path):
    expected = train(tmp_path / "whole", validation=Patches(1))
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", stop=7)
    assert [row["step"] for row in table(tmp_path / "cut" / "log.csv")][-1] == "6"
    assert train(tmp_path / "cut") == expected
    rows = table(tmp_path / "cut" / "log.csv")
    assert [int(row["step"]) for row in rows] == list(range(1, 9))
    seconds = [float(row["seconds"]) for row in rows]
    assert seconds == sorted(seconds)


def test_validation_changes_no_weight(tmp_path):
    without = train(tmp_path / "without")
    assert train(tmp_path / "with", validation=Patches(1), validate_every=2) == without
    assert train(tmp_path / "losses", validation=Patches(1), validate_every=2, validation_samples=0) == without
    assert "rmse_mean" not in table(tmp_path / "losses" / "validation.csv")[0]
    assert not (tmp_path / "losses" / "pictures").exists()


def test_validation_sees_the_averaged_weights(tmp_path):
    seen = []

    class Seen(GainStage):
        def loss(self, *batch):
            seen.append((self.model.training, self.model.gain.item()))
            return super().loss(*batch)

    train(tmp_path, stage=Seen, validation=Patches(1), learning_rate=0.1, ema_decay=0.5)
    average = latest_checkpoint(tmp_path)["average"]["shadow_params"][0].item()
    last = latest_checkpoint(tmp_path)["model"]["gain"].item()
    assert [gain for is_training, gain in seen if not is_training][-1] == average != last


def test_pictures_and_tensorboard(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(tmp_path, validation=Patches(1))
    pictures = sorted((tmp_path / "pictures").iterdir())
    assert [path.name for path in pictures] == ["step-00000004.png", "step-00000008.png"]
    assert matplotlib.image.imread(pictures[0]).std() > 0.1
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("training/loss")] == list(range(1, 9))
    assert [event.step for event in events.Scalars("validation/power_4_2")] == [4, 8]
    assert [event.step for event in events.Images("validation")] == [4, 8]


def test_without_tensorboard_there_are_tables_only(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    caplog.set_level(logging.INFO, logger="sunpy_magsr")
    train(tmp_path)
    assert len(table(tmp_path / "log.csv")) == 8
    assert not (tmp_path / "tensorboard").exists()
    assert caplog.text.count("tensorboard is not installed") == 1


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_costs_a_checkpoint_and_not_the_run(tmp_path, monkeypatch, caplog):
    expected = train(tmp_path / "roomy")
    original = loop.save_checkpoint
    monkeypatch.setattr(
        loop,
        "save_checkpoint",
        lambda folder, step, state: (no_space if step == 4 else original)(folder, step, state),
    )
    assert train(tmp_path / "full", checkpoint_every=2) == expected
    assert "the checkpoint of step 4 could not be written" in caplog.text
    assert "No space left on device; the ones before are kept" in caplog.text
    assert latest_checkpoint(tmp_path / "full")["step"] == 8


def test_a_full_disk_at_the_end_is_an_error(tmp_path, monkeypatch):
    train(tmp_path, steps=4)
    monkeypatch.setattr(loop, "save_checkpoint", no_space)
    with pytest.raises(RuntimeError, match=r"step 8 could not be written to the disk of .*: No space left on device"):
        train(tmp_path)
    assert latest_checkpoint(tmp_path)["step"] == 4


def test_a_full_disk_costs_the_log_and_not_the_run(tmp_path, monkeypatch, caplog):
    expected = train(tmp_path / "roomy", validation=Patches(1))
    from torch.utils.tensorboard import SummaryWriter

    monkeypatch.setattr(SummaryWriter, "add_scalar", no_space)
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda path, to: no_space() if to.name == "log.csv" else replace(path, to))
    assert train(tmp_path / "full", validation=Patches(1)) == expected
    assert caplog.text.count("tensorboard could not be written (") == 1, "after an error it is of no more use"
    assert caplog.text.count("full could not be written (") == 8
    assert len(table(tmp_path / "full" / "validation.csv")) == 2


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_number_that_is_none_names_the_batch_and_its_fields(tmp_path, what):
    class Broken(GainStage):
        def loss(self, *_):
            gain = self.model.gain
            return (gain - 0.5) * torch.nan if what == "loss" else (gain - gain).abs().sqrt(), {}

    with pytest.raises(FloatingPointError, match=rf"the {what} of batch 0 \(patches of field-0\) is nan"):
        train(tmp_path, stage=Broken)
    assert latest_checkpoint(tmp_path) is None


def test_a_column_that_is_new_is_empty_in_older_rows(tmp_path):
    RunLog(tmp_path).numbers("training", 1, {"loss": 0.5})
    RunLog(tmp_path, step=1).numbers("training", 2, {"loss": 0.25, "critic": 1.0})
    assert (tmp_path / "log.csv").read_text().split() == ["step,loss,critic", "1,0.5,", "2,0.25,1"]


def test_scores_of_samples():
    truth = Patches().batch(0, 3)[0][:, 0]
    perfect = score_samples(truth[None], truth)
    assert perfect["rmse_mean"] == perfect["crps"] == 0
    assert perfect["power_8_4"] == perfect["power_4_2"] == perfect["power_2_1.33"] == 1
    assert score_samples(truth[None] * 3, truth)["power_4_2"] == pytest.approx(9)
    off = score_samples(truth[None] + np.array([5.0, 15.0])[:, None, None, None], truth)
    assert off["rmse_mean"] == pytest.approx(10)
    assert off["crps"] == pytest.approx(5)
    broken = score_samples(np.full((2, *truth.shape), np.nan), truth)
    assert np.isnan(list(broken.values())).all()


def test_the_picture_has_a_panel_for_each_field():
    truth, _ = Patches().batch(0, 3)
    low = truth[:, 0, ::4, ::4]
    one = draw_patches(truth[None, :, 0], truth[:, 0], low)
    many = draw_patches(np.stack([truth[:, 0], truth[:, 0] + 9]), truth[:, 0], low)
    assert [axes.get_title() for axes in one.axes[:3]] == ["input", "truth", "result"]
    assert [axes.get_title() for axes in many.axes[:5]] == ["input", "truth", "sample", "mean", "spread"]


def state(number):
    return {"model": {"weight": torch.full((40, 40), float(number))}}


@pytest.fixture
def folder(tmp_path):
    """A folder with the checkpoints of steps 1 and 2."""
    save_checkpoint(tmp_path, 1, state(1))
    save_checkpoint(tmp_path, 2, state(2))
    return tmp_path


def test_the_last_two_are_kept(folder):
    save_checkpoint(folder, 3, state(3))
    assert sorted(path.name for path in folder.iterdir()) == ["step-00000002.pt", "step-00000003.pt"]
    assert latest_checkpoint(folder)["step"] == 3


def test_one_cut_short_anywhere_is_passed_over(folder, caplog):
    newest = folder / "step-00000002.pt"
    whole = newest.read_bytes()
    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        newest.write_bytes(whole[:length])
        assert latest_checkpoint(folder)["step"] == 1, length
    assert "step-00000002.pt cannot be read" in caplog.text


def test_changed_numbers_are_named(folder, caplog):
    newest = folder / "step-00000002.pt"
    whole = newest.read_bytes()
    number = torch.tensor(2.0).numpy().tobytes()
    newest.write_bytes(whole.replace(number * 8, number * 7 + bytes(4), 1))
    assert torch.load(newest, weights_only=True)["model"]["weight"].unique().tolist() == [0, 2]
    assert latest_checkpoint(folder)["step"] == 1
    assert "has another checksum than when it was written" in caplog.text
