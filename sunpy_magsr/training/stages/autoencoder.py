"""The first stage: the autoencoder."""

import torch

from sunpy_magsr.models.autoencoder import MagnetogramAutoencoder, block_mean
from sunpy_magsr.training.stages.stage import Stage


def autoencoder_loss(model, high, generator, *, kl_weight, gauss_weight):
    """Add the Kullback-Leibler term of the latent to the loss of a reconstruction from it."""
    low = block_mean(high, model.config.factor)
    mean, log_variance = model.encode(high)
    noise = torch.randn(mean.shape, generator=generator, device=generator.device).to(mean)
    decoded = model.decode(mean + noise * (log_variance / 2).exp(), low)
    loss, numbers = reconstruction_loss(model, decoded, high, gauss_weight=gauss_weight)
    kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean()
    return loss + kl_weight * kl, {**numbers, "kl": kl.item()}


def reconstruction_loss(model, decoded, high, *, gauss_weight=0.1):
    """
    Compute the mean absolute error of the normalized field, plus a weighted one in Gauss.

    The normalized field is the asinh that the networks work in, which is linear in weak field and logarithmic in strong.
    """
    l1 = (model.normalize(decoded) - model.normalize(high)).abs().mean()
    error = decoded - high
    loss = l1 + gauss_weight * error.abs().mean() / model.config.field_scale
    return loss, {"l1": l1.item(), "rmse_gauss": error.square().mean().sqrt().item()}


class AutoencoderStage(Stage):
    """Train the autoencoder and save it under ``output/autoencoder``; see ``Stage``."""

    section = result = "autoencoder"

    def __init__(self, config):
        super().__init__(config)
        torch.manual_seed(self.options.seed)
        self.model = MagnetogramAutoencoder(**self.options.model).to(memory_format=torch.channels_last)

    def loss(self, high, given, generator):
        """See ``loss``."""
        weights = {"kl_weight": self.options.kl_weight, "gauss_weight": self.options.gauss_weight}
        return autoencoder_loss(self.model, high, generator, **weights)

    def draw(self, high, given, n_samples):
        """Reconstruct the patches from the means of their latents."""
        low = block_mean(high, self.model.config.factor)
        return self.model.decode(self.model.encode(high)[0], low)[None], low

    def save(self):
        """See ``save``."""
        self.model.save_pretrained(self.output / self.result)
