"""Pairs of fields for fine-tuning: what MDI saw or would have seen, and the high-resolution field."""

import numpy as np
import torch

from sunpy_magsr.forward_model import MDI_NOISE, MDI_PSF_FWHM, MDI_PSF_FWHM_SPREAD, local_noise
from sunpy_magsr.models.observation import RESAMPLINGS, observe

__all__ = ["MARGIN", "PairSampler"]

#: High-resolution pixels around a patch that its edge is simulated from.
MARGIN = 28
_FACTOR = 4
_PIXEL = 2.0  # arcsec
_LARGEST_ANGLE = np.radians(26.4)  # solar north against the ecliptic's, by which frames are often turned
_TURNED = 0.6  # of the resampled frames; the others are shifted
_NOISE_ERROR = 0.06  # of the local estimate, relative


class PairSampler:
    """
    Batches of high-resolution fields, each with the low-resolution field, its noise and what is known of its blur.

    Simulated pairs are drawn from the patches of a sampler: each gets a gain, a noise, a relative error of the
    response, a point-spread function and a resampling at random (`~sunpy_magsr.models.observation.observe`), and both
    fields are on MDI's scale. What is said of the blur is itself drawn: a standard deviation, and an expectation that is
    off by so much, so that the network learns to weigh what it is told against what it sees. Observed pairs are on the
    scales of their instruments, or both on that of the low-resolution one (``scale``); their noise is estimated as it is for an input of `sunpy_magsr.superresolve`.

    Parameters
    ----------
    sampler : `~sunpy_magsr.training.data.samplers.PatchSampler`
        Of patches with a margin of `MARGIN` pixels.
    stage : `~sunpy_magsr.training.config.FinetuneConfig`
        Which pairs, and the ranges.
    """

    def __init__(self, sampler, stage):
        self.sampler, self.stage = sampler, stage

    def batch(self, number, size):
        """
        Make one batch, which depends on the sampler's seed and its number alone.

        Parameters
        ----------
        number, size : `int`
            Number of the batch, and of the patches in it.

        Returns
        -------
        high : `numpy.ndarray`
            float32 Gauss ``[size, 1, patch, patch]``.
        given : `numpy.ndarray`
            float32 ``[size, 4, patch / 4, patch / 4]``: the low-resolution field and its noise in Gauss, and expectation
            and standard deviation of the FWHM of its point-spread function in its pixels.
        """
        if self.stage.pairs == "observed":
            return self._observed(number, size)
        stage = self.stage
        high, _ = self.sampler.batch(number, size)
        rng = np.random.default_rng([self.sampler.seed, number, size])
        high = high / np.exp(rng.uniform(*np.log(stage.gain), size)).astype(np.float32)[:, None, None, None]
        fwhm = rng.uniform(*stage.psf_fwhm, size)
        shares = [1 - sum(stage.resampled), *stage.resampled]
        low, noise = observe(
            torch.from_numpy(high),
            margin=MARGIN,
            psf_fwhm=_FACTOR / _PIXEL * fwhm,
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
        """Names of the magnetograms in a `batch`."""
        return self.sampler.names(number, size, pairs=self.stage.pairs == "observed")

    def _observed(self, number, size):
        high, low, _ = self.sampler.pair_batch(number, size, scale=self.stage.scale)
        everywhere = np.ones(low.shape[2:], dtype=bool)
        noise = np.stack([[local_noise(field[0], everywhere, MDI_NOISE[300])] for field in low])
        blur = [np.full(low.shape, one.value / _PIXEL) for one in (MDI_PSF_FWHM, MDI_PSF_FWHM_SPREAD)]
        inner, edge = slice(MARGIN, -MARGIN), slice(MARGIN // _FACTOR, -MARGIN // _FACTOR)
        given = np.concatenate([low, noise, *blur], axis=1).astype(np.float32)
        return np.ascontiguousarray(high[..., inner, inner]), np.ascontiguousarray(given[..., edge, edge])
