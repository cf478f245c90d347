"""Patches with what an instrument would see of them."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from sunpy_magsr.instrument import MDI_NOISE, MDI_PSF_FWHM
from sunpy_magsr.instrument.noise import local_noise
from sunpy_magsr.instrument.psf import MDI_PSF_FWHM_SPREAD, sampling_kernel
from sunpy_magsr.training.data.store import FACTOR

#: Interpolations of `observe`; the first leaves the instrument's own pixels.
RESAMPLINGS = ("none", "nearest", "bilinear", "bicubic")
_AROUND = 10  # pixels of the instrument around those that are looked for: a turned grid reaches farther at its corners
_HIGH_PASS = (1.0, -2.0, 1.0)
_GAIN = 6.0  # of the second differences along both axes for white noise


def observe(high, *, margin, factor=4, psf_fwhm, noise, relative_error, resampling, angle, shift, generator):
    r"""
    Simulate how an instrument sees high-resolution fields, and how its image is resampled afterwards.

    The instrument sees :math:`d = \langle P * B \rangle (1 + \epsilon) + n` on its own pixels, as in
    `~sunpy_magsr.instrument.degrade`, with white noise *n* and a white relative error :math:`\epsilon` of the
    response. Its pixels may be rotated and shifted against those of the result. The values of the result are then
    interpolated between them, as `sunpy.map.GenericMap.rotate` or `reproject` do it. The fields are given in the frame
    of the result: the resampling loses information, but it does not move the Sun.
    """
    height, width = ((side - 2 * margin) // factor for side in high.shape[2:])
    smooth, reach = _smooth(high, psf_fwhm, factor, margin)
    turned = [(0.0 if kind == 0 else one) for kind, one in zip(resampling, angle, strict=True)]
    moved = np.where(np.asarray(resampling)[:, None] == 0, 0.0, shift)
    cos, sin = (torch.tensor([function(one) for one in turned])[:, None, None] for function in (math.cos, math.sin))
    dy, dx = (torch.from_numpy(moved[:, axis].astype(np.float32))[:, None, None] for axis in (0, 1))
    middle = [(side - 1) / 2 for side in (height, width)]

    # pixels of the instrument, counted on its own grid, and where they lie in the field
    y, x = torch.meshgrid(
        *(torch.arange(-_AROUND, side + _AROUND, dtype=torch.float32) for side in (height, width)), indexing="ij"
    )
    v, u = y - middle[0] - dy, x - middle[1] - dx
    place = [
        margin - reach + factor * (middle[0] + cos * v + sin * u),
        margin - reach + factor * (middle[1] - sin * v + cos * u),
    ]
    seen = _sample(smooth, place, "bilinear")
    level, share = (
        torch.from_numpy(np.asarray(one, np.float32))[:, None, None, None] for one in (noise, relative_error)
    )
    own = level * torch.randn(seen.shape, generator=generator)
    seen = seen * (1 + share * torch.randn(seen.shape, generator=generator)) + own

    # pixels of the result on the instrument's grid
    y, x = torch.meshgrid(*(torch.arange(side, dtype=torch.float32) for side in (height, width)), indexing="ij")
    v, u = y - middle[0], x - middle[1]
    place = [_AROUND + middle[0] + cos * v - sin * u + dy, _AROUND + middle[1] + sin * v + cos * u + dx]
    low, left = seen.new_empty(len(high), 1, height, width), seen.new_empty(len(high), 1, height, width)
    for number, kind in enumerate(RESAMPLINGS):
        chosen = torch.from_numpy(np.flatnonzero(np.asarray(resampling) == number))
        if len(chosen):
            at = [one[chosen] for one in place]
            for target, source in ((low, seen), (left, own)):
                target[chosen] = _sample(source[chosen], at, "nearest" if kind == "none" else kind)
    return low, _noise_estimate(left)


def _smooth(high, psf_fwhm, factor, margin):
    """Compute the means over pixels at every place where one may lie, ``[N, 1, H', W']``, and how far the first lies inside."""
    count = len(high)
    reach = margin - factor
    kernels = [sampling_kernel(one, factor=factor, reach=reach) for one in psf_fwhm]
    weight = torch.from_numpy(np.stack(kernels)).to(high)
    field = high.transpose(0, 1)
    for along in ((slice(None), None, slice(None), None), (slice(None), None, None, slice(None))):
        field = F.conv2d(field, weight[along], groups=count)
    return field.transpose(0, 1), reach


def _sample(field, place, mode):
    """Interpolate a field at places ``[N, h, w]`` along y and x in pixels; those beyond the edge are the edge's."""
    scale = [2 / (side - 1) for side in field.shape[2:]]
    grid = torch.stack([scale[1] * place[1] - 1, scale[0] * place[0] - 1], dim=-1).expand(len(field), -1, -1, -1)
    return F.grid_sample(field, grid, mode=mode, padding_mode="border", align_corners=True)


def _noise_estimate(noise):
    """Compute what the local estimate makes of noise ``[N, 1, h, w]``."""
    kernel = torch.tensor(_HIGH_PASS)
    found = F.conv2d(noise, torch.outer(kernel, kernel)[None, None])
    return found.abs().mean((1, 2, 3)) * math.sqrt(math.pi / 2) / _GAIN


#: High-resolution pixels around a patch that its edge is simulated from.
MARGIN = 28
_PIXEL = 2.0  # arcsec
_LARGEST_ANGLE = np.radians(26.4)  # solar north against the ecliptic's, by which frames are often turned
_TURNED = 0.6  # of the resampled frames; the others are shifted
_NOISE_ERROR = 0.06  # of the local estimate, relative


class PairSampler:
    """
    Batches of high-resolution fields, each with the low-resolution field, its noise and what is known of its blur.

    Simulated pairs are drawn from the patches of a sampler: each gets a gain, a noise, a relative error of the
    response, a point-spread function and a resampling at random (``observe``), and both
    fields are on MDI's scale. What is said of the blur is itself drawn: a standard deviation, and an expectation that is
    off by so much, so that the network learns to weigh what it is told against what it sees. Observed pairs are on the
    scales of their instruments, or both on that of the low-resolution one (``scale``); their noise is estimated as it is for
    an input of `sunpy_magsr.superresolve`. The patches of the sampler have a margin of `MARGIN` pixels.
    """

    def __init__(self, sampler, stage):
        self.sampler, self.stage = sampler, stage

    def batch(self, number, size):
        """Make one batch, which depends on the sampler's seed and its number alone."""
        if self.stage.pairs == "observed":
            return self._observed_batch(number, size)
        stage = self.stage
        high, _ = self.sampler.batch(number, size)
        rng = np.random.default_rng([self.sampler.seed, number, size])
        high = high / np.exp(rng.uniform(*np.log(stage.gain), size)).astype(np.float32)[:, None, None, None]
        fwhm = rng.uniform(*stage.psf_fwhm, size)
        shares = [1 - sum(stage.resampled), *stage.resampled]
        low, noise = observe(
            torch.from_numpy(high),
            margin=MARGIN,
            psf_fwhm=FACTOR / _PIXEL * fwhm,
            noise=np.exp(rng.uniform(*np.log(stage.noise), size)),
            relative_error=rng.uniform(*stage.relative_error, size),
            resampling=rng.choice(len(RESAMPLINGS), size, p=shares),
            angle=rng.uniform(-_LARGEST_ANGLE, _LARGEST_ANGLE, size) * (rng.random(size) < _TURNED),
            shift=rng.uniform(-0.5, 0.5, (size, 2)),
            generator=torch.Generator().manual_seed(int(rng.integers(2**62))),
        )
        noise = noise.numpy() * np.exp(rng.normal(0, _NOISE_ERROR, size))
        spread = rng.uniform(0, stage.psf_fwhm_spread, size) * (rng.random(size) < stage.told_wrong)
        expected = np.maximum(fwhm + rng.normal(0, spread), 0)
        low = low.numpy()
        planes = [noise, expected / _PIXEL, spread / _PIXEL]
        planes = [np.broadcast_to(one[:, None, None, None], low.shape) for one in planes]
        inner = slice(MARGIN, -MARGIN)
        return np.ascontiguousarray(high[..., inner, inner]), np.concatenate([low, *planes], axis=1).astype(np.float32)

    def names(self, number, size):
        """List the names of the magnetograms in a `batch`."""
        return self.sampler.names(number, size, pairs=self.stage.pairs == "observed")

    def _observed_batch(self, number, size):
        high, low, _ = self.sampler.pair_batch(number, size, scale=self.stage.scale)
        everywhere = np.ones(low.shape[2:], dtype=bool)
        noise = np.stack([[local_noise(field[0], everywhere, MDI_NOISE[300])] for field in low])
        blur = [np.full(low.shape, one.value / _PIXEL) for one in (MDI_PSF_FWHM, MDI_PSF_FWHM_SPREAD)]
        inner, edge = slice(MARGIN, -MARGIN), slice(MARGIN // FACTOR, -MARGIN // FACTOR)
        given = np.concatenate([low, noise, *blur], axis=1).astype(np.float32)
        return np.ascontiguousarray(high[..., inner, inner]), np.ascontiguousarray(given[..., edge, edge])
