"""The second stage: the distribution of the latent residual."""

from pathlib import Path

import torch
from diffusers import DDIMScheduler, UniPCMultistepScheduler

from sunpy_magsr.models.autoencoder import MagnetogramAutoencoder, block_mean
from sunpy_magsr.models.denoiser import ResidualDenoiser
from sunpy_magsr.training.autoencoder import sampler_of
from sunpy_magsr.training.loop import run_stage

__all__ = ["diffusion_loss", "make_sampler", "make_scheduler", "residual_rms", "train_diffusion"]


def make_scheduler():
    """Noise of training: cosine schedule with velocity prediction (Salimans & Ho 2022, arXiv:2202.00512), steps spaced from the end."""
    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
    )


def make_sampler():
    """Solver of sampling: UniPC of order 2 (Zhao et al. 2023, arXiv:2302.04867) on the schedule of training."""
    return UniPCMultistepScheduler.from_config(make_scheduler().config)


def _residual(autoencoder, high):
    low = block_mean(high, autoencoder.config.factor)
    with torch.no_grad():
        return low, autoencoder.encode(high)[0] - autoencoder.encode_low(low)


def residual_rms(autoencoder, sampler, batches=20, size=8):
    """Root mean square of the latent residual over the first batches, latent units."""
    squares = []
    for number in range(batches):
        high, _ = sampler.batch(number, size)
        squares.append(_residual(autoencoder, torch.from_numpy(high))[1].square().mean())
    return torch.stack(squares).mean().sqrt().item()


def diffusion_loss(model, high, noise, generator, *, autoencoder, scheduler):
    r"""
    Gaussian likelihood of the residual under the predicted mean and scale, plus the velocity loss of its remainder.

    Parameters
    ----------
    model : `~sunpy_magsr.models.denoiser.ResidualDenoiser`
        The network.
    high : `torch.Tensor`
        Gauss, ``[N, 1, H, W]``.
    noise : `torch.Tensor`
        Noise of each patch's magnetogram, Gauss ``[N]``.
    generator : `torch.Generator`
        For times and noise.
    autoencoder : `~sunpy_magsr.models.autoencoder.MagnetogramAutoencoder`
        Frozen.
    scheduler : `diffusers.DDIMScheduler`
        Adds the noise.

    Returns
    -------
    loss : `torch.Tensor`
        Scalar.
    numbers : `dict`
        For the log.
    """
    low, residual = _residual(autoencoder, high)
    features, mean, log_sigma = model.condition(low, noise)
    scale = model.config.residual_scale
    likelihood = (0.5 * ((residual - mean) * (-log_sigma).exp()).square() + log_sigma).mean()
    whitened = ((residual - mean) * (-log_sigma).exp()).detach().clamp(-30, 30)
    timestep = torch.randint(0, len(scheduler.betas), (len(high),), generator=generator).to(high.device)
    epsilon = torch.randn(whitened.shape, generator=generator).to(whitened)
    noisy = scheduler.add_noise(whitened, epsilon, timestep)
    target = scheduler.get_velocity(whitened, epsilon, timestep)
    velocity = (model(noisy, timestep, features) - target).square().mean()
    mse = ((residual - mean) / scale).square().mean()
    return velocity + likelihood, {
        "velocity": velocity.item(),
        "likelihood": likelihood.item(),
        "residual_mse": mse.item(),
    }


def train_diffusion(config, *, progress=True):
    """
    Train the denoiser on the latents of ``output/autoencoder`` and save it under ``output/denoiser``.

    Parameters
    ----------
    config : `~sunpy_magsr.training.config.TrainingConfig`
        The run.
    progress : `bool`
        Whether to show a progress bar.

    Returns
    -------
    `pathlib.Path`
        The saved folder.
    """
    stage = config.diffusion
    output = Path(config.output)
    if not (output / "autoencoder" / "config.json").is_file():
        msg = f"output must hold a trained autoencoder, and {output} does not; run `magsr-train autoencoder` first."
        raise ValueError(msg)
    autoencoder = MagnetogramAutoencoder.from_pretrained(output / "autoencoder").eval().requires_grad_(False)
    autoencoder.to(memory_format=torch.channels_last)
    sampler = sampler_of(config, stage)
    torch.manual_seed(stage.seed)
    model = ResidualDenoiser(
        latent_channels=autoencoder.config.latent_channels,
        field_scale=autoencoder.config.field_scale,
        residual_scale=residual_rms(autoencoder, sampler),
        **stage.model,
    )
    autoencoder.to(config.device)
    scheduler = make_scheduler()

    def loss(model, high, noise, generator):
        return diffusion_loss(model, high, noise, generator, autoencoder=autoencoder, scheduler=scheduler)

    run_stage(
        model,
        loss,
        stage,
        folder=output / "checkpoints" / "diffusion",
        device=config.device,
        batch_of=lambda number: sampler.batch(number, stage.batch_size),
        progress=progress,
    )
    model.cpu().save_pretrained(output / "denoiser")
    make_sampler().save_pretrained(output / "scheduler")
    return output / "denoiser"
