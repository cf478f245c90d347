"""The second stage: the distribution of the latent, or of its residual, or of the pixels."""

import torch

from sunpy_magsr.models.autoencoder import PixelCodec, block_mean
from sunpy_magsr.models.denoiser import MagnetogramDenoiser
from sunpy_magsr.store.card import bundled_folder
from sunpy_magsr.store.components import load_codec
from sunpy_magsr.training.stages.stage import (
    Stage,
    add_noise,
    check_parts,
    make_sampler,
    make_scheduler,
    sample_patches,
)

_STRONGEST = 4000.0  # Gauss


def _target(codec, high, *, residual):
    """The low-resolution field in Gauss, and what is diffused: the latent or its residual, ``[N, c, h, w]``."""
    low = block_mean(high, codec.config.factor)
    with torch.no_grad():
        latent = codec.encode(high)[0]
        return low, latent - codec.encode_low(low) if residual else latent


def target_rms(codec, sampler, *, residual=True, batches=20, size=8):
    """Measure the root mean square of what is diffused, in latent units, over the first ``batches`` of a sampler."""
    fields = (torch.from_numpy(sampler.batch(number, size)[0]) for number in range(batches))
    squares = [_target(codec, high, residual=residual)[1].square().mean() for high in fields]
    return torch.stack(squares).mean().sqrt().item()


def diffusion_loss(model, high, noise, generator, *, codec, scheduler):
    r"""Compute the loss of what the denoiser predicts, plus the Gaussian likelihood of the target if it is whitened."""
    low, target = _target(codec, high, residual=model.config.residual)
    features, mean, log_sigma = model.condition(low, noise)
    standardized = (target - mean) * (-log_sigma).exp()
    clean = standardized.detach().clamp(-30, 30)
    noisy, timestep, wanted = add_noise(clean, generator, scheduler=scheduler)
    denoising = (model(noisy, timestep, features) - wanted).square().mean()
    if not model.config.whitened:
        return denoising, {"denoising": denoising.item()}
    likelihood = (0.5 * standardized.square() + log_sigma).mean()
    mse = ((target - mean) / model.config.residual_scale).square().mean()
    numbers = {"denoising": denoising, "likelihood": likelihood, "residual_mse": mse}
    return denoising + likelihood, {name: value.item() for name, value in numbers.items()}


def _codec(config):
    """The frozen codec that the stage asks for."""
    name = config.diffusion.codec
    if name == "pixel":
        return PixelCodec()
    folder = config.output if name == "trained" else bundled_folder(name) or name
    allowed = "'pixel', a model, or 'trained' after `magsr-train autoencoder`"
    check_parts(folder, ["autoencoder"], f"diffusion.codec must be {allowed}, got {name!r}")
    return load_codec(folder)


class DiffusionStage(Stage):
    """Train the denoiser and save it under ``output/denoiser``; see ``Stage``."""

    section = "diffusion"
    result = "denoiser"

    def __init__(self, config):
        super().__init__(config)
        self.scheduler = make_scheduler(self.options.prediction)
        self.codec = codec = _codec(config).eval().requires_grad_(False).to(memory_format=torch.channels_last)
        torch.manual_seed(self.options.seed)
        self.model = MagnetogramDenoiser(
            latent_channels=codec.latent_channels,
            field_scale=codec.config.field_scale,
            residual_scale=target_rms(codec, self.sampler, residual=self.options.residual),
            residual=self.options.residual,
            whitened=self.options.whitened,
            **self.options.model,
        )
        largest = codec.encode(torch.full((1, 1, 32, 32), _STRONGEST))[0].abs().max().item()
        self.solver = make_sampler(self.options.prediction, largest=largest / self.model.config.residual_scale)

    def loss(self, high, given, generator):
        """See `diffusion_loss`."""
        # The codec is no part of the model, and follows the batches to the device of each process.
        codec = self.codec.to(high.device)
        return diffusion_loss(self.model, high, given, generator, codec=codec, scheduler=self.scheduler)

    def draw(self, high, given, n_samples):
        """Draw samples with ``validation_steps`` of the solver."""
        low = block_mean(high, self.codec.config.factor)
        options = {"codec": self.codec, "scheduler": self.solver, "steps": self.options.validation_steps}
        generator = torch.Generator().manual_seed(0)
        return sample_patches(self.model, low, given, members=n_samples, generator=generator, **options), low

    def save(self):
        """Save denoiser and scheduler, and the codec unless it is that of this run."""
        codec = self.codec.cpu()
        if self.options.codec != "trained":
            save = codec.save_config if isinstance(codec, PixelCodec) else codec.save_pretrained
            save(self.output / "autoencoder")
        self.model.save_pretrained(self.output / self.result)
        self.solver.save_pretrained(self.output / "scheduler")
