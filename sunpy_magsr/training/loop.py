"""The loop of training: steps, checkpoints, what is kept of them."""

import io
import logging
import math
import os
import time
import zipfile
from pathlib import Path

import torch
from accelerate import Accelerator
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from sunpy_magsr.models.denoiser import LocalBlock
from sunpy_magsr.training.logs import RunLog, validate

_log = logging.getLogger(__name__)
_KEPT = 2


def save_checkpoint(folder, step, state):
    """Write ``step-00001234.pt`` into a folder and keep the last two."""
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


_SMOOTHING = 0.05
_BAR = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} samples [{elapsed}<{remaining}, {rate_noinv_fmt}{postfix}]"


class Bookkeeper:
    """
    Keep the books of one stage.

    Parameters
    ----------
    stage : ``Stage``
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
    """Put the latest checkpoint of a folder into the parts, and its random state into torch."""
    state = latest_checkpoint(folder, map_location=device)
    if state is None:
        return 0, 0.0
    for name, part in parts.items():
        part.load_state_dict(state[name])
    torch.set_rng_state(state["random"]["cpu"].cpu())
    if len(state["random"]["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([one.cpu() for one in state["random"]["cuda"]])
    return state["step"], state["seconds"]


_SCHEDULES = {"cosine": "cosine", "constant": "constant_with_warmup"}


def run_stage(stage, *, progress=True):
    """
    Train a stage's model, going on from its latest checkpoint.

    Under ``accelerate launch`` with several processes each takes its own batches, and gradients are averaged. A
    checkpoint that cannot be written is named in a warning and tried again at the next turn. The model holds the averaged
    weights afterwards.
    """
    model, config = stage.model, stage.options
    is_cuda = "cuda" in stage.device
    accelerator = Accelerator(cpu=not is_cuda, mixed_precision="bf16" if is_cuda else "no")
    count, rank = accelerator.num_processes, accelerator.process_index
    device = accelerator.device if count > 1 else torch.device(stage.device)
    model.to(device).train()
    _compile(model, config)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay)
    schedule = _make_schedule(optimizer, config)
    average = EMAModel(trained, decay=config.ema_decay)
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule, "average": average}
    start, seconds = resume(stage.folder, parts, device)
    average.to(device)
    objective = _Objective(stage)
    objective = accelerator.prepare_model(objective, device_placement=False) if count > 1 else objective
    books = None
    if rank == 0:
        options = {"start": start, "seconds": seconds, "size": config.batch_size * count, "progress": progress}
        books = Bookkeeper(stage, parts, **options)
    for step, number, batch in _batches(stage, range(start, config.steps), count, rank):
        generator = torch.Generator(device).manual_seed(config.seed * 1_000_003 + number)
        with accelerator.autocast():
            loss, numbers = objective(*(tensor.to(device, non_blocking=True) for tensor in batch), generator=generator)
        _check_finite("loss", loss, number, stage)
        optimizer.zero_grad(set_to_none=True)
        accelerator.backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(trained, config.clip)
        _check_finite("gradient", norm, number, stage)
        optimizer.step()
        schedule.step()
        average.step(trained)
        if books:
            books.after(step + 1, {"loss": loss.item(), **numbers})
    if books:
        books.close()
    accelerator.wait_for_everyone()
    average.copy_to(trained)
    model.eval()
    return accelerator.is_main_process


def _compile(model, config):
    if config.compile:
        for module in model.modules():
            if isinstance(module, LocalBlock):
                module.compile(dynamic=False)


def _make_schedule(optimizer, config):
    if config.schedule not in _SCHEDULES:
        msg = f"schedule must be one of {', '.join(_SCHEDULES)}, got {config.schedule!r}."
        raise ValueError(msg)
    name = _SCHEDULES[config.schedule]
    return get_scheduler(name, optimizer, num_warmup_steps=config.warmup, num_training_steps=config.steps)


def _check_finite(what, value, number, stage):
    if math.isfinite(value.item()):
        return
    names = ", ".join(dict.fromkeys(stage.sampler.names(number, stage.options.batch_size)))
    msg = f"the {what} of batch {number} (patches of {names}) is {value.item()}; nothing after the last checkpoint was kept."
    raise FloatingPointError(msg)


def _batches(stage, steps, count, rank):
    """Step, number and tensors of the batches of one of ``count`` processes."""
    config = stage.options
    drawn = _Drawn(stage.sampler, [step * count + rank for step in steps], config.batch_size)
    # A generator of its own, as the loader would else take a number from torch's, which a resumed run does not.
    loader = DataLoader(drawn, batch_size=None, num_workers=config.workers, generator=torch.Generator())
    for step, (number, tensors) in zip(steps, loader, strict=True):
        yield step, number, tensors


class _Drawn(Dataset):
    """The batches of a sampler in the order of their use."""

    def __init__(self, sampler, numbers, size):
        self.sampler, self.numbers, self.size = sampler, numbers, size

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, index):
        number = self.numbers[index]
        return number, [torch.from_numpy(array) for array in self.sampler.batch(number, self.size)]


class _Objective(torch.nn.Module):
    """The loss as a module's output, which is what processes that share gradients need."""

    def __init__(self, stage):
        super().__init__()
        self.stage, self.model = stage, stage.model

    def forward(self, *batch, generator):
        return self.stage.loss(*batch, generator)
