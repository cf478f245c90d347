"""The first stage: the autoencoder."""

from pathlib import Path

import torch

from sunpy_magsr.models.autoencoder import MagnetogramAutoencoder, block_mean
from sunpy_magsr.training.data.samplers import samplers_of
from sunpy_magsr.training.run.loop import run_stage

__all__ = ["autoencoder_loss", "reconstruction_loss", "train_autoencoder"]


def autoencoder_loss(model, high, generator, *, kl_weight, gauss_weight):
    """
    Mean absolute error in network units and (weighted) in Gauss, plus the Kullback-Leibler term.

    Parameters
    ----------
    model : `~sunpy_magsr.models.autoencoder.MagnetogramAutoencoder`
        The autoencoder.
    high : `torch.Tensor`
        Gauss, ``[N, 1, H, W]``.
    generator : `torch.Generator`
        For the latent's noise.
    kl_weight, gauss_weight : `float`
        Weights; the second is per `field_scale` Gauss.

    Returns
    -------
    loss : `torch.Tensor`
        Scalar.
    numbers : `dict`
        For the log.
    """
    low = block_mean(high, model.config.factor)
    mean, log_variance = model.encode(high)
    noise = torch.randn(mean.shape, generator=generator, device=generator.device).to(mean)
    decoded = model.decode(mean + noise * (log_variance / 2).exp(), low)
    loss, numbers = reconstruction_loss(model, decoded, high, gauss_weight=gauss_weight)
    kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean()
    return loss + kl_weight * kl, {**numbers, "kl": kl.item()}


def reconstruction_loss(model, decoded, high, *, gauss_weight=0.1):
    """
    Mean absolute error in network units and (weighted) in Gauss.

    Parameters
    ----------
    model : `~sunpy_magsr.models.autoencoder.MagnetogramAutoencoder`
        For its normalization.
    decoded, high : `torch.Tensor`
        Gauss, ``[N, 1, H, W]``.
    gauss_weight : `float`
        Weight of the second, per `field_scale` Gauss.

    Returns
    -------
    loss : `torch.Tensor`
        Scalar.
    numbers : `dict`
        For the log.
    """
    l1 = (model.normalize(decoded) - model.normalize(high)).abs().mean()
    error = decoded - high
    loss = l1 + gauss_weight * error.abs().mean() / model.config.field_scale
    return loss, {"l1": l1.item(), "rmse_gauss": error.square().mean().sqrt().item()}


def train_autoencoder(config, *, progress=True):
    """
    Train the autoencoder and save it under ``output/autoencoder``.

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
    stage = config.autoencoder
    torch.manual_seed(stage.seed)
    model = MagnetogramAutoencoder(**stage.model).to(memory_format=torch.channels_last)
    sampler, validation = samplers_of(config, stage)
    output = Path(config.output)

    def loss(model, high, _noise, generator):
        return autoencoder_loss(model, high, generator, kl_weight=stage.kl_weight, gauss_weight=stage.gauss_weight)

    def draw(model, high, _noise, _n_samples):
        low = block_mean(high, model.config.factor)
        return model.decode(model.encode(high)[0], low)[None], low

    writes = run_stage(
        model,
        loss,
        stage,
        folder=output / "checkpoints" / "autoencoder",
        device=config.device,
        sampler=sampler,
        validation=validation,
        draw=draw,
        progress=progress,
    )
    if writes:
        model.cpu().save_pretrained(output / "autoencoder")
    return output / "autoencoder"
