"""The second stage: the distribution of the latent, or of its residual, or of the pixels."""

from pathlib import Path

import torch
from diffusers import DDIMScheduler, UniPCMultistepScheduler

from sunpy_magsr.catalog import bundled_folder
from sunpy_magsr.models.autoencoder import block_mean
from sunpy_magsr.models.denoiser import MagnetogramDenoiser
from sunpy_magsr.models.pipeline import load_codec
from sunpy_magsr.models.pixels import PixelCodec
from sunpy_magsr.training.data.samplers import samplers_of
from sunpy_magsr.training.run.loop import run_stage

__all__ = [
    "add_noise",
    "diffusion_loss",
    "make_sampler",
    "make_scheduler",
    "sample_patches",
    "solve",
    "target_rms",
    "train_diffusion",
]

_STRONGEST = 4000.0  # Gauss


def make_scheduler(prediction="v_prediction"):
    """
    Noise of training.

    Parameters
    ----------
    prediction : {"v_prediction", "epsilon", "flow"}
        Velocity on the cosine schedule, with steps spaced from the end (Salimans & Ho 2022, arXiv:2202.00512); the
        noise on the linear schedule (Ho et al. 2020, arXiv:2006.11239, and Palette, Saharia et al. 2022,
        :doi:`10.1145/3528233.3530757`); or flow matching, the velocity along straight lines from the target to the
        noise (Lipman et al. 2023, arXiv:2210.02747, and Liu et al. 2023, arXiv:2209.03003).

    Returns
    -------
    `diffusers.SchedulerMixin`
        It adds the noise, but for flow matching, and holds the configuration that a sampler needs.

    Raises
    ------
    ValueError
        For another prediction.
    """
    if prediction == "flow":
        return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True)
    if prediction == "epsilon":
        return DDIMScheduler(beta_schedule="linear", prediction_type="epsilon", clip_sample=False)
    if prediction != "v_prediction":
        msg = f"prediction must be 'v_prediction', 'epsilon' or 'flow', got {prediction!r}."
        raise ValueError(msg)
    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
    )


def make_sampler(prediction="v_prediction", *, largest=1.0):
    """
    Solver of sampling, on the schedule of training.

    UniPC of order 2 (Zhao et al. 2023, arXiv:2302.04867). Where the noise is predicted, DDIM (Song et al. 2021,
    arXiv:2010.02502) with the predicted field kept within its range, as in Palette: an error of the first steps is
    magnified more than a hundred times otherwise.

    Parameters
    ----------
    prediction : {"v_prediction", "epsilon", "flow"}
        As for `make_scheduler`.
    largest : `float`
        Largest absolute value of what is diffused, in units of its scale.

    Returns
    -------
    `diffusers.SchedulerMixin`
    """
    config = make_scheduler(prediction).config
    if prediction == "epsilon":
        limits = {"clip_sample": True, "clip_sample_range": largest}
        return DDIMScheduler.from_config(config, timestep_spacing="trailing", **limits)
    return UniPCMultistepScheduler.from_config(config)


def _target(codec, high, *, residual):
    """The low-resolution field in Gauss and what is diffused, ``[N, c, h, w]``."""
    low = block_mean(high, codec.config.factor)
    with torch.no_grad():
        latent = codec.encode(high)[0]
        return low, latent - codec.encode_low(low) if residual else latent


def target_rms(codec, sampler, *, residual=True, batches=20, size=8):
    """Root mean square of what is diffused over the first batches, latent units."""
    squares = []
    for number in range(batches):
        high, _ = sampler.batch(number, size)
        squares.append(_target(codec, torch.from_numpy(high), residual=residual)[1].square().mean())
    return torch.stack(squares).mean().sqrt().item()


def add_noise(clean, generator, *, scheduler):
    """
    Noise at random times, and what the network shall predict of it.

    Parameters
    ----------
    clean : `torch.Tensor`
        ``[N, c, h, w]``.
    generator : `torch.Generator`
        For times and noise.
    scheduler : `diffusers.SchedulerMixin`
        From `make_scheduler`.

    Returns
    -------
    noisy : `torch.Tensor`
        ``[N, c, h, w]``.
    timestep : `torch.Tensor`
        Integers 0 to 999, ``[N]``.
    wanted : `torch.Tensor`
        Velocity, noise or flow, ``[N, c, h, w]``.
    """
    count, kind = scheduler.config.num_train_timesteps, scheduler.config.prediction_type
    if kind == "flow_prediction":
        time = _random(torch.rand, (len(clean),), generator).to(clean)
        epsilon = _random(torch.randn, clean.shape, generator).to(clean)
        # As in the sampler, the network is told the integer part.
        return clean.lerp(epsilon, time[:, None, None, None]), (count * time).long(), epsilon - clean
    timestep = torch.randint(0, count, (len(clean),), generator=generator, device=generator.device).to(clean.device)
    epsilon = _random(torch.randn, clean.shape, generator).to(clean)
    wanted = scheduler.get_velocity(clean, epsilon, timestep) if kind == "v_prediction" else epsilon
    return scheduler.add_noise(clean, epsilon, timestep), timestep, wanted


def _random(draw, shape, generator):
    """Random numbers made where their generator is."""
    return draw(shape, generator=generator, device=generator.device)


def solve(model, features, shape, *, scheduler, steps, generator):
    """
    From noise to a sample of what is diffused.

    Parameters
    ----------
    model : `~sunpy_magsr.models.denoiser.MagnetogramDenoiser`
        The network.
    features : `torch.Tensor`
        From its `condition`, ``[N, C, h / 2, w / 2]``.
    shape : `tuple` of `int`
        Of the result, ``[N, c, h, w]``.
    scheduler : `diffusers.SchedulerMixin`
        From `make_sampler`.
    steps : `int`
        Of the sampler.
    generator : `torch.Generator`
        For the noise that is started from.

    Returns
    -------
    `torch.Tensor`
        Of the shape asked for.
    """
    state = _random(torch.randn, shape, generator).to(features)
    scheduler = type(scheduler).from_config(scheduler.config)
    scheduler.set_timesteps(steps)
    for timestep in scheduler.timesteps:
        predicted = model(state, timestep.to(state.device).expand(len(state)), features)
        state = scheduler.step(predicted, timestep, state).prev_sample
    return state


def sample_patches(model, low, noise, *, codec, scheduler, steps, generator, members=1):
    """
    Sample patches that need no tiles, with gradients.

    Parameters
    ----------
    model : `~sunpy_magsr.models.denoiser.MagnetogramDenoiser`
        The network.
    low : `torch.Tensor`
        Gauss, ``[N, 1, h, w]``.
    noise : `torch.Tensor`
        Gauss, ``[N]``.
    codec : `~sunpy_magsr.models.autoencoder.MagnetogramAutoencoder` or `~sunpy_magsr.models.pixels.PixelCodec`
        Between Gauss and latents.
    scheduler : `diffusers.SchedulerMixin`
        From `make_sampler`.
    steps : `int`
        Of the sampler.
    generator : `torch.Generator`
        For the noise that is started from.
    members : `int`
        Samples of each patch.

    Returns
    -------
    `torch.Tensor`
        Gauss, ``[members, N, 1, factor h, factor w]``.
    """
    features, mean, log_sigma = model.condition(low, noise)
    base = mean + codec.encode_low(low) if model.config.residual else mean
    low, features, base, log_sigma = (torch.cat([part] * members) for part in (low, features, base, log_sigma))
    state = solve(model, features, base.shape, scheduler=scheduler, steps=steps, generator=generator)
    return codec.decode(base + log_sigma.exp() * state, low).unflatten(0, (members, -1))


def diffusion_loss(model, high, noise, generator, *, codec, scheduler):
    r"""
    Loss of the whitened target's velocity, noise or flow, plus the Gaussian likelihood of the target if it is whitened.

    Parameters
    ----------
    model : `~sunpy_magsr.models.denoiser.MagnetogramDenoiser`
        The network.
    high : `torch.Tensor`
        Gauss, ``[N, 1, H, W]``.
    noise : `torch.Tensor`
        Noise of each patch's magnetogram, Gauss ``[N]``.
    generator : `torch.Generator`
        For times and noise.
    codec : `~sunpy_magsr.models.autoencoder.MagnetogramAutoencoder` or `~sunpy_magsr.models.pixels.PixelCodec`
        Frozen.
    scheduler : `diffusers.SchedulerMixin`
        From `make_scheduler`.

    Returns
    -------
    loss : `torch.Tensor`
        Scalar.
    numbers : `dict`
        For the log.
    """
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
    return denoising + likelihood, {
        "denoising": denoising.item(),
        "likelihood": likelihood.item(),
        "residual_mse": mse.item(),
    }


def _codec(config):
    """The frozen codec that the stage asks for."""
    name = config.diffusion.codec
    if name == "pixel":
        return PixelCodec()
    folder = Path(config.output) / "autoencoder"
    if name != "trained":
        folder = Path(bundled_folder(name) or name) / "autoencoder"
    if not (folder / "config.json").is_file():
        msg = (
            "diffusion.codec must be 'pixel', the name or folder of a model, or 'trained' after `magsr-train "
            f"autoencoder`, got {name!r} and no autoencoder in {folder}."
        )
        raise ValueError(msg)
    return load_codec(folder.parent)


def train_diffusion(config, *, progress=True):
    """
    Train the denoiser on the latents of a codec and save it under ``output/denoiser``.

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
    scheduler = make_scheduler(stage.prediction)
    codec = _codec(config).eval().requires_grad_(False).to(memory_format=torch.channels_last)
    sampler, validation = samplers_of(config, stage)
    torch.manual_seed(stage.seed)
    model = MagnetogramDenoiser(
        latent_channels=codec.latent_channels,
        field_scale=codec.config.field_scale,
        residual_scale=target_rms(codec, sampler, residual=stage.residual),
        residual=stage.residual,
        whitened=stage.whitened,
        **stage.model,
    )
    largest = codec.encode(torch.full((1, 1, 32, 32), _STRONGEST))[0].abs().max().item() / model.config.residual_scale
    solver = make_sampler(stage.prediction, largest=largest)

    # The codec follows the batches: of several processes each has a device of its own.
    def loss(model, high, noise, generator):
        codec.to(high.device)
        return diffusion_loss(model, high, noise, generator, codec=codec, scheduler=scheduler)

    def draw(model, high, noise, n_samples):
        low = block_mean(high, codec.config.factor)
        generator = torch.Generator().manual_seed(0)
        options = {"codec": codec, "scheduler": solver, "steps": stage.validation_steps, "generator": generator}
        return sample_patches(model, low, noise, members=n_samples, **options), low

    writes = run_stage(
        model,
        loss,
        stage,
        folder=output / "checkpoints" / "diffusion",
        device=config.device,
        sampler=sampler,
        validation=validation,
        draw=draw,
        progress=progress,
    )
    if not writes:
        return output / "denoiser"
    codec.cpu()
    if stage.codec != "trained":
        save = codec.save_config if isinstance(codec, PixelCodec) else codec.save_pretrained
        save(output / "autoencoder")
    model.cpu().save_pretrained(output / "denoiser")
    solver.save_pretrained(output / "scheduler")
    return output / "denoiser"
