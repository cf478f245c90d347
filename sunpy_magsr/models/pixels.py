"""Pixels that take the place of a latent, for diffusion models that draw pixels."""

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

    It has the methods of `~sunpy_magsr.models.autoencoder.MagnetogramAutoencoder`, but no weights, and nothing is lost
    in the encoding. The same code thus serves diffusion models that draw latents and those that draw pixels.

    Parameters
    ----------
    factor : `int`
        The number of high-resolution pixels along one low-resolution pixel. Defaults to 4.
    normalization : {"asinh", "linear"}
        How the field is mapped to the numbers that the networks see; see `sunpy_magsr.models.normalization.normalize`.
        Defaults to ``"asinh"``.
    field_scale : `float`
        The scale of the normalization in Gauss. Defaults to 40.
    """

    config_name = "config.json"

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
        """
        Rearrange the pixels of fields into channels.

        Parameters
        ----------
        high : `torch.Tensor`
            The fields in Gauss, ``[N, 1, factor h, factor w]``.

        Returns
        -------
        mean : `torch.Tensor`
            The normalized pixels, ``[N, factor^2, h, w]``.
        log_variance : `torch.Tensor`
            Minus 20 everywhere, which stands for no uncertainty, same shape.
        """
        code = normalize(high, scale=self.config.field_scale, kind=self.config.normalization)
        mean = F.pixel_unshuffle(code, self.config.factor)
        return mean, torch.full_like(mean, -20.0)

    def encode_low(self, low):
        """
        Interpolate fields bicubically to the fine grid, and rearrange the pixels into channels.

        Parameters
        ----------
        low : `torch.Tensor`
            The fields on the coarse grid in Gauss, ``[N, 1, h, w]``.

        Returns
        -------
        `torch.Tensor`
            The channels, ``[N, factor^2, h, w]``.
        """
        return self.encode(upsample(low, self.config.factor))[0]

    def decode(self, latent, low):
        """
        Rearrange channels into the pixels of fields; the inverse of `encode`.

        Parameters
        ----------
        latent : `torch.Tensor`
            The normalized pixels, ``[N, factor^2, h, w]``.
        low : `torch.Tensor`
            The low-resolution fields. Only their device and their number format matter.

        Returns
        -------
        `torch.Tensor`
            The fields in Gauss, ``[N, 1, factor h, factor w]``.
        """
        high = F.pixel_shuffle(latent, self.config.factor)
        return denormalize(high, scale=self.config.field_scale, kind=self.config.normalization).to(low)
