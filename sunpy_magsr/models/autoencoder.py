"""A small autoencoder whose latent grid is the low-resolution pixel grid (x4 coarser than the output)."""

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from sunpy_magsr.models.normalization import denormalize, normalize

__all__ = ["MagnetogramAutoencoder", "block_mean", "upsample"]


def upsample(low, factor):
    """Bicubic upsampling ``[N, C, h, w] -> [N, C, factor h, factor w]`` with pixel edges aligned."""
    return F.interpolate(low, scale_factor=factor, mode="bicubic", align_corners=False)


def block_mean(high, factor):
    """Mean over blocks of ``factor x factor`` pixels, ``[N, C, H, W] -> [N, C, H / factor, W / factor]``."""
    return F.avg_pool2d(high, factor)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around one activation, added to the input. No statistics over the image."""

    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x):
        return x + self.conv2(F.silu(self.conv1(F.silu(x))))


class MagnetogramAutoencoder(ModelMixin, ConfigMixin):
    """
    Encode a high-resolution magnetogram on the low-resolution grid; decode it with the low-resolution field at hand.

    The decoder adds detail to the bicubic interpolation of the low-resolution field and then removes what would
    change its block means, so that ``block_mean(decode(z, low)) == low`` for every ``z``.

    Parameters
    ----------
    latent_channels : `int`
        Channels of the latent.
    encoder_channels, decoder_channels : `int`
        Width of the two halves.
    encoder_blocks, decoder_blocks : `int`
        Residual blocks of the two halves.
    factor : `int`
        Pixels of the high-resolution grid along one low-resolution pixel; a power of two.
    normalization : {"asinh", "linear"}
        See `sunpy_magsr.models.normalization.normalize`.
    field_scale : `float`
        The normalization's scale in Gauss.
    """

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 8,
        encoder_channels: int = 64,
        encoder_blocks: int = 2,
        decoder_channels: int = 64,
        decoder_blocks: int = 3,
        factor: int = 4,
        normalization: str = "asinh",
        field_scale: float = 40.0,
    ):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(factor),
            nn.Conv2d(factor**2, encoder_channels, 3, padding=1),
            *(ResidualBlock(encoder_channels) for _ in range(encoder_blocks)),
            nn.SiLU(),
            nn.Conv2d(encoder_channels, 2 * latent_channels, 3, padding=1),
        )
        half = factor // 2
        self.decoder = nn.Sequential(
            nn.Conv2d(latent_channels + 1, decoder_channels, 3, padding=1),
            *(ResidualBlock(decoder_channels) for _ in range(decoder_blocks)),
            nn.SiLU(),
            nn.Conv2d(decoder_channels, 16 * half**2, 3, padding=1),
            nn.PixelShuffle(half),
            nn.SiLU(),
            nn.Conv2d(16, 4, 3, padding=1),
            nn.PixelShuffle(2),
        )

    @property
    def latent_channels(self):
        """Channels of the latent."""
        return self.config.latent_channels

    @property
    def halo(self):
        """Low-resolution pixels beyond a tile that its encoding or decoding depends on."""
        blocks = max(self.config.encoder_blocks, self.config.decoder_blocks)
        return 2 * blocks + 2 + 3

    def normalize(self, field):
        """Gauss to network units."""
        return normalize(field, scale=self.config.field_scale, kind=self.config.normalization)

    def denormalize(self, normalized):
        """Network units to Gauss."""
        return denormalize(normalized, scale=self.config.field_scale, kind=self.config.normalization)

    def encode(self, high):
        """
        Encode a field.

        Parameters
        ----------
        high : `torch.Tensor`
            High-resolution field in Gauss, ``[N, 1, factor h, factor w]``.

        Returns
        -------
        mean, log_variance : `torch.Tensor`
            Of the latent's Gaussian, each ``[N, latent_channels, h, w]``.
        """
        with torch.autocast(high.device.type, enabled=False):  # half precision is too coarse for kilogauss
            mean, log_variance = self.encoder(self.normalize(high.float())).chunk(2, dim=1)
        return mean, log_variance.clamp(-20, 10)

    def encode_low(self, low):
        """Latent (its mean) of the bicubic interpolation of a low-resolution field in Gauss, ``[N, 1, h, w]``."""
        return self.encode(upsample(low, self.config.factor))[0]

    def decode(self, latent, low, *, exact=True):
        """
        Decode a latent.

        Parameters
        ----------
        latent : `torch.Tensor`
            ``[N, latent_channels, h, w]``.
        low : `torch.Tensor`
            The low-resolution field in Gauss, ``[N, 1, h, w]``.
        exact : `bool`
            Whether the block means shall be ``low`` exactly, with steps at the borders of blocks where they were far
            from it; if not, what is missing is given smoothly, and they are nearly so.

        Returns
        -------
        `torch.Tensor`
            Field in Gauss, ``[N, 1, factor h, factor w]``, whose block mean is ``low``.
        """
        factor = self.config.factor
        with torch.autocast(low.device.type, enabled=False):  # as in `encode`
            base = self.normalize(upsample(low.float(), factor))
            detail = self.decoder(torch.cat([latent.float(), self.normalize(low.float())], dim=1))
            high = self.denormalize(base + detail)
        missing = low - block_mean(high, factor)
        return high + (
            missing.repeat_interleave(factor, 2).repeat_interleave(factor, 3) if exact else upsample(missing, factor)
        )
