"""The deterministic rivals: networks that predict one high-resolution field."""

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from sunpy_magsr.models.autoencoder import ResidualBlock, upsample
from sunpy_magsr.models.normalization import denormalize, normalize

__all__ = ["Critic", "Enhance", "Progressive"]


def _detail(channels):
    """Last convolution; zero at first, so that training starts from interpolation."""
    layer = nn.Conv2d(channels, 1, 3, padding=1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class Enhance(ModelMixin, ConfigMixin):
    """
    Enhance (Diaz Baso & Asensio Ramos 2018, :doi:`10.1051/0004-6361/201731344`), trained here on x4.

    A convolution, residual blocks with a skip around them, nearest-neighbor upsampling, a convolution at full
    resolution and the output. Unlike the published network it has no batch normalization, works on the asinh of the
    field, and adds its output to the bicubic interpolation, which can only help it.

    Parameters
    ----------
    channels, blocks : `int`
        64 filters and 5 blocks in the paper.
    factor : `int`
        Output pixels along one input pixel.
    field_scale : `float`
        The asinh normalization's scale in Gauss.
    """

    @register_to_config
    def __init__(self, channels: int = 64, blocks: int = 5, factor: int = 4, field_scale: float = 40.0):
        super().__init__()
        self.first = nn.Conv2d(1, channels, 3, padding=1)
        self.body = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.last = nn.Conv2d(channels, channels, 3, padding=1)
        self.fine = nn.Conv2d(channels, channels, 3, padding=1)
        self.detail = _detail(channels)

    @property
    def halo(self):
        """Low-resolution pixels beyond a tile that its result depends on."""
        return 2 * self.config.blocks + 2 + 3

    def forward(self, low):
        """
        Super-resolve.

        Parameters
        ----------
        low : `torch.Tensor`
            Gauss ``[N, 1, h, w]``.

        Returns
        -------
        `torch.Tensor`
            Gauss ``[N, 1, factor h, factor w]``.
        """
        scale, factor = self.config.field_scale, self.config.factor
        x = self.first(normalize(low, scale=scale))
        x = x + self.last(F.silu(self.body(x)))
        x = F.silu(self.fine(F.interpolate(x, scale_factor=factor, mode="nearest")))
        return denormalize(normalize(upsample(low, factor), scale=scale) + self.detail(x), scale=scale)


class Stage(nn.Module):
    """One doubling: features of the field, upsampled by pixel shuffle, added to the interpolated field."""

    def __init__(self, channels, blocks):
        super().__init__()
        self.first = nn.Conv2d(1, channels, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.up = nn.Conv2d(channels, 4 * channels, 3, padding=1)
        self.detail = _detail(channels)

    def forward(self, x):
        """``[N, 1, h, w]`` to ``[N, 1, 2 h, 2 w]``, both normalized."""
        features = self.first(x)
        features = features + self.blocks(features)
        fine = F.silu(F.pixel_shuffle(self.up(F.silu(features)), 2))
        return upsample(x, 2) + self.detail(fine)


class Progressive(ModelMixin, ConfigMixin):
    """
    Progressive super-resolution after Rahman et al. 2020 (:doi:`10.3847/2041-8213/ab9d79`): two doublings in turn.

    Each stage adds its output to its interpolated input. Both stages are trained together; the adversarial loss is an
    option of the training. No statistics over the image are used.

    Parameters
    ----------
    channels, blocks : `int`
        Width of the first stage, and residual blocks in each; the second is half as wide.
    field_scale : `float`
        The asinh normalization's scale in Gauss.
    """

    @register_to_config
    def __init__(self, channels: int = 64, blocks: int = 4, field_scale: float = 40.0):
        super().__init__()
        self.coarse = Stage(channels, blocks)
        self.fine = Stage(channels // 2, blocks)

    @property
    def halo(self):
        """Low-resolution pixels beyond a tile that its result depends on."""
        reach = 2 * self.config.blocks + 5
        return reach + -(-reach // 2)

    def forward(self, low):
        """As `Enhance.forward`."""
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
    Tell real patches from made ones, for adversarial training.

    The gradient that reaches the maker of the patch is reversed (Ganin & Lempitsky 2015, arXiv:1409.7495), so one
    optimizer trains both: the critic to see the difference and the network to hide it.

    Parameters
    ----------
    channels : `int`
        Width of the first layer.
    field_scale : `float`
        The asinh normalization's scale in Gauss.
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
        """
        Binary cross-entropy of both, to be minimized by the critic.

        Parameters
        ----------
        made, real : `torch.Tensor`
            Gauss ``[N, 1, H, W]``.
        weight : `float`
            Of the reversed gradient.

        Returns
        -------
        `torch.Tensor`
            Scalar.
        """
        scores = [
            self.body(normalize(field, scale=self.field_scale)) for field in (_Reversed.apply(made, weight), real)
        ]
        return F.softplus(scores[0]).mean() + F.softplus(-scores[1]).mean()
