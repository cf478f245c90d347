"""The loop that every stage shares: optimizer, schedule, moving average, log, checkpoints."""

import math
from pathlib import Path

import torch
from accelerate import Accelerator
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from torch.utils.data import DataLoader, Dataset

from sunpy_magsr.models.denoiser import LocalBlock
from sunpy_magsr.training.run.bookkeeping import Bookkeeper, resume
from sunpy_magsr.training.run.monitor import validate

__all__ = ["run_stage"]

_SCHEDULES = {"cosine": "cosine", "constant": "constant_with_warmup"}


def run_stage(model, loss_of_batch, config, *, folder, device, sampler, validation=None, draw=None, progress=True):
    """
    Train a model, resuming from the folder's latest checkpoint.

    Under ``accelerate launch`` with several processes each takes its own batches, and gradients are averaged. A
    checkpoint that cannot be written is named in a warning and tried again at the next turn.

    Parameters
    ----------
    model : `torch.nn.Module`
        Trained in place; holds the averaged weights afterwards.
    loss_of_batch : callable
        ``loss_of_batch(model, *batch, generator) -> (loss, dict of numbers)``.
    config : `~sunpy_magsr.training.config.StageConfig`
        Batch, schedule and bookkeeping.
    folder : `pathlib.Path`
        For the `~sunpy_magsr.training.run.logs.RunLog` and the checkpoints.
    device : `str`
        Where to train: bfloat16 autocast on CUDA, float32 elsewhere. Several processes choose their own GPUs.
    sampler : `~sunpy_magsr.training.data.samplers.PatchSampler`
        Of the training fields.
    validation : `~sunpy_magsr.training.data.samplers.PatchSampler`, optional
        Of fields set aside: every ``validate_every`` steps the averaged weights are tried on the same few batches of
        theirs; see `~sunpy_magsr.training.run.monitor.validate`.
    draw : callable, optional
        For validation: ``draw(model, high, noise, n_samples)`` makes samples of patches.
    progress : `bool`
        Whether to show a progress bar on a terminal.

    Returns
    -------
    `bool`
        Whether this process is the one that writes.

    Raises
    ------
    FloatingPointError
        When the loss or its gradient is not finite; the message names the batch.
    RuntimeError
        When the last checkpoint cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    is_cuda = "cuda" in device
    accelerator = Accelerator(cpu=not is_cuda, mixed_precision="bf16" if is_cuda else "no")
    count, rank = accelerator.num_processes, accelerator.process_index
    device = accelerator.device if count > 1 else torch.device(device)
    model.to(device).train()
    if config.compile:
        for module in model.modules():
            if isinstance(module, LocalBlock):
                module.compile(dynamic=False)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay)
    schedule = _make_schedule(optimizer, config)
    average = EMAModel(trained, decay=config.ema_decay)
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule, "average": average}
    start, seconds = resume(folder, parts, device)
    average.to(device)
    objective = _Objective(model, loss_of_batch)
    objective = accelerator.prepare_model(objective, device_placement=False) if count > 1 else objective

    def check():
        options = {"batch_size": config.batch_size, "draw": draw, "n_samples": config.validation_samples}
        return validate(model, loss_of_batch, average, validation, **options)

    books = None
    if rank == 0:
        options = {"start": start, "seconds": seconds, "size": config.batch_size * count, "progress": progress}
        books = Bookkeeper(folder, parts, config, check=check if validation is not None else None, **options)
    numbers_of_batches = [step * count + rank for step in range(start, config.steps)]
    drawn = _Batches(sampler, numbers_of_batches, config.batch_size)
    # A generator of its own, as the loader would else take a number from torch's, which a resumed run does not.
    batches = DataLoader(drawn, batch_size=None, num_workers=config.workers, generator=torch.Generator())
    for step, (number, tensors) in zip(range(start, config.steps), batches, strict=True):
        batch = [tensor.to(device, non_blocking=True) for tensor in tensors]
        generator = torch.Generator(device).manual_seed(config.seed * 1_000_003 + number)
        with accelerator.autocast():
            loss, numbers = objective(*batch, generator=generator)
        _check_finite("loss", loss, number, sampler, config)
        optimizer.zero_grad(set_to_none=True)
        accelerator.backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(trained, config.clip)
        _check_finite("gradient", norm, number, sampler, config)
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


def _check_finite(what, value, number, sampler, config):
    if math.isfinite(value.item()):
        return
    names = sampler.names(number, config.batch_size) if hasattr(sampler, "names") else []
    of = f" (patches of {', '.join(dict.fromkeys(names))})" if names else ""
    msg = f"the {what} of batch {number}{of} is {value.item()}; nothing after the last checkpoint was kept."
    raise FloatingPointError(msg)


class _Batches(Dataset):
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

    def __init__(self, model, loss_of_batch):
        super().__init__()
        self.model, self.loss_of_batch = model, loss_of_batch

    def forward(self, *batch, generator):
        return self.loss_of_batch(self.model, *batch, generator)
