"""The diffusion network: a condition encoder run once, and a denoiser run at every step."""

import math

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from sunpy_magsr.models.bands import Bands
from sunpy_magsr.models.normalization import denormalize, normalize

__all__ = ["MagnetogramDenoiser"]

_LOG_SIGMA_LIMITS = (-5.0, 3.0)


class LocalBlock(nn.Module):
    """
    ConvNeXt-style block on channels-last tensors ``[N, h, w, C]``: depthwise 5x5, LayerNorm over channels, two 1x1.

    Nothing is averaged over the image, so a tile gives what the whole frame would give (Liu et al. 2022,
    :doi:`10.1109/CVPR52688.2022.01167`).
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
        """Positions to each side that a position depends on."""
        return self.spatial.padding[0]

    def forward(self, x, embedding=None):
        h = self.norm(self.spatial(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))  # [N, h, w, C]
        if self.modulation is not None:
            scale, shift = self.modulation(embedding)[:, None, None].chunk(2, dim=-1)  # [N, 1, 1, C]
            h = h * (1 + scale) + shift
        return x + self.contract(F.silu(self.expand(h)))

    def modulated_norm(self, embedding=None):
        """Weight and bias ``[C]`` of the normalization at one diffusion time."""
        if self.modulation is None:
            return self.norm.weight, self.norm.bias
        scale, shift = self.modulation(embedding)[0].chunk(2)
        return self.norm.weight * (1 + scale), self.norm.bias * (1 + scale) + shift

    def inner(self, window, weight, bias):
        """The same without gradients, for a window ``[h + 2 reach, w + 2 reach, C]`` and the norm of `modulated_norm`."""
        spatial, reach = self.spatial, self.reach
        h = F.conv2d(window.permute(2, 0, 1)[None], spatial.weight, spatial.bias, groups=spatial.groups)
        h = F.layer_norm(h[0].permute(1, 2, 0), weight.shape, weight, bias, self.norm.eps)
        h = self.contract(F.silu(self.expand(h), inplace=True))
        before = window[reach:-reach, reach:-reach]
        return h.add_(before) if h.dtype == before.dtype else before + h  # where h is of half precision, the sum is not


def timestep_features(timestep, size):
    """Sines and cosines of the diffusion time, ``[N] -> [N, size]`` (Vaswani et al. 2017, arXiv:1706.03762)."""
    frequencies = torch.exp(-math.log(1000) * torch.arange(size // 2, device=timestep.device) / (size // 2))
    angle = timestep.float()[:, None] * frequencies
    return torch.cat([angle.sin(), angle.cos()], dim=1)


class MagnetogramDenoiser(ModelMixin, ConfigMixin):
    r"""
    Distribution of a latent given the low-resolution field.

    With ``residual`` and ``whitened`` (`ldm-res`), the residual :math:`r = E(\mathrm{hr}) - E(\mathrm{up(lr)})` (Ramunno et al.
    2025, :doi:`10.1051/0004-6361/202453205`) is split into a predicted mean and scale and a whitened remainder,
    :math:`r = \mu + \sigma w` (after CorrDiff, Mardani et al. 2025, :doi:`10.1038/s43247-025-02042-5`). `condition`
    predicts :math:`\mu`, :math:`\sigma` and features once for an image; `forward` predicts the diffusion velocity
    of :math:`w` at one step. Both work on 2x2 blocks of low-resolution pixels and see a neighborhood only.

    Without ``whitened``, :math:`\mu = 0` and :math:`\sigma` is the overall scale of the target; without ``residual``,
    the target is the latent :math:`E(\mathrm{hr})` itself (`ldm`, or `ddpm` where the latent is the pixels).

    Parameters
    ----------
    latent_channels : `int`
        Channels of the residual.
    channels : `int`
        Width of the network.
    condition_blocks, denoiser_blocks : `int`
        Depth of the two halves.
    field_scale : `float`
        Scale in Gauss of the input's asinh normalization.
    residual_scale : `float`
        Overall root mean square of the target, which sets the unit of :math:`\mu` and :math:`\sigma`.
    reference_noise : `float`
        The noise level (see `condition`) that maps to zero.
    residual : `bool`
        Whether the target is the difference from the low-resolution field's latent.
    whitened : `bool`
        Whether mean and scale are predicted.
    draws_low : `bool`
        Whether the low-resolution field of an ideal instrument is drawn too, as one channel after the latent's: how
        much its asinh differs from that of the field given, which has noise and blur.
    """

    patch = 2

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 8,
        channels: int = 192,
        condition_blocks: int = 8,
        denoiser_blocks: int = 5,
        field_scale: float = 40.0,
        residual_scale: float = 1.0,
        reference_noise: float = 3.0,
        residual: bool = True,
        whitened: bool = True,
        draws_low: bool = False,
    ):
        super().__init__()
        packed = self.drawn_channels * self.patch**2
        self.embed_low = nn.Linear((5 if draws_low else 3) * self.patch**2, channels)
        self.reader = nn.ModuleList(LocalBlock(channels) for _ in range(condition_blocks))
        self.moments = nn.Linear(channels, 2 * packed) if whitened else None
        self.time = nn.Sequential(nn.Linear(128, channels), nn.SiLU(), nn.Linear(channels, channels), nn.SiLU())
        self.embed_noisy = nn.Linear(packed, channels)
        self.embed_features = nn.Linear(channels, channels)
        self.stack = nn.ModuleList(LocalBlock(channels, embedding=channels) for _ in range(denoiser_blocks))
        self.norm = nn.LayerNorm(channels)
        self.velocity = nn.Linear(channels, packed)
        nn.init.zeros_(self.velocity.weight)
        nn.init.zeros_(self.velocity.bias)
        if whitened:
            nn.init.zeros_(self.moments.weight)
            nn.init.zeros_(self.moments.bias)

    @property
    def drawn_channels(self):
        """Channels of what is diffused: the latent's, and one for the low-resolution field if it is drawn."""
        return self.config.latent_channels + int(self.config.draws_low)

    @property
    def condition_halo(self):
        """Low-resolution pixels beyond a tile that `condition` looks at."""
        return self.patch * 2 * self.config.condition_blocks

    @property
    def step_halo(self):
        """Low-resolution pixels beyond a tile that one denoising step looks at."""
        return self.patch * 2 * self.config.denoiser_blocks

    def condition(self, low, noise, blur=None, active=None):
        """
        Read the low-resolution field.

        Parameters
        ----------
        low : `torch.Tensor`
            Field in Gauss, ``[N, 1, h, w]``, h and w even.
        noise : `torch.Tensor`
            Gauss: pixel-to-pixel noise that the output shall carry, ``[N]`` (see ``quiet_noise`` in training); or,
            where the low-resolution field is drawn, the noise of the field given, ``[N, 1, h, w]``.
        blur : `torch.Tensor`, optional
            What is known of the width (FWHM) of the point-spread function in low-resolution pixels: its expectation and
            standard deviation, ``[N, 2, h, w]``; only where the low-resolution field is drawn.
        active : `torch.Tensor`, optional
            Where to compute, bool ``[N, h / 2, w / 2]``; the rest is as if it lay beyond the edge. Not for training.

        Returns
        -------
        features : `torch.Tensor`
            ``[N, channels, h / 2, w / 2]``.
        mean, log_sigma : `torch.Tensor`
            Of the target, ``[N, drawn_channels, h, w]``; the mean in latent units.
        """
        x = self._planes(low, noise, blur)
        if torch.is_grad_enabled():
            h = self.embed_low(_pack(x, self.patch))  # [N, h/2, w/2, C]
            for block in self.reader:
                h = block(h)
            features = self.embed_features(h).permute(0, 3, 1, 2)
            moments = None if self.moments is None else _unpack(self.moments(h), self.patch)
        else:
            features, moments = self._read(x, active)
        scale = self.config.residual_scale
        if moments is None:
            mean = low.new_zeros(len(low), self.drawn_channels, *low.shape[2:])
            return features, mean, torch.full_like(mean, math.log(scale))
        mean, log_sigma = moments.chunk(2, dim=1)
        return features, mean * scale, log_sigma.clamp(*_LOG_SIGMA_LIMITS) + math.log(scale)

    def _planes(self, low, noise, blur):
        """What the network is told of the input, ``[N, 3 or 5, h, w]``."""
        plane = noise if noise.dim() == 4 else noise[:, None, None, None].expand_as(low)
        level = torch.log(plane / self.config.reference_noise)
        planes = [torch.asinh(low / self.config.field_scale), low / (low.abs() + 1000.0), level]
        if self.config.draws_low:
            planes.append(blur)
        return torch.cat(planes, dim=1)

    def _read(self, planes, active):
        """Features and moments in bands, without gradients."""
        channels, patch = self.config.channels, self.patch
        height, width = (side // patch for side in planes.shape[2:])
        features = planes.new_zeros(len(planes), height, width, channels)
        count = 0 if self.moments is None else 2 * self.drawn_channels
        moments = planes.new_zeros(len(planes), count, *planes.shape[2:])
        for n, one in enumerate(planes):

            def leave(rows, columns, h, n=n):
                features[n, rows, columns] = self.embed_features(h)
                if count:
                    moments[(n, slice(None), *_finer(patch, rows, columns))] = _unpack(self.moments(h)[None], patch)[0]

            bands = Bands((height, width), planes.device, None if active is None else active[n])
            bands.run(self.reader, channels, enter=_entrance(self.embed_low, one, patch), leave=leave)
        return features.permute(0, 3, 1, 2), moments if count else None

    def split(self, drawn, low):
        """
        What is drawn, where the low-resolution field is a part of it.

        Parameters
        ----------
        drawn : `torch.Tensor`
            ``[N, latent_channels + 1, h, w]``.
        low : `torch.Tensor`
            The field given, in Gauss, ``[N, 1, h, w]``.

        Returns
        -------
        residual : `torch.Tensor`
            From the latent of the clean low-resolution field, ``[N, latent_channels, h, w]``.
        clean : `torch.Tensor`
            Low-resolution field in Gauss without the noise and blur of the one given, ``[N, 1, h, w]``.
        """
        scale = self.config.field_scale
        change = drawn[:, -1:]
        return drawn[:, :-1], denormalize(normalize(low, scale=scale) + change, scale=scale)

    def join(self, residual, clean, low):
        """Invert `split`."""
        scale = self.config.field_scale
        return torch.cat([residual, normalize(clean, scale=scale) - normalize(low, scale=scale)], dim=1)

    def forward(self, noisy, timestep, features, active=None):
        """
        Predict the velocity of the whitened remainder.

        Parameters
        ----------
        noisy : `torch.Tensor`
            The noised remainder, ``[N, drawn_channels, h, w]``.
        timestep : `torch.Tensor`
            Diffusion time 0 to 999, ``[N]``.
        features : `torch.Tensor`
            From `condition`, ``[N, channels, h / 2, w / 2]``.
        active : `torch.Tensor`, optional
            As for `condition`.

        Returns
        -------
        `torch.Tensor`
            ``[N, drawn_channels, h, w]``.
        """
        embedding = self.time(timestep_features(timestep, 128).to(features.dtype))
        seen = features.permute(0, 2, 3, 1)
        if not torch.is_grad_enabled():
            return self._step(noisy, embedding, seen, active)
        h = self.embed_noisy(_pack(noisy, self.patch)) + seen
        for block in self.stack:
            h = block(h, embedding)
        return _unpack(self.velocity(self.norm(h)), self.patch)

    def _step(self, noisy, embedding, seen, active):
        """`forward` in bands, without gradients."""
        result, patch = torch.zeros_like(noisy), self.patch
        for n, one in enumerate(noisy):
            embed = _entrance(self.embed_noisy, one, patch)

            def enter(rows, columns, n=n, embed=embed):
                return embed(rows, columns).to(seen.dtype).add_(seen[n, rows, columns])

            def leave(rows, columns, h, n=n):
                drawn = _unpack(self.velocity(self.norm(h))[None], patch)[0]
                result[(n, slice(None), *_finer(patch, rows, columns))] = drawn

            bands = Bands(seen.shape[1:3], noisy.device, None if active is None else active[n])
            bands.run(self.stack, self.config.channels, enter=enter, leave=leave, embedding=embedding[n : n + 1])
        return result


def _finer(patch, *windows):
    """The same windows on the grid of the input."""
    return tuple(slice(patch * window.start, patch * window.stop) for window in windows)


def _entrance(embed, planes, patch):
    """What enters a stack of blocks at a place, of an input ``[c, h, w]``."""
    return lambda rows, columns: embed(_pack(planes[(slice(None), *_finer(patch, rows, columns))][None], patch))[0]


def _pack(x, patch):
    return F.pixel_unshuffle(x, patch).permute(0, 2, 3, 1).contiguous()  # [N, h/p, w/p, C p p]


def _unpack(x, patch):
    return F.pixel_shuffle(x.permute(0, 3, 1, 2), patch)  # [N, C, h, w]
