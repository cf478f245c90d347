"""The diffusion network: one part reads the input once, the other part denoises at every step."""

import math

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from sunpy_magsr.models.layers import Bands, LocalBlock, denormalize, normalize, start_at_zero, timestep_features

_LOG_SIGMA_LIMITS = (-5.0, 3.0)


class MagnetogramDenoiser(ModelMixin, ConfigMixin):
    r"""
    The probability distribution of a latent, given the low-resolution field.

    With ``residual`` and ``whitened`` (the model ``ldm-res``), the network describes the residual
    :math:`r = E(\mathrm{hr}) - E(\mathrm{up(lr)})` (Ramunno et al. 2025, :doi:`10.1051/0004-6361/202453205`), where
    *E* encodes a field. The residual is split into a mean and a scale, which are predicted, and a whitened remainder:
    :math:`r = \mu + \sigma w` (after CorrDiff, Mardani et al. 2025, :doi:`10.1038/s43247-025-02042-5`). `condition`
    predicts :math:`\mu`, :math:`\sigma` and features once for each image. `forward` predicts the diffusion velocity of
    :math:`w` at one step. Both work on blocks of 2 x 2 low-resolution pixels, and each result depends on a neighborhood
    only.

    Without ``whitened``, :math:`\mu = 0` and :math:`\sigma` is one number for all images. Without ``residual``, the
    network describes the latent :math:`E(\mathrm{hr})` itself (the model ``ldm``, and ``ddpm``, where the latent is the
    pixels).

    Parameters
    ----------
    latent_channels : `int`
        The number of channels of the latent. Defaults to 8.
    channels : `int`
        The number of channels in the layers of the network. Defaults to 192.
    condition_blocks : `int`
        The number of blocks of the part that reads the input. Defaults to 8.
    denoiser_blocks : `int`
        The number of blocks of the part that denoises. Defaults to 5.
    field_scale : `float`
        The scale of the asinh normalization of the input, in Gauss. Defaults to 40.
    residual_scale : `float`
        The root mean square of the residual (or latent) over the training data, which is the unit of :math:`\mu` and
        :math:`\sigma`. Defaults to 1.
    reference_noise : `float`
        The noise in Gauss whose logarithm the network sees as zero; see `condition`. Defaults to 3.
    residual : `bool`
        Whether the network describes the residual (`True`, the default) or the latent itself.
    whitened : `bool`
        Whether the mean and the scale are predicted. Defaults to `True`.
    draws_low : `bool`
        Whether the network also draws the low-resolution field that an instrument without noise and blur would see. It
        is one more channel after those of the latent: the difference between its asinh and that of the field given.
        Defaults to `False`.
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
        self.moments = start_at_zero(nn.Linear(channels, 2 * packed)) if whitened else None
        self.time = nn.Sequential(nn.Linear(128, channels), nn.SiLU(), nn.Linear(channels, channels), nn.SiLU())
        self.embed_noisy = nn.Linear(packed, channels)
        self.embed_features = nn.Linear(channels, channels)
        self.stack = nn.ModuleList(LocalBlock(channels, embedding=channels) for _ in range(denoiser_blocks))
        self.norm = nn.LayerNorm(channels)
        self.velocity = start_at_zero(nn.Linear(channels, packed))

    @property
    def drawn_channels(self):
        """The number of channels that are drawn: those of the latent, and one for the low-resolution field if drawn."""
        return self.config.latent_channels + int(self.config.draws_low)

    @property
    def condition_halo(self):
        """How many low-resolution pixels around a tile have an influence on what `condition` returns for it."""
        return self.patch * 2 * self.config.condition_blocks

    @property
    def step_halo(self):
        """How many low-resolution pixels around a tile have an influence on one denoising step."""
        return self.patch * 2 * self.config.denoiser_blocks

    def condition(self, low, noise, blur=None, active=None):
        r"""Read the low-resolution fields."""
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
        """The numbers that the network sees of the input, ``[N, 3 or 5, h, w]``."""
        plane = noise if noise.dim() == 4 else noise[:, None, None, None].expand_as(low)
        level = torch.log(plane / self.config.reference_noise)
        planes = [torch.asinh(low / self.config.field_scale), low / (low.abs() + 1000.0), level]
        if self.config.draws_low:
            planes.append(blur)
        return torch.cat(planes, dim=1)

    def _read(self, planes, active):
        """The features and the moments, computed in bands and without gradients."""
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
        """Split what a network with ``draws_low`` has drawn into its two parts."""
        scale = self.config.field_scale
        change = drawn[:, -1:]
        return drawn[:, :-1], denormalize(normalize(low, scale=scale) + change, scale=scale)

    def join(self, residual, clean, low):
        """Join the two parts that a network with ``draws_low`` draws; the inverse of `split`."""
        scale = self.config.field_scale
        return torch.cat([residual, normalize(clean, scale=scale) - normalize(low, scale=scale)], dim=1)

    def forward(self, noisy, timestep, features, active=None):
        r"""Predict the diffusion velocity of the whitened remainder :math:`w` at one step."""
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
    """A function that gives what enters a stack of blocks in a window, of an input ``[c, h, w]``."""
    return lambda rows, columns: embed(_pack(planes[(slice(None), *_finer(patch, rows, columns))][None], patch))[0]


def _pack(x, patch):
    return F.pixel_unshuffle(x, patch).permute(0, 2, 3, 1).contiguous()  # [N, h/p, w/p, C p p]


def _unpack(x, patch):
    return F.pixel_shuffle(x.permute(0, 3, 1, 2), patch)  # [N, C, h, w]
