"""The codecs between high-resolution fields and latents on the pixels of the input."""

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from sunpy_magsr.maps.grid import prefilter
from sunpy_magsr.models.layers import denormalize, normalize, start_at_zero


def upsample(low, factor):
    """Interpolate images bicubically to a finer grid whose outer pixel edges are the same."""
    return F.interpolate(low, scale_factor=factor, mode="bicubic", align_corners=False)


def block_mean(high, factor):
    """Average images over blocks of ``factor x factor`` pixels."""
    return F.avg_pool2d(high, factor)


def _filter(low, factor):
    """Filter fields so that the means over blocks of the interpolated ones are the values."""
    weights = torch.from_numpy(prefilter(factor)).to(low)
    reach = len(weights) // 2
    low = F.conv2d(F.pad(low, (reach, reach, 0, 0), mode="replicate"), weights[None, None, None, :])
    return F.conv2d(F.pad(low, (0, 0, reach, reach), mode="replicate"), weights[None, None, :, None])


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions whose result is added to the input. Nothing is averaged over the image."""

    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = start_at_zero(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x):
        return x + self.conv2(F.silu(self.conv1(F.silu(x))))


class MagnetogramAutoencoder(ModelMixin, ConfigMixin):
    """
    Encode a high-resolution magnetogram into a latent on the low-resolution grid, and decode latents.

    The decoder is given the low-resolution field too. It adds detail to the bicubic interpolation of that field and
    then corrects the means over blocks, so that ``block_mean(decode(z, low), factor)`` is ``low`` for every latent ``z``.

    Parameters
    ----------
    latent_channels : `int`
        The number of channels of the latent. Defaults to 8.
    encoder_channels : `int`
        The number of channels in the layers of the encoder. Defaults to 64.
    encoder_blocks : `int`
        The number of residual blocks of the encoder. Defaults to 2.
    decoder_channels : `int`
        The number of channels in the layers of the decoder. Defaults to 64.
    decoder_blocks : `int`
        The number of residual blocks of the decoder. Defaults to 3.
    factor : `int`
        The number of high-resolution pixels along one low-resolution pixel, a power of two. Defaults to 4.
    normalization : {"asinh", "linear"}
        How the field is mapped to the numbers that the networks see; see ``sunpy_magsr.models.layers.normalize``.
        Defaults to ``"asinh"``.
    field_scale : `float`
        The scale of the normalization in Gauss. Defaults to 40.
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
        """The number of channels of the latent."""
        return self.config.latent_channels

    @property
    def halo(self):
        """How many low-resolution pixels around a tile have an influence on its encoding or decoding."""
        blocks = max(self.config.encoder_blocks, self.config.decoder_blocks)
        return 2 * blocks + 2 + 3 + 4  # the layers, the interpolation, and the filter before it

    def normalize(self, field):
        """Map a field to the numbers that the networks see."""
        return normalize(field, scale=self.config.field_scale, kind=self.config.normalization)

    def denormalize(self, normalized):
        """Map the numbers that the networks see to a field."""
        return denormalize(normalized, scale=self.config.field_scale, kind=self.config.normalization)

    def encode(self, high):
        """Encode fields as Gaussian distributions of latents."""
        with torch.autocast(high.device.type, enabled=False):  # half precision is too coarse for kilogauss
            mean, log_variance = self.encoder(self.normalize(high.float())).chunk(2, dim=1)
        return mean, log_variance.clamp(-20, 10)

    def encode_low(self, low):
        """Encode the bicubic interpolation of low-resolution fields."""
        return self.encode(upsample(low, self.config.factor))[0]

    def decode(self, latent, low, *, exact=True):
        """Decode latents."""
        factor = self.config.factor
        with torch.autocast(low.device.type, enabled=False):  # as in `encode`
            base = self.normalize(upsample(low.float(), factor))
            detail = self.decoder(torch.cat([latent.float(), self.normalize(low.float())], dim=1))
            high = self.denormalize(base + detail)
        missing = low - block_mean(high, factor)
        return high + upsample(_filter(missing, factor) if exact else missing, factor)


class PixelCodec(nn.Module, ConfigMixin):
    """
    Rearrange the normalized pixels of a high-resolution field into channels on the low-resolution grid.

    It has the methods of ``MagnetogramAutoencoder``, but no weights, and nothing is lost
    in the encoding. The same code thus serves diffusion models that draw latents and those that draw pixels.

    Parameters
    ----------
    factor : `int`
        The number of high-resolution pixels along one low-resolution pixel. Defaults to 4.
    normalization : {"asinh", "linear"}
        How the field is mapped to the numbers that the networks see; see ``sunpy_magsr.models.layers.normalize``.
        Defaults to ``"asinh"``.
    field_scale : `float`
        The scale of the normalization in Gauss. Defaults to 40.
    """

    config_name = "config.json"  # type: ignore[assignment]  # None in diffusers' class

    @register_to_config
    def __init__(self, factor: int = 4, normalization: str = "asinh", field_scale: float = 40.0):
        super().__init__()

    @property
    def latent_channels(self):
        """The number of channels of the rearranged field."""
        return self.config.factor**2

    @property
    def halo(self):
        """How many low-resolution pixels around a tile have an influence on its encoding, by interpolation."""
        return 3

    def encode(self, high):
        """Rearrange the pixels of fields into channels."""
        code = normalize(high, scale=self.config.field_scale, kind=self.config.normalization)
        mean = F.pixel_unshuffle(code, self.config.factor)
        return mean, torch.full_like(mean, -20.0)

    def encode_low(self, low):
        """Interpolate fields bicubically to the fine grid, and rearrange the pixels into channels."""
        return self.encode(upsample(low, self.config.factor))[0]

    def decode(self, latent, low):
        """Rearrange channels into the pixels of fields; the inverse of `encode`."""
        high = F.pixel_shuffle(latent, self.config.factor)
        return denormalize(high, scale=self.config.field_scale, kind=self.config.normalization).to(low)
