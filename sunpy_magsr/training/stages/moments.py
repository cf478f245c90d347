"""Moments of samples against those of the truth, by strength of the input and wavelength, as a part of the loss."""

import itertools
import math

import torch
from torch import nn

__all__ = ["MomentRatios", "bands_of", "cosine_transform"]

_EDGES = (1 / 16, 1 / 8, 1 / 4, 3 / 8, 1 / 2)  # cycles / pixel: 8, 4, 2, 1.33 and 1 arcsec
_STRATA = (20.0, 60.0, 200.0)  # Gauss
_SIDE = 8  # pixels, of the blocks
_MEMORY = 0.95  # of the running means, at each batch
_LEAST_SHARE = 1e-3  # of the blocks, for a stratum to count


def cosine_transform(field, side):
    """
    Transform blocks of a field into waves, with an orthonormal cosine transform (DCT-II).

    Parameters
    ----------
    field : `torch.Tensor`
        Fields, ``[N, 1, H, W]``.
    side : `int`
        Side of a block in pixels. Pixels that fill no block at the far edges are left out.

    Returns
    -------
    `torch.Tensor`
        Coefficients ``[N, side side, H / side, W / side]``, by the vertical and then the horizontal wave number. The first is
        ``side`` times the block's mean.
    """
    place = torch.arange(side, device=field.device, dtype=field.dtype) + 0.5
    waves = torch.cos(math.pi / side * place * torch.arange(side, device=field.device)[:, None]) * math.sqrt(2 / side)
    waves[0] /= math.sqrt(2)
    kernel = torch.einsum("ay,bx->abyx", waves, waves).reshape(side**2, 1, side, side)
    return nn.functional.conv2d(field, kernel, stride=side)


def bands_of(side, device):
    """
    Say which coefficients of `cosine_transform` belong to which band of wavelength and direction.

    Parameters
    ----------
    side : `int`
        Side of the blocks in pixels.
    device : `torch.device`
        Device of the result.

    Returns
    -------
    `torch.Tensor`
        bool ``[8, side side]``: wavelengths of 16 to 8, 8 to 4, 4 to 2.7 and 2.7 to 2 pixels, each within 22.5 degrees of
        the axes and then of the diagonals. Power that prefers the axes shows the lattice of the input's pixels.
    """
    index = torch.arange(side, device=device)
    wavenumber = (index[:, None] ** 2 + index**2).sqrt().flatten() / (2 * side)  # cycles / pixel
    larger, smaller = (part(index[:, None], index[None]).flatten() for part in (torch.maximum, torch.minimum))
    is_diagonal = smaller > math.tan(math.pi / 8) * larger
    bands = [(low <= wavenumber) & (wavenumber < high) for low, high in itertools.pairwise(_EDGES)]
    return torch.stack([band & chosen for band in bands for chosen in (~is_diagonal, is_diagonal)])


class MomentRatios(nn.Module):
    """
    Loss of moments that are equal if the truth could be one of the samples: the mean squared logarithm of their ratios.

    The moments are taken of the coefficients of cosine transforms, in each band of wavelengths and in strata of the field
    that was given. Three ratios are compared with 1: the mean absolute values of samples and truth, their mean squares, and
    the mean squared difference of two samples over that of a sample and the truth. A single batch says little about them,
    so the ratios are those of running means, with the gradient of the batch at hand.

    Parameters
    ----------
    views : iterable of callable
        Transformations of a field, of each of which the moments are taken.
    factor : `int`
        Side of a low-resolution pixel in high-resolution ones.
    """

    def __init__(self, views, *, factor=4):
        super().__init__()
        self.views, self.factor = list(views), factor
        shape = (3 * len(self.views), 2, 2 * (len(_EDGES) - 1), len(_STRATA) + 1)
        self.register_buffer("means", torch.zeros(shape))  # a part of checkpoints

    def forward(self, samples, truth, low):
        """Compare samples with the truth, all as for `~sunpy_magsr.training.stages.scores.SampleScore.forward`."""
        now, shares = self._moments(samples, truth, low)
        if torch.is_grad_enabled():
            memory = _MEMORY if self.means.any() else 0.0
            self.means.mul_(memory).add_(now.detach(), alpha=1 - memory)
        means = self.means + 1e-6 * self.means.mean() + 1e-12
        ratio = (means[:, 0] / means[:, 1]).log()
        relative = (now - now.detach()) / means  # zero, with the gradient of the logarithm at the running means
        weight = (shares > _LEAST_SHARE).to(now)
        return (weight * (ratio.square() + 2 * ratio * (relative[:, 0] - relative[:, 1]))).mean()

    def _moments(self, samples, truth, low):
        """Moments ``[moment, 2, band, stratum]`` of this batch, and the share of the blocks in each stratum."""
        strength = nn.functional.max_pool2d(low.abs(), _SIDE // self.factor).flatten()
        stratum = torch.bucketize(strength, torch.tensor(_STRATA, device=low.device))
        inside = nn.functional.one_hot(stratum, len(_STRATA) + 1).to(samples)  # [blocks, strata]
        bands = bands_of(_SIDE, low.device).to(samples)
        bands = bands / bands.sum(1, keepdim=True)

        def mean(values):
            """Of ``[M, N, c, h, w]`` in each band and stratum."""
            return bands @ values.mean(0).movedim(1, -1).flatten(0, 2).T @ inside / len(inside)

        pairs = []
        for view in self.views:
            of_samples = torch.stack([cosine_transform(view(sample), _SIDE) for sample in samples])
            of_truth = cosine_transform(view(truth), _SIDE)[None]
            others = of_samples.roll(1, 0)
            pairs += [
                (mean(of_samples.abs()), mean(of_truth.abs())),
                (mean(of_samples.square()), mean(of_truth.square())),
                (mean((of_samples - others).square()), mean((of_samples - of_truth).square())),
            ]
        return torch.stack([torch.stack(pair) for pair in pairs]), inside.mean(0)
