"""Pairs of fields for fine-tuning: what MDI saw or would have seen, and the high-resolution field."""

import numpy as np
import torch

from sunpy_magsr.forward_model import MDI_NOISE, MDI_PSF_FWHM, local_noise
from sunpy_magsr.models.degradation import degrade

__all__ = ["MARGIN", "PairSampler"]

#: High-resolution pixels around a patch that its edge is simulated from.
MARGIN = 16
_FACTOR = 4
_PIXEL = 2.0  # arcsec


class PairSampler:
    """
    Batches of high-resolution fields, each with the low-resolution field, its noise and its blur.

    Simulated pairs are drawn from the patches of a sampler: each gets a noise and a point-spread function at random,
    and both fields are on MDI's scale. Observed pairs are on the scales of their instruments; their noise is estimated as
    it is for an input of `sunpy_magsr.superresolve`.

    Parameters
    ----------
    sampler : `~sunpy_magsr.training.data.PatchSampler`
        Of patches with a margin of `MARGIN` pixels.
    stage : `~sunpy_magsr.training.config.FinetuneConfig`
        Which pairs, and the ranges.
    """

    def __init__(self, sampler, stage):
        self.sampler, self.stage = sampler, stage

    def batch(self, number, size):
        """
        One batch; it depends on the sampler's seed and the number alone.

        Parameters
        ----------
        number : `int`
            Which batch.
        size : `int`
            How many patches.

        Returns
        -------
        high : `numpy.ndarray`
            float32 Gauss ``[size, 1, patch, patch]``.
        given : `numpy.ndarray`
            float32 ``[size, 3, patch / 4, patch / 4]``: the low-resolution field and its noise in Gauss, and the FWHM of
            its point-spread function in its pixels.
        """
        if self.stage.pairs == "observed":
            return self._observed(number, size)
        high, _ = self.sampler.batch(number, size)
        high = high * np.float32(self.stage.gain)
        rng = np.random.default_rng([self.sampler.seed, number, size])
        noise = np.exp(rng.uniform(*np.log(self.stage.noise), size))
        fwhm = rng.uniform(*self.stage.psf_fwhm, size) / _PIXEL
        level = torch.from_numpy(noise.astype(np.float32))[:, None, None, None]
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        low = degrade(
            torch.from_numpy(high), factor=_FACTOR, psf_fwhm=_FACTOR * fwhm, noise=level, generator=generator
        ).numpy()
        return _cut(high, low, *(np.broadcast_to(value[:, None, None, None], low.shape) for value in (noise, fwhm)))

    def names(self, number, size):
        """Names of the magnetograms in a `batch`."""
        return self.sampler.names(number, size, pairs=self.stage.pairs == "observed")

    def _observed(self, number, size):
        high, low, _ = self.sampler.pair_batch(number, size)
        everywhere = np.ones(low.shape[2:], dtype=bool)
        noise = np.stack([[local_noise(field[0], everywhere, MDI_NOISE[300])] for field in low])
        return _cut(high, low, noise, np.full(low.shape, MDI_PSF_FWHM.value / _PIXEL))


def _cut(high, *planes):
    inner, edge = slice(MARGIN, -MARGIN), slice(MARGIN // _FACTOR, -MARGIN // _FACTOR)
    given = np.concatenate(planes, axis=1).astype(np.float32)
    return np.ascontiguousarray(high[..., inner, inner]), np.ascontiguousarray(given[..., edge, edge])
