"""The rivals: deterministic networks, or a diffusion model without residuals or without latents."""

from pathlib import Path

import torch
from torch import nn

from sunpy_magsr.models.autoencoder import block_mean
from sunpy_magsr.models.normalization import normalize
from sunpy_magsr.models.pipeline import NETWORKS
from sunpy_magsr.models.regression import Critic
from sunpy_magsr.training.data.samplers import samplers_of
from sunpy_magsr.training.run.loop import run_stage
from sunpy_magsr.training.stages.diffusion import train_diffusion

__all__ = ["regression_loss", "train_baseline"]

_SQUARED_UNIT = 100.0  # Gauss


def regression_loss(model, high, *, factor=4, squared_weight=1.0, adversarial_weight=0.0):
    """
    Pixel loss: mean absolute error of the asinh of the field, plus the mean squared error in units of (100 G)^2.

    Parameters
    ----------
    model : `torch.nn.ModuleDict`
        ``network``, and ``critic`` if ``adversarial_weight`` is not 0.
    high : `torch.Tensor`
        Gauss, ``[N, 1, H, W]``.
    factor : `int`
        Of the block mean that makes the input.
    squared_weight, adversarial_weight : `float`
        Weights of the squared error and of the `~sunpy_magsr.models.regression.Critic`.

    Returns
    -------
    loss : `torch.Tensor`
        Scalar.
    numbers : `dict`
        For the log.
    """
    network = model["network"]
    scale = network.config.field_scale
    made = network(block_mean(high, factor))
    l1 = (normalize(made, scale=scale) - normalize(high, scale=scale)).abs().mean()
    squared = (made - high).square().mean()
    loss = l1 + squared_weight * squared / _SQUARED_UNIT**2
    numbers = {"l1": l1.item(), "rmse_gauss": squared.sqrt().item()}
    if adversarial_weight:
        critic = model["critic"](made, high, weight=adversarial_weight)
        numbers["critic"] = critic.item()
        loss = loss + critic
    return loss, numbers


def train_baseline(config, *, progress=True):
    """
    Train a rival with the data, the degradation and the augmentation of all models.

    Parameters
    ----------
    config : `~sunpy_magsr.training.config.TrainingConfig`
        With ``regression.network``, the network that is trained and saved under ``output/network``; without it the
        diffusion model of ``diffusion``.
    progress : `bool`
        Whether to show a progress bar.

    Returns
    -------
    `pathlib.Path`
        The saved folder.

    Raises
    ------
    ValueError
        For a network that is not known.
    """
    stage = config.regression
    if not stage.network:
        return train_diffusion(config, progress=progress)
    if stage.network not in NETWORKS:
        msg = f"regression.network must be one of {', '.join(NETWORKS)}, got {stage.network!r}."
        raise ValueError(msg)
    torch.manual_seed(stage.seed)
    parts = {"network": NETWORKS[stage.network](**stage.model)}
    if stage.adversarial_weight:
        parts["critic"] = Critic(field_scale=parts["network"].config.field_scale)
    model = nn.ModuleDict(parts).to(memory_format=torch.channels_last)
    sampler, validation = samplers_of(config, stage)
    output = Path(config.output)

    def loss(model, high, _noise, _generator):
        weights = {"squared_weight": stage.squared_weight, "adversarial_weight": stage.adversarial_weight}
        return regression_loss(model, high, **weights)

    def draw(model, high, _noise, _n_samples):
        low = block_mean(high, 4)
        return model["network"](low)[None], low

    writes = run_stage(
        model,
        loss,
        stage,
        folder=output / "checkpoints" / "regression",
        device=config.device,
        sampler=sampler,
        validation=validation,
        draw=draw,
        progress=progress,
    )
    if writes:
        model["network"].cpu().save_pretrained(output / "network")
    return output / "network"
