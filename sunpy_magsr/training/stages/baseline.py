"""The rivals: deterministic networks, or a diffusion model without residuals or without latents."""

import torch
from torch import nn

from sunpy_magsr.models.autoencoder import block_mean
from sunpy_magsr.models.layers import normalize
from sunpy_magsr.models.regression import Critic
from sunpy_magsr.store.components import NETWORKS
from sunpy_magsr.training.stages.diffusion import DiffusionStage
from sunpy_magsr.training.stages.stage import Stage

_FACTOR = 4
_SQUARED_UNIT = 100.0  # Gauss


def regression_loss(model, high, *, factor=_FACTOR, squared_weight=1.0, adversarial_weight=0.0):
    """Add the mean squared error in units of (100 G)^2 to the mean absolute error of the asinh of the field."""
    network = model["network"]
    scale = network.config.field_scale
    result = network(block_mean(high, factor))
    l1 = (normalize(result, scale=scale) - normalize(high, scale=scale)).abs().mean()
    squared = (result - high).square().mean()
    loss = l1 + squared_weight * squared / _SQUARED_UNIT**2
    numbers = {"l1": l1.item(), "rmse_gauss": squared.sqrt().item()}
    if adversarial_weight:
        critic = model["critic"](result, high, weight=adversarial_weight)
        numbers["critic"] = critic.item()
        loss = loss + critic
    return loss, numbers


class RegressionStage(Stage):
    """Train a deterministic rival, saved under ``output/network``; see ``Stage``."""

    section = "regression"
    result = "network"

    def __init__(self, config):
        super().__init__(config)
        torch.manual_seed(self.options.seed)
        parts = {"network": NETWORKS[self.options.network](**self.options.model)}
        if self.options.adversarial_weight:
            parts["critic"] = Critic(field_scale=parts["network"].config.field_scale)
        self.model = nn.ModuleDict(parts).to(memory_format=torch.channels_last)

    def loss(self, high, given, generator):
        """See `regression_loss`."""
        options = self.options
        weights = {"squared_weight": options.squared_weight, "adversarial_weight": options.adversarial_weight}
        return regression_loss(self.model, high, **weights)

    def draw(self, high, given, n_samples):
        """Compute the one answer to each patch."""
        low = block_mean(high, _FACTOR)
        return self.model["network"](low)[None], low

    def save(self):
        """Save the network without its critic."""
        self.model["network"].save_pretrained(self.output / self.result)


def baseline_stage(config):
    """Choose the stage that trains a rival with the data, the degradation and the augmentation of all models."""
    network = config.regression.network
    if not network:
        return DiffusionStage(config)
    if network not in NETWORKS:
        msg = f"regression.network must be one of {', '.join(NETWORKS)}, got {network!r}."
        raise ValueError(msg)
    return RegressionStage(config)
