"""The loop that every stage shares: optimizer, schedule, moving average, log, checkpoints."""

import csv
import math
import time
from pathlib import Path

import torch
from accelerate import Accelerator
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from tqdm import tqdm

from sunpy_magsr.training.checkpoints import latest_checkpoint, save_checkpoint

__all__ = ["run_stage"]

_VALIDATION_BATCHES = 4
_SCHEDULES = {"cosine": "cosine", "constant": "constant_with_warmup"}


def run_stage(model, loss_of_batch, config, *, folder, device, sampler, validation=None, progress=True):
    """
    Train a model, resuming from the folder's latest checkpoint.

    Under ``accelerate launch`` with several processes each takes its own batches, and gradients are averaged.

    Parameters
    ----------
    model : `torch.nn.Module`
        Trained in place; holds the averaged weights afterwards.
    loss_of_batch : callable
        ``loss_of_batch(model, *batch, generator) -> (loss, dict of numbers)``.
    config : `~sunpy_magsr.training.config.StageConfig`
        Batch, schedule and bookkeeping.
    folder : `pathlib.Path`
        For ``log.csv`` and the checkpoints.
    device : `str`
        Where to train: bfloat16 autocast on CUDA, float32 elsewhere. Several processes choose their own GPUs.
    sampler : `~sunpy_magsr.training.data.PatchSampler`
        Of the training fields.
    validation : `~sunpy_magsr.training.data.PatchSampler`, optional
        Of fields set aside: every ``validate_every`` steps the averaged weights are tried on the same few batches of
        theirs, and the numbers go to ``validation.csv``.
    progress : `bool`
        Whether to show a progress bar on a terminal.

    Returns
    -------
    `bool`
        Whether this process is the one that writes.

    Raises
    ------
    FloatingPointError
        When the loss is not finite; the message names the batch.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    is_cuda = "cuda" in device
    accelerator = Accelerator(cpu=not is_cuda, mixed_precision="bf16" if is_cuda else "no")
    count, rank = accelerator.num_processes, accelerator.process_index
    device = accelerator.device if count > 1 else torch.device(device)
    model.to(device).train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay
    )
    schedule = _make_schedule(optimizer, config)
    average = EMAModel(model.parameters(), decay=config.ema_decay)
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule, "average": average}
    start = _resume(folder, parts, device)
    average.to(device)
    objective = _Objective(model, loss_of_batch)
    objective = accelerator.prepare_model(objective, device_placement=False) if count > 1 else objective
    began, shown = time.monotonic(), {}
    hidden = True if not progress or rank else None
    bar = tqdm(range(start, config.steps), initial=start, total=config.steps, disable=hidden)
    for step in bar:
        number = step * count + rank
        batch = [torch.from_numpy(array).to(device) for array in sampler.batch(number, config.batch_size)]
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + number)
        with accelerator.autocast():
            loss, numbers = objective(*batch, generator=generator)
        if not math.isfinite(loss.item()):
            msg = f"the loss of batch {number} is {loss.item()}; nothing after the last checkpoint was kept."
            raise FloatingPointError(msg)
        optimizer.zero_grad(set_to_none=True)
        accelerator.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        optimizer.step()
        schedule.step()
        average.step(model.parameters())
        shown = {key: shown.get(key, value) * 0.95 + 0.05 * value for key, value in numbers.items()}
        done = step + 1
        is_last = done == config.steps
        if rank:
            continue
        if done % config.log_every == 0:
            bar.set_postfix({key: f"{value:.4g}" for key, value in shown.items()})
            _append(folder / "log.csv", [done, round(time.monotonic() - began, 1)], shown)
        if validation is not None and (done % config.validate_every == 0 or is_last):
            found = _validate(model, loss_of_batch, average, validation, config)
            _append(folder / "validation.csv", [done], found)
        if done % config.checkpoint_every == 0 or is_last:
            save_checkpoint(folder, done, {name: part.state_dict() for name, part in parts.items()})
    accelerator.wait_for_everyone()
    average.copy_to(model.parameters())
    model.eval()
    return accelerator.is_main_process


def _make_schedule(optimizer, config):
    if config.schedule not in _SCHEDULES:
        msg = f"schedule must be one of {', '.join(_SCHEDULES)}, got {config.schedule!r}."
        raise ValueError(msg)
    name = _SCHEDULES[config.schedule]
    return get_scheduler(name, optimizer, num_warmup_steps=config.warmup, num_training_steps=config.steps)


def _append(path, start, numbers):
    with path.open("a", newline="") as stream:
        csv.writer(stream).writerow([*start, *(f"{key}={value:.6g}" for key, value in numbers.items())])


@torch.no_grad()
def _validate(model, loss_of_batch, average, sampler, config):
    """Mean numbers of the averaged weights over fixed batches with fixed noise."""
    device = next(model.parameters()).device
    average.store(model.parameters())
    average.copy_to(model.parameters())
    model.eval()
    rows = []
    for number in range(_VALIDATION_BATCHES):
        batch = [torch.from_numpy(array).to(device) for array in sampler.batch(number, config.batch_size)]
        loss, numbers = loss_of_batch(model, *batch, torch.Generator().manual_seed(number))
        rows.append({"loss": loss.item(), **numbers})
    average.restore(model.parameters())
    model.train()
    return {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]}


class _Objective(torch.nn.Module):
    """The loss as a module's output, which is what processes that share gradients need."""

    def __init__(self, model, loss_of_batch):
        super().__init__()
        self.model, self.loss_of_batch = model, loss_of_batch

    def forward(self, *batch, generator):
        return self.loss_of_batch(self.model, *batch, generator)


def _resume(folder, parts, device):
    state = latest_checkpoint(folder, map_location=device)
    if state is None:
        return 0
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return state["step"]
