"""Checkpoints that are written whole or not at all."""

import logging
import os
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
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / "step.tmp"
    with temporary.open("wb") as stream:
        torch.save({"step": step, **state}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(folder / f"step-{step:08d}.pt")
    for old in sorted(folder.glob("step-*.pt"))[:-_KEPT]:
        old.unlink()


def latest_checkpoint(folder, map_location="cpu"):
    """The newest checkpoint that can be read, or `None`; a damaged one is named in a warning and passed over."""
    for path in sorted(Path(folder).glob("step-*.pt"), reverse=True):
        try:
            return torch.load(path, map_location=map_location, weights_only=True)
        except Exception as error:  # noqa: BLE001  a torn file can fail in any layer of the reader
            _log.warning("%s cannot be read (%s); trying the one before.", path, error)
    return None
