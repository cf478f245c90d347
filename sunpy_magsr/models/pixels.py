"""The pixels themselves in the place of a latent: what a pixel-space diffusion model works on."""

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from sunpy_magsr.models.autoencoder import upsample
from sunpy_magsr.models.normalization import denormalize, normalize

__all__ = ["PixelCodec"]


class PixelCodec(nn.Module, ConfigMixin):
    """
    Rearrange the normalized pixels of a high-resolution field into channels on the low-resolution grid.

    It offers what `~sunpy_magsr.models.autoencoder.MagnetogramAutoencoder` offers, without weights or loss, so that
    one code path serves diffusion in latents and in pixels.

    Parameters
    ----------
    factor : `int`
        Pixels of the high-resolution grid along one low-resolution pixel.
    normalization : {"asinh", "linear"}
        See `sunpy_magsr.models.normalization.normalize`.
    field_scale : `float`
        The normalization's scale in Gauss.
    """

    config_name = "config.json"

    @register_to_config
    def __init__(self, factor: int = 4, normalization: str = "asinh", field_scale: float = 40.0):
        super().__init__()

    @property
    def latent_channels(self):
        """Channels of the rearranged field."""
        return self.config.factor**2

    @property
    def halo(self):
        """Low-resolution pixels beyond a tile that its encoding depends on: those of the interpolation."""
        return 3

    def encode(self, high):
        """Gauss ``[N, 1, factor h, factor w]`` to ``[N, factor^2, h, w]``; the log-variance says that it is exact."""
        code = normalize(high, scale=self.config.field_scale, kind=self.config.normalization)
        mean = F.pixel_unshuffle(code, self.config.factor)
        return mean, torch.full_like(mean, -20.0)

    def encode_low(self, low):
        """Code of the bicubic interpolation of a low-resolution field in Gauss, ``[N, 1, h, w]``."""
        return self.encode(upsample(low, self.config.factor))[0]

    def decode(self, latent, low):
        """Invert `encode`; ``low`` has no part in it."""
        high = F.pixel_shuffle(latent, self.config.factor)
        return denormalize(high, scale=self.config.field_scale, kind=self.config.normalization).to(low)
