"""The third stage: the sampler's few steps and the decoder, trained together on proper scores of their samples."""

from pathlib import Path

import torch
from torch import nn

from sunpy_magsr.models.autoencoder import block_mean
from sunpy_magsr.store.components import load_components
from sunpy_magsr.training.stages.scores import SampleScore
from sunpy_magsr.training.stages.stage import Stage, check_parts, make_scheduler, sample_patches

_BATCHES = 20
_SCORED = "scored"


def part_folder(output, part):
    """Find the folder of a part of a run, which is that of the scoring stage if that stage was run."""
    scored = Path(output) / _SCORED / part
    return scored if scored.is_dir() else Path(output) / part


def score_of(sampler, *, batches=_BATCHES, size=8, **options):
    """Make the ``SampleScore`` whose parts are in units of a sampler's first batches."""
    return SampleScore.measure((torch.from_numpy(sampler.batch(n, size)[0]) for n in range(batches)), **options)


class ScoringStage(Stage):
    """
    Train denoiser and decoder on scores of samples, and save them under ``output/scored``.

    Samples are drawn with the DDIM sampler of ``scoring.sampling_steps`` steps (Song et al. 2021, arXiv:2010.02502), and
    the loss goes back through all of them. The model is good for that many steps and no others. The encoder stays as it
    is. See ``Stage``.
    """

    section = "scoring"
    result = _SCORED

    def __init__(self, config):
        if config.scoring.members < 2:
            msg = f"scoring.members must be at least 2, got {config.scoring.members}."
            raise ValueError(msg)
        start = _start(config)
        super().__init__(config)
        codec, denoiser, solver = load_components(start)
        self.solver = make_scheduler(solver.config.prediction_type)
        codec.encoder.requires_grad_(False)
        self.factor = codec.config.factor
        score = score_of(self.sampler, factor=self.factor, squared_weight=self.options.squared_weight)
        codec = codec.to(memory_format=torch.channels_last)
        self.model = nn.ModuleDict({"denoiser": denoiser, "codec": codec, "score": score})

    def _samples(self, high, noise, generator, members):
        low = block_mean(high, self.factor)
        options = {"codec": self.model["codec"], "scheduler": self.solver, "steps": self.options.sampling_steps}
        drawn = sample_patches(self.model["denoiser"], low, noise, members=members, generator=generator, **options)
        return drawn, low

    def loss(self, high, given, generator):
        """Score the samples of each patch; see ``SampleScore``."""
        samples, low = self._samples(high, given, generator, self.options.members)
        return self.model["score"](samples, high, low, generator)

    def draw(self, high, given, n_samples):
        """Draw samples as the finished model does."""
        return self._samples(high, given, torch.Generator().manual_seed(0), n_samples)

    def save(self):
        """Save autoencoder, denoiser and scheduler."""
        folder = self.output / self.result
        self.model["codec"].save_pretrained(folder / "autoencoder")
        self.model["denoiser"].save_pretrained(folder / "denoiser")
        self.solver.save_pretrained(folder / "scheduler")


def _start(config):
    """The folder of the model to go on from."""
    start, what = config.scoring.start, "scoring.start must be a model folder"
    if not start:
        start, what = config.output, "output must hold the results of `magsr-train autoencoder` and `diffusion`"
    check_parts(start, ("autoencoder", "denoiser"), what)
    return Path(start)
