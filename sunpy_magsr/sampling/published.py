"""Models with the architecture and the layout of weights of the published method."""

import itertools

import numpy as np
import scipy.ndimage
import torch
from diffusers import DDPMScheduler
from tqdm.auto import tqdm

from sunpy_magsr.models.autoencoder import upsample
from sunpy_magsr.sampling.noise import noise_field
from sunpy_magsr.sampling.tiles import Tile, usable_device

_CELL = 2  # input pixels along a latent one: 8 output pixels at x4
_TILE = 256
_OVERLAP = 32


class PublishedBackend:
    r"""
    Draw samples from a model with the published architecture (Ramunno et al. 2025, :doi:`10.1051/0004-6361/202453205`).

    The input is interpolated to the grid of the output, divided by ``field_limit`` and encoded by the variational
    autoencoder of Stable Diffusion, *E*. A pixel of the latent is as large as eight output pixels. The U-Net is given
    this latent and the residual with noise. The scheduler turns noise into a residual
    :math:`r = E(\mathrm{hr}) - E(\mathrm{up(lr)})`, and :math:`E(\mathrm{up(lr)}) + r` is decoded.

    The autoencoder and the U-Net have attention and normalization over their whole image. Unlike those of the other
    models, their results therefore depend on the tiles. The tiles lie at fixed places of the frame, also for a cutout,
    and their margins are left out of the result. Near the edge of a cutout, the result differs from that of the frame.

    Parameters
    ----------
    vae : `diffusers.AutoencoderKL`
        The autoencoder, which maps fields to latents and back.
    unet : `diffusers.UNet2DModel`
        The denoiser.
    scheduler : `diffusers.SchedulerMixin`
        The scheduler, which takes the steps of the sampling. The published one has linear betas and 1000 steps.
    card : `~sunpy_magsr.store.ModelCard`
        The facts about the model.
    field_limit : `float`
        The field in Gauss that the network sees as 1. Stronger field is clipped, as it was in the training.
    residual : `bool`
        Whether the residual is drawn (`True`, the default) or the latent itself, as by the published model without
        residuals.
    tile : `int`
        The side of a tile in input pixels. Defaults to 256.
    overlap : `int`
        The margin on each side of a tile that is left out of the result, in input pixels. Defaults to 32.

    Raises
    ------
    ValueError
        If nothing would be left of a tile.
    """

    def __init__(self, vae, unet, scheduler, card, *, field_limit, residual=True, tile=_TILE, overlap=_OVERLAP):
        if tile <= 2 * overlap:
            msg = f"tile of a published model must be larger than two overlaps, got {tile} and {overlap}."
            raise ValueError(msg)
        self.vae = vae.eval().requires_grad_(False)
        self.unet = unet.eval().requires_grad_(False)
        self.scheduler, self.card = scheduler, card
        self.field_limit, self.residual = field_limit, residual
        self.core, self.overlap = tile - 2 * overlap, overlap

    @classmethod
    def load(cls, folder, card):
        """Load a model from its folder."""
        from sunpy_magsr.store.components import load_published

        vae, unet, scheduler, options = load_published(folder)
        return cls(vae, unet, scheduler, card, **options)

    @torch.inference_mode()
    def samples(self, magnetogram, *, n_samples=1, seed=0, steps=None, device=None, progress=False, **_options):
        """Draw samples, one after the other, tile by tile."""
        device = usable_device(device)
        self.vae.to(device)
        self.unet.to(device)
        around = tuple(map(self._around, magnetogram.origin, magnetogram.data.shape))
        low, factor = np.pad(magnetogram.data, around, mode="edge"), self.card.factor
        near = scipy.ndimage.maximum_filter(np.pad(magnetogram.valid, around), 2 * _CELL + 1)
        first = [start - before for start, (before, _) in zip(magnetogram.origin, around, strict=True)]
        window = tuple(
            slice(factor * before, factor * (before + side))
            for (before, _), side in zip(around, magnetogram.data.shape, strict=True)
        )
        chosen = list(self._tiles(near))
        with tqdm(total=n_samples * len(chosen), disable=None if progress else True, unit="tile") as bar:
            for sample in range(n_samples):
                high = np.zeros([factor * side for side in low.shape], dtype=np.float32)
                for tile in chosen:
                    place = [start + part.start for start, part in zip(first, tile.padded, strict=True)]
                    noise = self._noise(tile.shape, place, seed, sample)
                    field = self._field(low[tile.padded], *noise, steps or self.card.steps)
                    fine = tile.scale(factor)
                    high[fine.core] = field[fine.inner]
                    bar.update()
                yield high[window]

    def _around(self, origin, side):
        """Pixels before and after a side of the frame that make whole tiles at fixed places of it."""
        before = self.overlap + origin % self.core
        return before, self.overlap + -(before - self.overlap + side) % self.core

    def _tiles(self, near):
        """Tiles that have a pixel near a measured one in their core."""
        inner = (slice(self.overlap, self.overlap + self.core),) * 2
        starts = [range(self.overlap, side - self.overlap, self.core) for side in near.shape]
        for start in itertools.product(*starts):
            core = tuple(slice(first, first + self.core) for first in start)
            padded = tuple(slice(part.start - self.overlap, part.stop + self.overlap) for part in core)
            if near[core].any():
                yield Tile(core, padded, inner)

    def _noise(self, shape, place, seed, sample):
        """Noise ``[c, h / 2, w / 2]`` of a tile at an absolute place, and the generator for samplers that add some."""
        cell = [start // _CELL for start in place]
        noise = noise_field(
            (self.vae.config.latent_channels, *(side // _CELL for side in shape)), origin=cell, seed=seed, sample=sample
        )
        key = np.random.SeedSequence([seed, sample, *(start % 2**32 for start in cell)])
        return torch.from_numpy(noise)[None], torch.Generator().manual_seed(int(key.generate_state(1)[0]))

    def _field(self, low, noise, generator, steps):
        """Field ``[4 h, 4 w]`` in Gauss of a window ``[h, w]`` of the input."""
        device, scale = self.unet.device, self.vae.config.scaling_factor
        image = upsample(torch.from_numpy(low)[None, None].to(device) / self.field_limit, self.card.factor).clamp(-1, 1)
        seen = scale * self.vae.encode(image.expand(-1, self.vae.config.in_channels, -1, -1)).latent_dist.mode()
        scheduler = type(self.scheduler).from_config(self.scheduler.config)
        scheduler.set_timesteps(steps)
        state = noise.to(device) * scheduler.init_noise_sigma
        ancestral = {"generator": generator} if isinstance(scheduler, DDPMScheduler) else {}
        for timestep in scheduler.timesteps:
            noisy = scheduler.scale_model_input(state, timestep)
            predicted = self.unet(torch.cat([noisy, seen], dim=1), timestep.to(device)).sample
            state = scheduler.step(predicted, timestep, state, **ancestral).prev_sample
        latent = seen + state if self.residual else state
        decoded = self.vae.decode(latent / scale).sample.mean(dim=1)[0]
        return decoded.cpu().numpy() * self.field_limit
