"""Parts of the networks: normalization, blocks, evaluation in bands, the factor of the spread."""

import math

import torch
import torch.nn.functional as F
from torch import nn

_MAX_NORMALIZED = 6.0


def start_at_zero(layer):
    """Set the weights of a layer to zero, so that the training starts without its part, and return it."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def normalize(field, *, scale, kind="asinh"):
    r"""
    Map a magnetic field to the numbers that the networks see.

    ``"asinh"`` is :math:`\operatorname{asinh}(B / B_0)`: linear below :math:`B_0`, logarithmic above, so that
    quiet Sun and umbra both get resolution, and odd in :math:`B`. ``"linear"`` is :math:`B / B_0` clipped to
    :math:`\pm 1`, with :math:`B_0 = 3000` G in Ramunno et al. 2025 (:doi:`10.1051/0004-6361/202453205`).
    """
    if kind == "asinh":
        return torch.asinh(field / scale)
    if kind == "linear":
        return (field / scale).clamp(-1, 1)
    msg = f"kind must be 'asinh' or 'linear', got {kind!r}."
    raise ValueError(msg)


def denormalize(normalized, *, scale, kind="asinh"):
    """
    Map the numbers that the networks see to a magnetic field; the inverse of `normalize`.

    With ``"asinh"``, no field is stronger than ``sinh(6)`` times the scale, which is 8 kG for a scale of 40 G.
    """
    if kind == "asinh":
        return torch.sinh(normalized.clamp(-_MAX_NORMALIZED, _MAX_NORMALIZED)) * scale
    if kind == "linear":
        return normalized * scale
    msg = f"kind must be 'asinh' or 'linear', got {kind!r}."
    raise ValueError(msg)


_POSITIONS = 8192
_ROWS = 4
_COLUMNS = 32  # of which widths are multiples: convolutions are prepared once for a shape


class Bands:
    """
    Bands of rows in which a network is evaluated, each from the first to the last active column.

    Parameters
    ----------
    shape : `tuple` of `int`
        The number of rows and columns of the grid of the network.
    device : `torch.device`
        The device. On a CPU, a band has about 8192 positions; elsewhere there is one band of all rows.
    active : `torch.Tensor`, optional
        Where the network is evaluated, bool ``[h, w]``. It sees zeros elsewhere, as beyond the edge of a patch in the
        training. By default it is evaluated everywhere.
    """

    def __init__(self, shape, device, active=None):
        self.shape, self.device = shape, device
        rows = max(_ROWS, _POSITIONS // shape[1]) if device.type == "cpu" else shape[0]
        self.places = []
        for start in range(0, shape[0], rows):
            band = slice(start, min(start + rows, shape[0]))
            if active is None:
                self.places.append((band, slice(0, shape[1]), None))
                continue
            part = active[band]
            found = part.any(0).nonzero()[:, 0]
            if len(found):
                first, last = int(found[0]) // _COLUMNS, int(found[-1]) // _COLUMNS + 1
                columns = slice(first * _COLUMNS, min(last * _COLUMNS, shape[1]))
                part = part[:, columns]
                self.places.append((band, columns, None if bool(part.all()) else part[..., None]))

    def run(self, blocks, channels, *, enter, leave, embedding=None):
        """Evaluate the blocks one after the other."""
        blocks = list(blocks)
        reach = max(block.reach for block in blocks)
        rows, columns = (side + 2 * reach for side in self.shape)
        field = torch.zeros((rows, columns, channels), device=self.device)  # with an edge of zeros
        for place in self.places:
            self._put(field, place, enter(*place[:2]), reach)
        for block in blocks:
            norm = block.modulated_norm(embedding)
            done, above = None, None  # where the last band ended, and what its last rows were before
            for place in self.places:
                rows, columns, _ = place
                wide = slice(columns.start, columns.stop + 2 * reach)
                top = above[:, wide] if done == rows.start else field[rows.start : rows.start + reach, wide]
                window = torch.cat([top, field[rows.start + reach : rows.stop + 2 * reach, wide]])
                done, above = rows.stop, field[rows.stop : rows.stop + reach].clone()
                self._put(field, place, block.inner(window, *norm), reach)
        for rows, columns, _ in self.places:
            leave(rows, columns, self._inside(field, rows, columns, reach))

    @staticmethod
    def _inside(field, rows, columns, reach):
        return field[rows.start + reach : rows.stop + reach, columns.start + reach : columns.stop + reach]

    def _put(self, field, place, values, reach):
        rows, columns, mask = place
        self._inside(field, rows, columns, reach)[:] = values if mask is None else values * mask


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
        self.modulation = start_at_zero(nn.Linear(embedding, 2 * channels)) if embedding else None
        with torch.no_grad():
            self.contract.weight.mul_(0.2)

    @property
    def reach(self):
        """How many positions on each side have an influence on a position."""
        return self.spatial.padding[0]

    def forward(self, x, embedding=None):
        """Evaluate the block."""
        h = self.norm(self.spatial(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))  # [N, h, w, C]
        if self.modulation is not None:
            scale, shift = self.modulation(embedding)[:, None, None].chunk(2, dim=-1)  # [N, 1, 1, C]
            h = h * (1 + scale) + shift
        return x + self.contract(F.silu(self.expand(h)))

    def modulated_norm(self, embedding=None):
        """Combine the normalization with its modulation at one diffusion time."""
        if self.modulation is None:
            return self.norm.weight, self.norm.bias
        scale, shift = self.modulation(embedding)[0].chunk(2)
        return self.norm.weight * (1 + scale), self.norm.bias * (1 + scale) + shift

    def inner(self, window, weight, bias):
        """Evaluate the block inside a window, without gradients."""
        spatial, reach = self.spatial, self.reach
        h = F.conv2d(window.permute(2, 0, 1)[None], spatial.weight, spatial.bias, groups=spatial.groups)
        h = F.layer_norm(h[0].permute(1, 2, 0), weight.shape, weight, bias, self.norm.eps)
        h = self.contract(F.silu(self.expand(h), inplace=True))
        before = window[reach:-reach, reach:-reach]
        return h.add_(before) if h.dtype == before.dtype else before + h  # where h is of half precision, the sum is not


def timestep_features(timestep, size):
    """Compute sines and cosines of the diffusion time (Vaswani et al. 2017, arXiv:1706.03762)."""
    frequencies = torch.exp(-math.log(1000) * torch.arange(size // 2, device=timestep.device) / (size // 2))
    angle = timestep.float()[:, None] * frequencies
    return torch.cat([angle.sin(), angle.cos()], dim=1)


_WINDOW = 3  # pixels a side
_IN_NOISE = 2.5  # standard deviations: noise alone seldom has more among the pixels of the window


def spread_factor(low, noise, *, weak, strong, field):
    r"""
    Compute a factor for the predicted scale of the residual of the latent.

    The errors of a network are larger on fields that it was not trained on, most of all where the field is strong. Let
    :math:`m^2` be the largest :math:`B^2` within 3 x 3 pixels minus :math:`(2.5\,\sigma)^2` of the noise. The factor
    then goes from ``weak`` to ``strong`` as :math:`m^2 / (m^2 + \mathrm{field}^2)` goes from 0 to 1.
    """
    squared = F.max_pool2d(low.abs(), _WINDOW, stride=1, padding=_WINDOW // 2).square()
    squared = (squared - (_IN_NOISE * noise).square()).clamp(min=0)
    return weak + (strong - weak) * squared / (squared + field**2)
