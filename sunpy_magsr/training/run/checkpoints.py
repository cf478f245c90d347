"""Checkpoints that are written whole or not at all."""

import io
import logging
import os
import zipfile
from pathlib import Path

import torch

__all__ = ["latest_checkpoint", "save_checkpoint"]

_log = logging.getLogger(__name__)
_KEPT = 2


def save_checkpoint(folder, step, state):
    """
    Write ``step-00001234.pt`` into a folder and keep the last two.

    Parameters
    ----------
    folder : `pathlib.Path`
        Created if it is not there.
    step : `int`
        Number of finished steps.
    state : `dict`
        State dictionaries.

    Raises
    ------
    OSError
        If it cannot be written, as on a full disk. The checkpoints before it are still there and nothing is left of
        this one.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Made in memory: torch turns the errors of a file into others.
    content = io.BytesIO()
    torch.save({"step": step, **state}, content)
    temporary = folder / "step.tmp"
    try:
        with temporary.open("wb") as stream:
            stream.write(content.getbuffer())
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(folder / f"step-{step:08d}.pt")
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    for old in sorted(folder.glob("step-*.pt"))[:-_KEPT]:
        old.unlink()


def latest_checkpoint(folder, map_location="cpu"):
    """The newest checkpoint that can be read, or `None`; a damaged one is named in a warning and passed over."""
    for path in sorted(Path(folder).glob("step-*.pt"), reverse=True):
        try:
            _check(path)
            return torch.load(path, map_location=map_location, weights_only=True)
        except Exception as error:  # noqa: BLE001  a torn file can fail in any layer of the reader
            _log.warning("%s cannot be read (%s); trying the one before.", path, error)
    return None


def _check(path):
    """Compare a checkpoint with its checksums, which `torch.load` does not look at."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged:
        msg = f"{damaged} has another checksum than when it was written"
        raise zipfile.BadZipFile(msg)
