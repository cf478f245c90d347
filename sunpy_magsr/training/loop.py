"""The loop that every stage shares: optimizer, schedule, moving average, log, checkpoints."""

import contextlib
import csv
import math
import time
from pathlib import Path

import torch
from diffusers.optimization import get_cosine_schedule_with_warmup
from diffusers.training_utils import EMAModel
from tqdm import tqdm

from sunpy_magsr.training.checkpoints import latest_checkpoint, save_checkpoint

__all__ = ["run_stage"]


def run_stage(model, loss_of_batch, config, *, folder, device, batch_of, progress=True):
    """
    Train a model, resuming from the folder's latest checkpoint.

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
        Where to train; bfloat16 autocast on CUDA, float32 elsewhere.
    batch_of : callable
        ``batch_of(number) -> tuple of numpy arrays``.
    progress : `bool`
        Whether to show a progress bar on a terminal.

    Raises
    ------
    FloatingPointError
        When the loss is not finite; the message names the batch.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    model.to(device).train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay
    )
    schedule = get_cosine_schedule_with_warmup(optimizer, config.warmup, config.steps)
    average = EMAModel(model.parameters(), decay=config.ema_decay)
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule, "average": average}
    start = _resume(folder, parts, device)
    average.to(device)
    autocast = torch.autocast("cuda", torch.bfloat16) if "cuda" in device else contextlib.nullcontext()
    began, shown = time.monotonic(), {}
    with (folder / "log.csv").open("a", newline="") as stream:
        log = csv.writer(stream)
        bar = tqdm(range(start, config.steps), initial=start, total=config.steps, disable=None if progress else True)
        for step in bar:
            batch = [torch.from_numpy(array).to(device) for array in batch_of(step)]
            generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
            with autocast:
                loss, numbers = loss_of_batch(model, *batch, generator)
            if not math.isfinite(loss.item()):
                msg = f"the loss of batch {step} is {loss.item()}; nothing after the last checkpoint was kept."
                raise FloatingPointError(msg)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
            optimizer.step()
            schedule.step()
            average.step(model.parameters())
            shown = {key: shown.get(key, value) * 0.95 + 0.05 * value for key, value in numbers.items()}
            done = step + 1
            if done % config.log_every == 0:
                bar.set_postfix({key: f"{value:.4g}" for key, value in shown.items()})
                log.writerow(
                    [done, round(time.monotonic() - began, 1), *(f"{key}={v:.6g}" for key, v in shown.items())]
                )
                stream.flush()
            if done % config.checkpoint_every == 0 or done == config.steps:
                save_checkpoint(folder, done, {name: part.state_dict() for name, part in parts.items()})
    average.copy_to(model.parameters())
    model.eval()


def _resume(folder, parts, device):
    state = latest_checkpoint(folder, map_location=device)
    if state is None:
        return 0
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return state["step"]
