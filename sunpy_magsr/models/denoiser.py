"""The diffusion network: a condition encoder run once, and a denoiser run at every step."""

import math

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from sunpy_magsr.models.normalization import denormalize, normalize

__all__ = ["MagnetogramDenoiser"]

_LOG_SIGMA_LIMITS = (-5.0, 3.0)
_POSITIONS = 4096


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

    def forward(self, x, embedding=None, active=None):
        h = self.spatial(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)  # [N, h, w, C]
        scale = shift = x.new_zeros(len(x), 1)
        if self.modulation is not None:
            scale, shift = self.modulation(embedding).chunk(2, dim=-1)  # [N, C]
        if torch.is_grad_enabled():
            h = self.norm(h) * (1 + scale[:, None, None]) + shift[:, None, None]
            return x + self.contract(F.silu(self.expand(h)))
        for n in range(len(x)):
            weight, bias = self.norm.weight * (1 + scale[n]), self.norm.bias * (1 + scale[n]) + shift[n]
            self._add(x[n], h[n], weight, bias, None if active is None else active[n])
        return x

    def _add(self, x, h, weight, bias, active):
        """Add the block's output to ``x`` in place, few positions at a time, so that they stay in the cache."""
        x, h = x.reshape(-1, x.shape[-1]), h.reshape(-1, x.shape[-1])
        everywhere = torch.arange(len(x), device=x.device) if active is None else active.flatten().nonzero()[:, 0]
        for chosen in everywhere.split(_POSITIONS if x.device.type == "cpu" else len(x)):
            inner = F.layer_norm(h[chosen], weight.shape, weight, bias, self.norm.eps)
            x.index_add_(0, chosen, self.contract(F.silu(self.expand(inner), inplace=True)))


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
        self.embed_low = nn.Linear((4 if draws_low else 3) * self.patch**2, channels)
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
            Width (FWHM) of the point-spread function in low-resolution pixels, ``[N]``; only where the
            low-resolution field is drawn.
        active : `torch.Tensor`, optional
            Where to compute, bool ``[N, h / 2, w / 2]``; the result is of no use elsewhere. Not for training.

        Returns
        -------
        features : `torch.Tensor`
            ``[N, channels, h / 2, w / 2]``.
        mean, log_sigma : `torch.Tensor`
            Of the target, ``[N, drawn_channels, h, w]``; the mean in latent units.
        """
        level = torch.log(_as_plane(noise, low) / self.config.reference_noise)
        strong = low / (low.abs() + 1000.0)
        planes = [torch.asinh(low / self.config.field_scale), strong, level]
        if self.config.draws_low:
            planes.append(_as_plane(blur, low))
        x = torch.cat(planes, dim=1)  # [N, 3 or 4, h, w]
        h = self.embed_low(_pack(x, self.patch))  # [N, h/2, w/2, C]
        for block in self.reader:
            h = block(h, active=active)
        scale = self.config.residual_scale
        if self.moments is None:
            mean = low.new_zeros(len(low), self.drawn_channels, *low.shape[2:])
            return h.permute(0, 3, 1, 2), mean, torch.full_like(mean, math.log(scale))
        mean, log_sigma = self.moments(h).chunk(2, dim=-1)
        log_sigma = _unpack(log_sigma, self.patch).clamp(*_LOG_SIGMA_LIMITS) + math.log(scale)
        return h.permute(0, 3, 1, 2), _unpack(mean, self.patch) * scale, log_sigma

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
        h = self.embed_noisy(_pack(noisy, self.patch)) + self.embed_features(features.permute(0, 2, 3, 1))
        for block in self.stack:
            h = block(h, embedding, active)
        return _unpack(self.velocity(self.norm(h)), self.patch)


def _as_plane(value, low):
    """One number for each image, or one for each of its pixels, as ``[N, 1, h, w]``."""
    return (value if value.dim() == 4 else value[:, None, None, None]).expand_as(low)


def _pack(x, patch):
    return F.pixel_unshuffle(x, patch).permute(0, 2, 3, 1).contiguous()  # [N, h/p, w/p, C p p]


def _unpack(x, patch):
    return F.pixel_shuffle(x.permute(0, 3, 1, 2), patch)  # [N, C, h, w]
