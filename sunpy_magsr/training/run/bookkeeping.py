"""What the writing process does beside the steps: progress bar, log, validation, checkpoints."""

import logging
import time

import torch
from tqdm.auto import tqdm

from sunpy_magsr.training.run.checkpoints import latest_checkpoint, save_checkpoint
from sunpy_magsr.training.run.logs import RunLog
from sunpy_magsr.training.run.monitor import validate

__all__ = ["Bookkeeper", "resume"]

_log = logging.getLogger(__name__)
_SMOOTHING = 0.05
_BAR = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} samples [{elapsed}<{remaining}, {rate_noinv_fmt}{postfix}]"


class Bookkeeper:
    """
    Keep the books of one stage.

    Parameters
    ----------
    stage : `~sunpy_magsr.training.stages.stage.Stage`
        The stage, in whose folder log and checkpoints are, and whose patches are validated on.
    parts : `dict`
        What a checkpoint holds, by name: ``model``, ``optimizer``, ``schedule`` and ``average``.
    start : `int`
        Number of steps that were finished before.
    seconds : `float`
        Time spent on them.
    size : `int`
        Samples of one step over all processes.
    progress : `bool`
        Whether to show a progress bar on a terminal.
    """

    def __init__(self, stage, parts, *, start, seconds, size, progress=True):
        self.stage, self.parts, self.config, self.size = stage, parts, stage.options, size
        self.folder = stage.folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.began = time.monotonic() - seconds
        self.shown = {}
        self.log = RunLog(self.folder, step=start)
        self.bar = tqdm(
            initial=start * size,
            total=self.config.steps * size,
            unit=" samples",
            bar_format=_BAR,
            disable=None if progress else True,
        )

    def after(self, step, numbers):
        """Do what is due after a finished step with these numbers."""
        self.shown = {
            key: (1 - _SMOOTHING) * self.shown.get(key, value) + _SMOOTHING * value for key, value in numbers.items()
        }
        self.bar.update(self.size)
        is_last = step == self.config.steps
        if step % self.config.log_every == 0:
            self.bar.set_postfix({key: f"{value:.4g}" for key, value in self.shown.items()})
            rate = self.parts["schedule"].get_last_lr()[0]
            self.log.numbers("training", step, {"seconds": self._seconds(), "learning_rate": rate, **self.shown})
        if self.stage.validation is not None and (step % self.config.validate_every == 0 or is_last):
            found, image = validate(self.stage, self.parts["average"])
            self.log.numbers("validation", step, found)
            if image is not None:
                self.log.picture(step, image)
        if step % self.config.checkpoint_every == 0 or is_last:
            self._save(step, is_last=is_last)

    def close(self):
        """Write what is left."""
        self.bar.close()
        self.log.close()

    def _seconds(self):
        return round(time.monotonic() - self.began, 1)

    def _save(self, step, *, is_last):
        state = {name: part.state_dict() for name, part in self.parts.items()}
        random = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}
        try:
            save_checkpoint(self.folder, step, {**state, "random": random, "seconds": self._seconds()})
        except OSError as error:
            msg = f"the checkpoint of step {step} could not be written to the disk of {self.folder}: {error.strerror}"
            if is_last:
                msg += "; the same command resumes from the one before."
                raise RuntimeError(msg) from error
            _log.warning("%s; the ones before are kept, and training continues.", msg)


def resume(folder, parts, device):
    """
    Put the latest checkpoint of a folder into the parts, and its random state into torch.

    Parameters
    ----------
    folder : `pathlib.Path`
        Of the stage.
    parts : `dict`
        As for `Bookkeeper`.
    device : `torch.device`
        Of the model.

    Returns
    -------
    step : `int`
        Finished steps, 0 without a checkpoint.
    seconds : `float`
        Spent on them.
    """
    state = latest_checkpoint(folder, map_location=device)
    if state is None:
        return 0, 0.0
    for name, part in parts.items():
        part.load_state_dict(state[name])
    torch.set_rng_state(state["random"]["cpu"].cpu())
    if len(state["random"]["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([one.cpu() for one in state["random"]["cuda"]])
    return state["step"], state["seconds"]
