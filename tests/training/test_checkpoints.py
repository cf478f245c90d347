"""Checkpoints: whole or not there, and a damaged one is seen."""

import io
import subprocess
import sys

import pytest
import torch

from sunpy_magsr.training.loop import latest_checkpoint, save_checkpoint


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


def test_nothing_there(tmp_path):
    assert latest_checkpoint(tmp_path) is None


def test_one_cut_short_anywhere_is_passed_over(folder, caplog):
    newest = folder / "step-00000002.pt"
    whole = newest.read_bytes()
    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        newest.write_bytes(whole[:length])
        assert latest_checkpoint(folder)["step"] == 1, length
    assert "step-00000002.pt cannot be read" in caplog.text


def test_a_changed_byte_anywhere_is_seen_or_changes_nothing(folder):
    """The padding between the parts of the file may change; no number may."""
    newest = folder / "step-00000002.pt"
    whole = newest.read_bytes()
    seen = 0
    for place in range(0, len(whole), 61):
        newest.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        found = latest_checkpoint(folder)
        seen += found["step"] == 1
        assert torch.equal(found["model"]["weight"], state(found["step"])["model"]["weight"]), place
    assert seen > len(whole) // 61 // 2


def test_changed_numbers_are_named(folder, caplog):
    newest = folder / "step-00000002.pt"
    whole = newest.read_bytes()
    number = torch.tensor(2.0).numpy().tobytes()
    newest.write_bytes(whole.replace(number * 8, number * 7 + bytes(4), 1))
    assert torch.load(io.BytesIO(newest.read_bytes()), weights_only=True)["model"]["weight"].unique().tolist() == [0, 2]
    assert latest_checkpoint(folder)["step"] == 1
    assert "has another checksum than when it was written" in caplog.text


FULL = """
import resource, signal, sys, torch
from sunpy_magsr.training.loop import save_checkpoint
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    save_checkpoint(sys.argv[1], 3, {"model": {"weight": torch.zeros(40, 40)}})
except OSError as error:
    sys.exit(7)
"""


@pytest.mark.slow
def test_a_write_that_ends_early_leaves_the_earlier_ones(folder):
    """A limit on the size of files cuts the write short as a full disk does."""
    done = subprocess.run([sys.executable, "-c", FULL, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["step-00000001.pt", "step-00000002.pt"]
    assert latest_checkpoint(folder)["step"] == 2
