"""The latent diffusion model with residuals, in tiles."""

import numpy as np
import scipy.ndimage
import torch
from tqdm import tqdm

from sunpy_magsr.tiling import noise_field, tiles

__all__ = ["DiffusionBackend"]

_TILE = 192
_MARGIN = 24


class DiffusionBackend:
    """
    Sample the residual's distribution and decode it.

    Every network evaluation is tiled on its own, with a halo as wide as that network sees, and the latents of the
    whole frame live between evaluations: a tile border changes nothing but rounding. Latents farther than 24 input
    pixels from a measured one are zero, whether or not a tile covers them.

    Parameters
    ----------
    autoencoder : `~sunpy_magsr.models.autoencoder.MagnetogramAutoencoder`
        Between Gauss and latents.
    denoiser : `~sunpy_magsr.models.denoiser.ResidualDenoiser`
        The residual's distribution.
    scheduler : `diffusers.SchedulerMixin`
        The sampler.
    card : `~sunpy_magsr.catalog.ModelCard`
        Facts about the model.
    tile : `int`
        Side of a tile in input pixels; a matter of memory and speed only.
    """

    def __init__(self, autoencoder, denoiser, scheduler, card, *, tile=_TILE):
        self.autoencoder = autoencoder.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.denoiser = denoiser.eval().requires_grad_(False)
        self.scheduler = scheduler
        self.card = card
        self.tile = tile

    @torch.inference_mode()
    def samples(self, magnetogram, *, n_samples=1, seed=0, steps=None, device=None, batch_size=None, progress=False):
        """Yield ``n_samples`` fields; see `sunpy_magsr.backends.base.Backend.samples`."""
        device = _usable(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        batch_size = batch_size or (1 if device.type == "cpu" else 16)
        steps = steps or self.card.steps
        self.autoencoder.to(device)
        self.denoiser.to(device)
        frame = _Frame(magnetogram, self.tile, device, batch_size)
        total = frame.count(frame.active) * (1 + n_samples * steps) + frame.count(frame.visible) * n_samples
        with tqdm(total=total, disable=None if progress else True, unit="tile") as bar:
            frame.bar = bar
            condition = self._condition(frame, magnetogram.is_radial)
            for sample in range(n_samples):
                whitened = self._denoise(frame, condition[0], seed, sample, steps)
                yield self._decode(frame, condition, whitened)

    def _condition(self, frame, is_radial):
        """Features ``[1, C, h/2, w/2]``, and the residual's latent base and scale ``[1, c, h, w]``."""
        kind = "radial" if is_radial else "los"
        noise, limit = self.card.noise[kind], self.card.sigma_limit.get(kind)
        half = 1 / self.denoiser.patch
        channels = self.denoiser.config
        height, width = frame.shape
        features = frame.empty(channels.channels, int(height * half), int(width * half))
        base = frame.empty(channels.latent_channels, height, width)
        scale = torch.zeros_like(base)
        halo = max(self.denoiser.condition_halo, self.autoencoder.halo)
        for chosen, (low,) in frame.batches(frame.active, halo, [(frame.low, 1)]):
            level = torch.full((len(chosen),), noise, device=low.device)
            found, mean, log_sigma = self.denoiser.condition(low, level)
            frame.put(features, chosen, found, half)
            frame.put(base, chosen, mean + self.autoencoder.encode_low(low))
            frame.put(scale, chosen, log_sigma.exp().clamp(max=limit) if limit else log_sigma.exp())
        return features * frame.near(half), base * frame.near(1), scale * frame.near(1)

    def _denoise(self, frame, features, seed, sample, steps):
        """The whitened remainder ``[1, c, h, w]`` by solving the probability-flow equation from the noise."""
        channels = self.denoiser.config.latent_channels
        noise = noise_field((channels, *frame.shape), origin=frame.origin, seed=seed, sample=sample)
        state = torch.from_numpy(noise)[None].to(frame.low.device)
        scheduler = type(self.scheduler).from_config(self.scheduler.config)
        scheduler.set_timesteps(steps)
        half = 1 / self.denoiser.patch
        for timestep in scheduler.timesteps:
            velocity = torch.zeros_like(state)
            sources = [(state, 1), (features, half)]
            for chosen, (noisy, seen) in frame.batches(frame.active, self.denoiser.step_halo, sources):
                time = timestep.to(noisy.device).expand(len(chosen))
                frame.put(velocity, chosen, self.denoiser(noisy, time, seen))
            state = scheduler.step(velocity * frame.near(1), timestep, state).prev_sample
        return state

    def _decode(self, frame, condition, whitened):
        _, base, scale = condition
        factor = self.card.factor
        latent = base + scale * whitened
        high = np.zeros([factor * side for side in frame.shape], dtype=np.float32)
        sources = [(latent, 1), (frame.low, 1)]
        for chosen, (z, low) in frame.batches(frame.visible, self.autoencoder.halo, sources):
            decoded = self.autoencoder.decode(z, low).cpu().numpy()
            for tile, field in zip(chosen, decoded, strict=True):
                fine = tile.scaled(factor)
                high[fine.core] = field[0][fine.inner]
        window = tuple(slice(factor * part.start, factor * part.stop) for part in frame.window)
        return np.ascontiguousarray(high[window])


def _usable(name):
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        msg = f"device must be a torch device of this machine, such as 'cpu' or 'cuda', got {name!r}."
        raise ValueError(msg) from error


class _Frame:
    """The input continued beyond its edges onto the absolute grid, and its tiles."""

    def __init__(self, magnetogram, tile, device, batch_size):
        before = [_MARGIN + (start - _MARGIN) % 2 for start in magnetogram.origin]
        after = [_MARGIN + (side + first) % 2 for side, first in zip(magnetogram.data.shape, before, strict=True)]
        around = tuple(zip(before, after, strict=True))
        low = np.pad(magnetogram.data, around, mode="edge")
        valid = np.pad(magnetogram.valid, around)
        self.shape = low.shape
        self.origin = tuple(start - first for start, first in zip(magnetogram.origin, before, strict=True))
        self.window = tuple(
            slice(first, first + side) for first, side in zip(before, magnetogram.data.shape, strict=True)
        )
        self.low = torch.from_numpy(low)[None, None].to(device)
        self.visible = valid
        near = scipy.ndimage.maximum_filter(valid, 2 * _MARGIN + 1)
        self.active = (
            near.reshape(near.shape[0] // 2, 2, near.shape[1] // 2, 2).max(axis=(1, 3)).repeat(2, 0).repeat(2, 1)
        )
        self.tile, self.batch_size = tile, batch_size
        self.bar = None

    def count(self, wanted):
        """How many tiles hold a wanted pixel."""
        return len(tiles(self.shape, size=self.tile, halo=0, wanted=wanted))

    def near(self, factor):
        """1 where a measured pixel is near, else 0, ``[1, 1, y, x]`` on the frame's grid or one that is coarser."""
        step = round(1 / factor)
        return torch.from_numpy(self.active[::step, ::step].astype(np.float32))[None, None].to(self.low.device)

    def empty(self, channels, height, width):
        return torch.zeros((1, channels, height, width), device=self.low.device)

    def batches(self, wanted, halo, sources):
        """Yield lists of tiles of one shape, and the sources ``(tensor, grid factor)`` cut out for them."""
        groups = {}
        for tile in tiles(self.shape, size=self.tile, halo=halo + halo % 2, wanted=wanted):
            groups.setdefault(tile.shape, []).append(tile)
        for group in groups.values():
            for start in range(0, len(group), self.batch_size):
                chosen = group[start : start + self.batch_size]
                cut = []
                for tensor, factor in sources:
                    windows = [tile.scaled(factor).padded for tile in chosen]
                    cut.append(torch.cat([tensor[:, :, y, x] for y, x in windows]))
                yield chosen, cut
                self.bar.update(len(chosen))

    @staticmethod
    def put(target, chosen, values, factor=1):
        """Write the cores of the tiles' values into the frame."""
        for tile, value in zip(chosen, values, strict=True):
            place = tile.scaled(factor)
            y, x = place.inner
            target[0][(slice(None), *place.core)] = value[:, y, x].to(target.dtype)
