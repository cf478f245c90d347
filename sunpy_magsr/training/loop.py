"""The loop of training: steps, checkpoints, what is kept of them."""

import io
import logging
import math
import time
import zipfile
from pathlib import Path

import torch
from accelerate import Accelerator
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from sunpy_magsr._files import whole_file
from sunpy_magsr.models.denoiser import LocalBlock
from sunpy_magsr.training.logs import RunLog, validate

_log = logging.getLogger(__name__)
_KEPT = 2  # checkpoints
_SMOOTHING = 0.05
_BAR = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} samples [{elapsed}<{remaining}, {rate_noinv_fmt}{postfix}]"
_SCHEDULES = {"cosine": "cosine", "constant": "constant_with_warmup"}


def save_checkpoint(folder, step, state):
    """Write ``step-00001234.pt`` into a folder and keep the last two."""
    folder = Path(folder)
    for partial in folder.glob(".step-*.partial"):  # of a run that was killed
        partial.unlink()
    content = io.BytesIO()  # torch turns the errors of a file into others
    torch.save({"step": step, **state}, content)
    with whole_file(folder / f"step-{step:08d}.pt") as stream:
        stream.write(content.getbuffer())
    for old in sorted(folder.glob("step-*.pt"))[:-_KEPT]:
        old.unlink()


def latest_checkpoint(folder, map_location="cpu"):
    """Read the newest checkpoint that is undamaged, or give `None`; a damaged one is named in a warning."""
    for path in sorted(Path(folder).glob("step-*.pt"), reverse=True):
        try:
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()  # torch.load does not look at the checksums
            if not damaged:
                return torch.load(path, map_location=map_location, weights_only=True)
            reason = f"{damaged} has another checksum than when it was written"
        except Exception as error:  # noqa: BLE001  a torn file can fail in any layer of the reader
            reason = error
        _log.warning("%s cannot be read (%s); trying the one before.", path, reason)
    return None


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


class _Bookkeeper:
    """
    Log, validate and save during one stage, on the main process.

    ``parts`` is what a checkpoint holds by name, ``start`` and ``seconds`` are the steps before this run and their time, and
    ``size`` is the number of samples of one step over all processes.
    """

    def __init__(self, stage, parts, *, start, seconds, size, progress):
        self.stage, self.parts, self.size = stage, parts, size
        self.began = time.monotonic() - seconds
        self.smoothed = {}
        self.log = RunLog(stage.folder, step=start)
        options = {"unit": " samples", "bar_format": _BAR, "disable": None if progress else True}
        self.bar = tqdm(initial=start * size, total=stage.options.steps * size, **options)

    def after(self, step, numbers):
        """Do what is due after a step with these numbers."""
        config = self.stage.options
        for name, value in numbers.items():
            self.smoothed[name] = (1 - _SMOOTHING) * self.smoothed.get(name, value) + _SMOOTHING * value
        self.bar.update(self.size)
        is_last = step == config.steps
        if step % config.log_every == 0:
            self.bar.set_postfix({key: f"{value:.4g}" for key, value in self.smoothed.items()})
            rate = self.parts["schedule"].get_last_lr()[0]
            self.log.numbers("training", step, {"seconds": self._seconds(), "learning_rate": rate, **self.smoothed})
        if self.stage.validation is not None and (step % config.validate_every == 0 or is_last):
            numbers, figure = validate(self.stage, self.parts["average"])
            self.log.numbers("validation", step, numbers)
            if figure is not None:
                self.log.picture(step, figure)
        if step % config.checkpoint_every == 0 or is_last:
            self._save(step, is_last=is_last)

    def _seconds(self):
        return round(time.monotonic() - self.began, 1)

    def _save(self, step, *, is_last):
        state = {name: part.state_dict() for name, part in self.parts.items()}
        random = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}
        folder = self.stage.folder
        try:
            save_checkpoint(folder, step, {**state, "random": random, "seconds": self._seconds()})
        except OSError as error:
            msg = f"the checkpoint of step {step} could not be written to the disk of {folder}: {error.strerror}"
            if is_last:
                msg += "; the same command resumes from the one before."
                raise RuntimeError(msg) from error
            _log.warning("%s; the ones before are kept, and training continues.", msg)

    def close(self):
        """Write what is left."""
        self.bar.close()
        self.log.close()


def run_stage(stage, *, progress=True):
    """
    Train a stage's model, going on from its latest checkpoint; afterwards it holds the averaged weights.

    Under ``accelerate launch`` with several processes each takes its own batches, and gradients are averaged. A
    checkpoint that cannot be written is named in a warning and tried again at the next turn.
    """
    model, config = stage.model, stage.options
    is_cuda = "cuda" in stage.device
    accelerator = Accelerator(cpu=not is_cuda, mixed_precision="bf16" if is_cuda else "no")
    count, rank = accelerator.num_processes, accelerator.process_index
    device = accelerator.device if count > 1 else torch.device(stage.device)
    model.to(device).train()
    for block in (module for module in model.modules() if config.compile and isinstance(module, LocalBlock)):
        block.compile(dynamic=False)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay)
    average = EMAModel(trained, decay=config.ema_decay)
    schedule = _make_schedule(optimizer, config)
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule, "average": average}
    start, seconds = resume(stage.folder, parts, device)
    average.to(device)
    objective = _Objective(stage)
    objective = accelerator.prepare_model(objective, device_placement=False) if count > 1 else objective
    options = {"start": start, "seconds": seconds, "size": config.batch_size * count, "progress": progress}
    books = _Bookkeeper(stage, parts, **options) if rank == 0 else None
    # A generator of its own, as the loader would else take a number from torch's, which a resumed run does not.
    options = {"batch_size": None, "num_workers": config.workers, "generator": torch.Generator()}
    for step, number, batch in DataLoader(_Batches(stage, start, count, rank), **options):
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


class _Batches(Dataset):
    """Step, number and tensors of the batches of one of ``count`` processes."""

    def __init__(self, stage, start, count, rank):
        self.sampler, self.size, self.count, self.rank = stage.sampler, stage.options.batch_size, count, rank
        self.steps = range(start, stage.options.steps)

    def __len__(self):
        return len(self.steps)

    def __getitem__(self, index):
        number = self.steps[index] * self.count + self.rank
        return self.steps[index], number, [torch.from_numpy(array) for array in self.sampler.batch(number, self.size)]


class _Objective(torch.nn.Module):
    """The loss as a module's output, which is what processes that share gradients need."""

    def __init__(self, stage):
        super().__init__()
        self.stage, self.model = stage, stage.model

    def forward(self, *batch, generator):
        return self.stage.loss(*batch, generator)
