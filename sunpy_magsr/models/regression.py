"""Regression networks, which predict a single high-resolution field, for comparison with the diffusion models."""

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from sunpy_magsr.models.autoencoder import ResidualBlock, upsample
from sunpy_magsr.models.layers import denormalize, normalize, start_at_zero


class Enhance(ModelMixin, ConfigMixin):
    """
    The network Enhance (Diaz Baso & Asensio Ramos 2018, :doi:`10.1051/0004-6361/201731344`), here for x4.

    It has a convolution, residual blocks with a skip around them, nearest-neighbor upsampling, a convolution at full
    resolution and the output. Unlike the published network, it has no batch normalization, it works on the asinh of the
    field, and its output is added to the bicubic interpolation.

    Parameters
    ----------
    channels : `int`
        The number of filters in each layer. Defaults to 64, as in the paper.
    blocks : `int`
        The number of residual blocks. Defaults to 5, as in the paper.
    factor : `int`
        The number of output pixels along one input pixel. Defaults to 4.
    field_scale : `float`
        The scale of the asinh normalization in Gauss. Defaults to 40.
    """

    @register_to_config
    def __init__(self, channels: int = 64, blocks: int = 5, factor: int = 4, field_scale: float = 40.0):
        super().__init__()
        self.first = nn.Conv2d(1, channels, 3, padding=1)
        self.body = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.last = nn.Conv2d(channels, channels, 3, padding=1)
        self.fine = nn.Conv2d(channels, channels, 3, padding=1)
        self.detail = start_at_zero(nn.Conv2d(channels, 1, 3, padding=1))

    @property
    def halo(self):
        """How many low-resolution pixels around a tile have an influence on its result."""
        return 2 * self.config.blocks + 2 + 3

    def forward(self, low):
        """Super-resolve fields in one pass."""
        scale, factor = self.config.field_scale, self.config.factor
        x = self.first(normalize(low, scale=scale))
        x = x + self.last(F.silu(self.body(x)))
        x = F.silu(self.fine(F.interpolate(x, scale_factor=factor, mode="nearest")))
        return denormalize(normalize(upsample(low, factor), scale=scale) + self.detail(x), scale=scale)


class Stage(nn.Module):
    """A network that doubles the resolution: detail, upsampled by pixel shuffle, is added to the interpolated field."""

    def __init__(self, channels, blocks):
        super().__init__()
        self.first = nn.Conv2d(1, channels, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.up = nn.Conv2d(channels, 4 * channels, 3, padding=1)
        self.detail = start_at_zero(nn.Conv2d(channels, 1, 3, padding=1))

    def forward(self, x):
        """``[N, 1, h, w]`` to ``[N, 1, 2 h, 2 w]``, both normalized."""
        features = self.first(x)
        features = features + self.blocks(features)
        fine = F.silu(F.pixel_shuffle(self.up(F.silu(features)), 2))
        return upsample(x, 2) + self.detail(fine)


class Progressive(ModelMixin, ConfigMixin):
    """
    A network after Rahman et al. 2020 (:doi:`10.3847/2041-8213/ab9d79`), which doubles the resolution twice.

    Each of the two stages adds its output to its interpolated input. Both stages are trained together, if wanted with
    an adversarial loss. Nothing is averaged over the image.

    Parameters
    ----------
    channels : `int`
        The number of filters in each layer of the first stage; the second has half as many. Defaults to 64.
    blocks : `int`
        The number of residual blocks of each stage. Defaults to 4.
    field_scale : `float`
        The scale of the asinh normalization in Gauss. Defaults to 40.
    """

    @register_to_config
    def __init__(self, channels: int = 64, blocks: int = 4, field_scale: float = 40.0):
        super().__init__()
        self.coarse = Stage(channels, blocks)
        self.fine = Stage(channels // 2, blocks)

    @property
    def halo(self):
        """How many low-resolution pixels around a tile have an influence on its result."""
        reach = 2 * self.config.blocks + 5
        return reach + -(-reach // 2)

    def forward(self, low):
        """Double the resolution of fields twice."""
        scale = self.config.field_scale
        return denormalize(self.fine(self.coarse(normalize(low, scale=scale))), scale=scale)


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -ctx.weight * gradient, None


class Critic(nn.Module):
    """
    A network that distinguishes real patches from those that another network made, for adversarial training.

    The gradient is reversed on its way to the other network (Ganin & Lempitsky 2015, arXiv:1409.7495). One optimizer
    can thus train both: the critic learns to see the difference, and the other network learns to hide it.

    Parameters
    ----------
    channels : `int`
        The number of filters of the first layer. Defaults to 32.
    field_scale : `float`
        The scale of the asinh normalization in Gauss. Defaults to 40.
    """

    def __init__(self, channels=32, field_scale=40.0):
        super().__init__()
        self.field_scale = field_scale
        self.body = nn.Sequential(
            nn.Conv2d(1, channels, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * channels, 1, 3, padding=1),
        )

    def forward(self, made, real, *, weight):
        """Compute the loss of the critic: the binary cross-entropy over both kinds of patches."""
        scores = [
            self.body(normalize(field, scale=self.field_scale)) for field in (_Reversed.apply(made, weight), real)
        ]
        return F.softplus(scores[0]).mean() + F.softplus(-scores[1]).mean()
