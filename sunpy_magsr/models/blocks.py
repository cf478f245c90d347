"""The parts of the denoiser: blocks that depend on a neighborhood only, and features of the diffusion time."""

import math

import torch
import torch.nn.functional as F
from torch import nn

__all__ = ["LocalBlock", "timestep_features"]


class LocalBlock(nn.Module):
    """
    A block of ConvNeXt (Liu et al. 2022, :doi:`10.1109/CVPR52688.2022.01167`) on tensors ``[N, h, w, C]``.

    A depthwise 5x5 convolution, LayerNorm over the channels and two 1x1 convolutions. Nothing is averaged over the
    image, so that the result inside a tile is the same as for the whole frame.

    Parameters
    ----------
    channels : `int`
        The number of channels, *C*.
    expansion : `int`
        How many times more channels lie between the two 1x1 convolutions. Defaults to 2.
    embedding : `int`, optional
        The number of features of the diffusion time, if the block depends on it. By default it does not.
    """

    def __init__(self, channels, *, expansion=2, embedding=None):
        super().__init__()
        self.spatial = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.expand = nn.Linear(channels, expansion * channels)
        self.contract = nn.Linear(expansion * channels, channels)
        self.modulation = nn.Linear(embedding, 2 * channels) if embedding else None
        if self.modulation is not None:
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)
        with torch.no_grad():
            self.contract.weight.mul_(0.2)

    @property
    def reach(self):
        """How many positions on each side have an influence on a position."""
        return self.spatial.padding[0]

    def forward(self, x, embedding=None):
        """
        Evaluate the block.

        Parameters
        ----------
        x : `torch.Tensor`
            The values, ``[N, h, w, C]``.
        embedding : `torch.Tensor`, optional
            The features of the diffusion time, ``[N, embedding]``. A block that does not depend on the time needs none.

        Returns
        -------
        `torch.Tensor`
            The result, ``[N, h, w, C]``.
        """
        h = self.norm(self.spatial(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))  # [N, h, w, C]
        if self.modulation is not None:
            scale, shift = self.modulation(embedding)[:, None, None].chunk(2, dim=-1)  # [N, 1, 1, C]
            h = h * (1 + scale) + shift
        return x + self.contract(F.silu(self.expand(h)))

    def modulated_norm(self, embedding=None):
        """
        Combine the normalization with its modulation at one diffusion time.

        Parameters
        ----------
        embedding : `torch.Tensor`, optional
            The features of the diffusion time, ``[1, embedding]``. A block that does not depend on the time needs none.

        Returns
        -------
        weight : `torch.Tensor`
            The weight of the normalization, ``[C]``.
        bias : `torch.Tensor`
            Its bias, ``[C]``.
        """
        if self.modulation is None:
            return self.norm.weight, self.norm.bias
        scale, shift = self.modulation(embedding)[0].chunk(2)
        return self.norm.weight * (1 + scale), self.norm.bias * (1 + scale) + shift

    def inner(self, window, weight, bias):
        """
        Evaluate the block inside a window, without gradients.

        Parameters
        ----------
        window : `torch.Tensor`
            The values in the window and around it, ``[h + 2 reach, w + 2 reach, C]``.
        weight, bias : `torch.Tensor`
            The normalization, from `modulated_norm`.

        Returns
        -------
        `torch.Tensor`
            The result in the window, ``[h, w, C]``.
        """
        spatial, reach = self.spatial, self.reach
        h = F.conv2d(window.permute(2, 0, 1)[None], spatial.weight, spatial.bias, groups=spatial.groups)
        h = F.layer_norm(h[0].permute(1, 2, 0), weight.shape, weight, bias, self.norm.eps)
        h = self.contract(F.silu(self.expand(h), inplace=True))
        before = window[reach:-reach, reach:-reach]
        return h.add_(before) if h.dtype == before.dtype else before + h  # where h is of half precision, the sum is not


def timestep_features(timestep, size):
    """
    Compute sines and cosines of the diffusion time (Vaswani et al. 2017, arXiv:1706.03762).

    Parameters
    ----------
    timestep : `torch.Tensor`
        The diffusion times, ``[N]``.
    size : `int`
        The number of features, an even number.

    Returns
    -------
    `torch.Tensor`
        The features, ``[N, size]``.
    """
    frequencies = torch.exp(-math.log(1000) * torch.arange(size // 2, device=timestep.device) / (size // 2))
    angle = timestep.float()[:, None] * frequencies
    return torch.cat([angle.sin(), angle.cos()], dim=1)
