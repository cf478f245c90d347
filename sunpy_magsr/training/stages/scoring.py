"""The third stage: the sampler's few steps and the decoder, trained together on proper scores of their samples."""

from pathlib import Path

import torch
from torch import nn

from sunpy_magsr.models.autoencoder import block_mean
from sunpy_magsr.models.pipeline import load_components
from sunpy_magsr.training.data.samplers import samplers_of
from sunpy_magsr.training.run.loop import run_stage
from sunpy_magsr.training.stages.diffusion import make_scheduler, sample_patches
from sunpy_magsr.training.stages.scores import SampleScore

__all__ = ["finished", "score_of", "train_scoring"]

_BATCHES = 20
_SCORED = "scored"


def finished(output, part):
    """Folder of a finished part of a run: that of the scoring stage, if it was run."""
    scored = Path(output) / _SCORED / part
    return scored if scored.is_dir() else Path(output) / part


def score_of(sampler, *, batches=_BATCHES, size=8, **options):
    """The `~sunpy_magsr.training.stages.scores.SampleScore` in units of the first batches."""
    return SampleScore.measure((torch.from_numpy(sampler.batch(n, size)[0]) for n in range(batches)), **options)


def train_scoring(config, *, progress=True):
    """
    Train denoiser and decoder on scores of samples and save them in the place of those of the stages before.

    Samples are drawn with the DDIM sampler of ``scoring.sampling_steps`` steps (Song et al. 2021, arXiv:2010.02502), and
    the loss goes back through all of them; the model is good for that many steps and no others. The encoder stays.

    Parameters
    ----------
    config : `~sunpy_magsr.training.config.TrainingConfig`
        The run.
    progress : `bool`
        Whether to show a progress bar.

    Returns
    -------
    `pathlib.Path`
        The folder ``output/scored`` with the parts of the model.

    Raises
    ------
    ValueError
        If the stages before are not finished.
    """
    stage, output = config.scoring, Path(config.output)
    start = Path(stage.start) if stage.start else output
    for part in ("autoencoder", "denoiser"):
        if not (start / part).is_dir():
            name = (
                "scoring.start must be a model folder"
                if stage.start
                else ("output must hold the results of `magsr-train autoencoder` and `diffusion`")
            )
            msg = f"{name}, and {start} has no {part}."
            raise ValueError(msg)
    if stage.members < 2:
        msg = f"scoring.members must be at least 2, got {stage.members}."
        raise ValueError(msg)
    codec, denoiser, solver = load_components(start)
    solver = make_scheduler(solver.config.prediction_type)
    codec.encoder.requires_grad_(False)
    sampler, validation = samplers_of(config, stage)
    score = score_of(sampler, factor=codec.config.factor, squared_weight=stage.squared_weight)
    codec = codec.to(memory_format=torch.channels_last)
    model = nn.ModuleDict({"denoiser": denoiser, "codec": codec, "score": score})

    def samples_of(model, high, noise, generator, count):
        low = block_mean(high, codec.config.factor)
        options = {"codec": model["codec"], "scheduler": solver, "steps": stage.sampling_steps, "generator": generator}
        return sample_patches(model["denoiser"], low, noise, members=count, **options), low

    def loss(model, high, noise, generator):
        samples, low = samples_of(model, high, noise, generator, stage.members)
        return model["score"](samples, high, low, generator)

    def draw(model, high, noise, n_samples):
        return samples_of(model, high, noise, torch.Generator().manual_seed(0), n_samples)

    options = {"device": config.device, "progress": progress}
    folder = output / "checkpoints" / "scoring"
    writes = run_stage(model, loss, stage, folder=folder, sampler=sampler, validation=validation, draw=draw, **options)
    folder = output / _SCORED
    if writes:
        model.cpu()
        model["codec"].save_pretrained(folder / "autoencoder")
        model["denoiser"].save_pretrained(folder / "denoiser")
        solver.save_pretrained(folder / "scheduler")
    return folder
