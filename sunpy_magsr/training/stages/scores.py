"""Proper scores of a few samples as a loss: what makes a sampler of few steps draw from the right distribution."""

import math

import torch
from torch import nn

from sunpy_magsr.models.autoencoder import block_mean
from sunpy_magsr.models.normalization import normalize
from sunpy_magsr.training.stages.moments import MomentRatios, bands_of, cosine_transform

__all__ = ["SampleScore", "band_amplitudes", "border_amplitudes", "fair_crps"]

_SIDES = (8, 16)
_TEXTURE = (20.0, 60.0)  # Gauss: of coefficients, of amplitudes
_BORDERS = 30.0  # Gauss
_SCALE = 5.0  # Gauss
_VIEW_WEIGHTS = {"": 1.0, "_asinh": 2.0}  # of the textures
_MOMENTS = 100.0  # Gauss


def fair_crps(samples, truth):
    r"""
    Continuous ranked probability score of each value, without the bias of few samples.

    :math:`\frac{1}{M}\sum_i |x_i - y| - \frac{1}{2M(M-1)}\sum_{ij} |x_i - x_j|` (Ferro 2014, :doi:`10.1002/qj.2270`),
    whose expectation is least for samples of the truth's distribution.

    Parameters
    ----------
    samples : `torch.Tensor`
        ``[M, ...]``, M of at least 2.
    truth : `torch.Tensor`
        ``[...]``.

    Returns
    -------
    `torch.Tensor`
        ``[...]``.
    """
    count = len(samples)
    pairs = sum((samples[i] - samples[j]).abs() for i in range(count) for j in range(i))
    return (samples - truth).abs().mean(0) - pairs / (count * (count - 1))


def band_amplitudes(coefficients):
    """
    Root mean square of a block's coefficients in octaves of wavelength and the half octave below.

    Parameters
    ----------
    coefficients : `torch.Tensor`
        From `cosine_transform`, ``[N, side side, h, w]``.

    Returns
    -------
    `torch.Tensor`
        ``[N, 4, h, w]``: 16 to 8, 8 to 4, 4 to 2.7 and 2.7 to 2 pixels.
    """
    side = math.isqrt(coefficients.shape[1])
    bands = [coefficients[:, band].square().mean(1) for band in bands_of(side, coefficients.device)]
    return (torch.stack(bands, dim=1) + 1e-2).sqrt()


def border_amplitudes(field, factor):
    """
    Root mean square of the steps across the borders of low-resolution pixels, over squares of 8 of them.

    Parameters
    ----------
    field : `torch.Tensor`
        ``[N, 1, H, W]``.
    factor : `int`
        Side of a low-resolution pixel.

    Returns
    -------
    `torch.Tensor`
        ``[N, 2, n]``: steps along x and along y.
    """
    found = []
    for turned in (field, field.mT):
        steps = turned[..., factor::factor] - turned[..., factor - 1 : -1 : factor]
        window = [min(size, side) for size, side in zip((8 * factor, 7), steps.shape[-2:], strict=True)]
        found.append(nn.functional.avg_pool2d(steps.square(), window).flatten(1))
    return (torch.stack(found, dim=1) + 1e-2).sqrt()


def _textures(field, side):
    """Coefficients of blocks, and their amplitudes in bands."""
    coefficients = cosine_transform(field, side)
    return coefficients, band_amplitudes(coefficients)


#: The field in Gauss, in which strong field says it all, and its asinh, in which a wrong sign amid strong field shows.
_VIEWS = {"": lambda field: field, "_asinh": lambda field: _SCALE * normalize(field, scale=_SCALE)}


class SampleScore(nn.Module):
    r"""
    Loss of samples: scores of pixels, of waves, of unsigned flux, and the squared error of their mean.

    The CRPS of single pixels is blind to how pixels hang together. That of the coefficients of cosine transforms, each in
    units of its mean absolute value, asks for the right power and spread at each wavelength; that of a block's
    amplitude in a band of wavelengths asks again, of a number that varies little, so that missing power costs more. In
    Gauss, strong field says it all, so pixels, coefficients and amplitudes are scored of the field's asinh too. That of
    means of the field's absolute value asks for the right flux, and that of the steps across the borders of the input's
    pixels, to which all others are blind, for no traces of them. The product of two samples' errors has the squared error
    of the ensemble's mean as its expectation, and so weighs strong field more without touching the spread.

    Scores are content with a spread that is too small where the truth's distribution has longer tails than the samples.
    So moments are matched too; see `~sunpy_magsr.training.stages.moments.MomentRatios`.

    Training on such scores: Pacchiardi et al. 2024, https://jmlr.org/papers/v25/23-0038.html; of diffusion models with
    few steps: De Bortoli et al. 2025, arXiv:2502.02483; of weather forecasts: Lang et al. 2024, arXiv:2412.15832.

    Parameters
    ----------
    scales : `dict`
        Of the field and of its asinh, by side of the blocks: the mean absolute value of each coefficient and the mean of
        each band's amplitude; and the mean of the amplitude of steps across borders. From `measure`.
    factor : `int`
        Side of a low-resolution pixel.
    squared_weight : `float`
        Of the squared error of the mean, 1 / Gauss. Its gradient is the noisiest: with 1e-2 the spread stayed too small.
    """

    def __init__(self, scales, *, factor=4, squared_weight=1e-3):
        super().__init__()
        self.scales, self.factor, self.squared_weight = scales, factor, squared_weight
        self.moments = MomentRatios(_VIEWS.values(), factor=factor)

    @classmethod
    def measure(cls, fields, **options):
        """Scales from an iterable of batches ``[N, 1, H, W]`` in Gauss."""
        fields = list(fields)
        scales = {}
        for name, view in _VIEWS.items():
            for side in _SIDES:
                found = [_textures(view(field), side) for field in fields]
                means = [[part.abs().mean((0, 2, 3)) for part in parts] for parts in found]
                scales[name, side] = [torch.stack(part).mean(0) for part in zip(*means, strict=True)]
            steps = [border_amplitudes(view(field), options.get("factor", 4)).mean() for field in fields]
            scales[name] = torch.stack(steps).mean().item()
        return cls(scales, **options)

    def forward(self, samples, truth, low, generator):
        """
        Score samples.

        Parameters
        ----------
        samples : `torch.Tensor`
            Gauss, ``[M, N, 1, H, W]``.
        truth : `torch.Tensor`
            Gauss, ``[N, 1, H, W]``.
        low : `torch.Tensor`
            The field that the samples were drawn for, Gauss ``[N, 1, H / factor, W / factor]``.
        generator : `torch.Generator`
            For the place of the blocks.

        Returns
        -------
        loss : `torch.Tensor`
            Scalar, Gauss.
        numbers : `dict`
            For the log.
        """
        count, size = samples.shape[:2]
        everything = torch.cat([samples.flatten(0, 1), truth])

        def score(view):
            return fair_crps(view[:-size].unflatten(0, (count, size)), view[-size:])

        pixels = {name: score(view(everything)).mean() for name, view in _VIEWS.items()}
        coarse = score(block_mean(everything, self.factor)).mean()
        flux = score(block_mean(everything.abs(), 2 * self.factor)).mean()
        textures = dict.fromkeys(_VIEWS, 0.0)
        for side in _SIDES:
            y, x = torch.randint(0, side, (2,), generator=generator, device=generator.device).tolist()
            for name, view in _VIEWS.items():
                scores = [score(part).mean((0, 2, 3)) for part in _textures(view(everything[:, :, y:, x:]), side)]
                for one, of, weight in zip(scores, self.scales[name, side], _TEXTURE, strict=True):
                    textures[name] = textures[name] + weight * (one / of.to(one)).mean() / len(_SIDES)
        borders = sum(
            score(border_amplitudes(view(everything), self.factor)).mean() / self.scales[name]
            for name, view in _VIEWS.items()
        )
        moments = self.moments(samples, truth, low)
        errors = samples - truth
        product = (errors.sum(0).square() - errors.square().sum(0)).mean() / (count * (count - 1))
        loss = (
            sum(pixels.values())
            + coarse
            + flux
            + sum(_VIEW_WEIGHTS[name] * value for name, value in textures.items())
            + _BORDERS * borders
            + self.squared_weight * product
            + _MOMENTS * moments
        )
        return loss, {
            **{f"crps{name}": value.item() for name, value in pixels.items()},
            "crps_low": coarse.item(),
            "crps_flux": flux.item(),
            **{f"crps_texture{name}": value.item() for name, value in textures.items()},
            "crps_borders": borders.item(),
            "squared": product.item(),
            "moments": moments.item(),
        }
