"""The loop that every stage shares: optimizer, schedule, moving average, log, checkpoints."""

import math

import torch
from accelerate import Accelerator
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from torch.utils.data import DataLoader, Dataset

from sunpy_magsr.models.denoiser import LocalBlock
from sunpy_magsr.training.run.bookkeeping import Bookkeeper, resume

__all__ = ["run_stage"]

_SCHEDULES = {"cosine": "cosine", "constant": "constant_with_warmup"}


def run_stage(stage, *, progress=True):
    """
    Train a stage's model, going on from its latest checkpoint.

    Under ``accelerate launch`` with several processes each takes its own batches, and gradients are averaged. A
    checkpoint that cannot be written is named in a warning and tried again at the next turn. The model holds the averaged
    weights afterwards.

    Parameters
    ----------
    stage : `~sunpy_magsr.training.stages.stage.Stage`
        What is trained, on what, and how; with its ``device``: bfloat16 autocast on CUDA, float32 elsewhere. Several
        processes choose their own GPUs.
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
