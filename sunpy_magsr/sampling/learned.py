"""Diffusion and regression models, evaluated in tiles."""

import contextlib
import functools

import torch
from diffusers import DDIMScheduler
from tqdm.auto import tqdm

from sunpy_magsr.instrument import instrument_of
from sunpy_magsr.models.layers import spread_factor
from sunpy_magsr.sampling.noise import noise_field
from sunpy_magsr.sampling.tiles import Frame, on_device, usable_device

_TILE = 1280
_ROWS = 32


class DiffusionBackend:
    """
    Draw latents from a diffusion model and decode them.

    Each evaluation of a network is divided into tiles, with a halo around each tile as wide as that network sees. The
    latents of the whole frame are kept between the evaluations, so that the borders of tiles change the result by
    rounding only. Latents farther than 8 input pixels from a measured pixel are zero, and the networks see zeros there.

    Parameters
    ----------
    autoencoder : ``MagnetogramAutoencoder`` or ``PixelCodec``
        The autoencoder, which maps fields to latents and back.
    denoiser : ``MagnetogramDenoiser``
        The network that describes the distribution of the latents.
    scheduler : `diffusers.SchedulerMixin`
        The scheduler, which takes the steps of the sampling.
    card : `~sunpy_magsr.store.ModelCard`
        The facts about the model.
    tile : `int`
        The side of a tile in input pixels, which matters for memory and speed only. Defaults to 1280.
    half : `bool`, optional
        Whether the denoiser multiplies in bfloat16 during the steps of the sampling. By default it does so on a GPU.
        The networks that read the input and decode latents never do: half precision is too coarse for kilogauss.
    """

    def __init__(self, autoencoder, denoiser, scheduler, card, *, tile=_TILE, half=None):
        self.autoencoder = autoencoder.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.denoiser = denoiser.eval().requires_grad_(False)
        self.scheduler = scheduler
        self.card = card
        self.tile = tile
        self.half = half

    @torch.inference_mode()
    def samples(
        self,
        magnetogram,
        *,
        n_samples=1,
        seed=0,
        steps=None,
        noise=noise_field,
        independent=True,
        device=None,
        batch_size=None,
        progress=False,
    ):
        """Yield ``n_samples`` fields; see ``sunpy_magsr.sampling.backends.Backend.samples``."""
        device = usable_device(device)
        steps = steps or self.card.steps
        self.autoencoder.to(device)
        self.denoiser.to(device)
        frame = Frame(magnetogram, self.tile, device, batch_size)
        total = frame.count() * (1 + n_samples * steps) + frame.count(decoded=True) * n_samples
        with tqdm(total=total, disable=None if progress else True, unit="tile") as bar:
            frame.bar = bar
            condition = self._condition(frame, magnetogram)
            for sample in range(n_samples):
                number, sign = (sample, 1) if independent else (sample // 2, 1 - 2 * (sample % 2))
                draw = functools.partial(noise, seed=seed, sample=number)
                whitened = self._denoise(frame, condition[0], draw, sign, steps)
                yield self._decode(frame, condition, whitened)

    def _condition(self, frame, magnetogram):
        """Features ``[1, C, h/2, w/2]``, and base and scale of what is drawn ``[1, c, h, w]``."""
        kind = "radial" if magnetogram.is_radial else "los"
        limit = self.card.sigma_limit.get(kind)
        half = 1 / self.denoiser.patch
        config, instrument = self.denoiser.config, instrument_of(magnetogram, self.card)
        is_los_cea = magnetogram.is_cea and kind == "los"
        spread = (is_los_cea and self.card.spread_cea) or self.card.spread
        features = base = scale = None
        if config.draws_low:
            noise = frame.extend(instrument.noise)
        else:
            levels = self.card.noise
            noise = torch.full_like(frame.low, levels.get("los_cea", levels["los"]) if is_los_cea else levels[kind])
        width = instrument.fwhm, instrument.fwhm_error
        sources = [(frame.low, 1), (noise, 1), (frame.near(half), half)]
        for chosen, (low, level, near) in frame.batches(self.denoiser.condition_halo, sources):
            blur = low.new_tensor(width)[None, :, None, None].expand(len(chosen), -1, *low.shape[2:])
            found, mean, log_sigma = self.denoiser.condition(low, level, blur, near[:, 0] > 0)
            features = frame.put(features, chosen, found, half)
            base = frame.put(base, chosen, mean)
            scale = frame.put(scale, chosen, log_sigma.exp().clamp(max=limit) if limit else log_sigma.exp())
        if config.residual and not config.draws_low:
            for chosen, (low,) in frame.batches(self.autoencoder.halo, [(frame.low, 1)], size=frame.fine):
                base = frame.put(base, chosen, self.autoencoder.encode_low(low), add=True)
        if spread:
            scale = scale * spread_factor(frame.low, noise, **spread)
        return features, base * frame.near(1), scale * frame.near(1)

    def _denoise(self, frame, features, draw, sign, steps):
        """The whitened remainder ``[1, c, h, w]``: the probability-flow equation is solved, starting from noise."""
        channels = self.denoiser.drawn_channels
        noise = draw((channels, *frame.shape), origin=frame.origin)
        state = sign * on_device(noise, frame.device)[None]
        scheduler = type(self.scheduler).from_config(self.scheduler.config)
        scheduler.set_timesteps(steps)
        half = 1 / self.denoiser.patch
        for timestep in scheduler.timesteps:
            velocity = None
            sources = [(state, 1), (features, half), (frame.near(half), half)]
            for chosen, (noisy, seen, near) in frame.batches(self.denoiser.step_halo, sources):
                time = timestep.to(noisy.device).expand(len(chosen))
                with self._number_format(frame.device):
                    found = self.denoiser(noisy, time, seen, near[:, 0] > 0)
                velocity = frame.put(velocity, chosen, found)
            state = _advance(scheduler, velocity * frame.near(1), timestep, state)
        return state

    def _number_format(self, device):
        half = device.type == "cuda" if self.half is None else self.half
        return torch.autocast(device.type, torch.bfloat16) if half else contextlib.nullcontext()

    def _decode(self, frame, condition, whitened):
        _, base, scale = condition
        sources = [(base + scale * whitened, 1), (frame.low, 1)]
        if self.denoiser.config.draws_low:
            return frame.decode(2 * self.autoencoder.halo, sources, self._decode_drawn, self.card.factor)
        return frame.decode(self.autoencoder.halo, sources, self.autoencoder.decode, self.card.factor)

    def _decode_drawn(self, drawn, low):
        residual, clean = self.denoiser.split(drawn, low)
        return self.autoencoder.decode(residual + self.autoencoder.encode_low(clean), clean, exact=False)


def _advance(scheduler, velocity, timestep, state):
    """One step of a scheduler. DDIM, which keeps no earlier steps, takes the frame in parts that fit into the cache."""
    size = _ROWS if isinstance(scheduler, DDIMScheduler) else state.shape[2]
    parts = zip(velocity.split(size, dim=2), state.split(size, dim=2), strict=True)
    return torch.cat([scheduler.step(one, timestep, at).prev_sample for one, at in parts], dim=2)


_REGRESSION_TILE = 192


class RegressionBackend:
    """
    Predict the high-resolution field with a network.

    Each tile has a halo as wide as the network sees, so that the borders of tiles change the result by rounding only.

    Parameters
    ----------
    network : ``Enhance`` or ``Progressive``
        The network, which maps low-resolution fields in Gauss to high-resolution ones.
    card : `~sunpy_magsr.store.ModelCard`
        The facts about the model.
    tile : `int`
        The side of a tile in input pixels, which matters for memory and speed only. Defaults to 192.
    """

    def __init__(self, network, card, *, tile=_REGRESSION_TILE):
        self.network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.card = card
        self.tile = tile

    @torch.inference_mode()
    def samples(self, magnetogram, *, device=None, batch_size=None, progress=False, **_options):
        """Yield the one result; see ``sunpy_magsr.sampling.backends.Backend.samples``."""
        device = usable_device(device)
        self.network.to(device)
        frame = Frame(magnetogram, self.tile, device, batch_size)
        with tqdm(total=frame.count(decoded=True), disable=None if progress else True, unit="tile") as bar:
            frame.bar = bar
            yield frame.decode(self.network.halo, [(frame.low, 1)], self.network, self.card.factor)
