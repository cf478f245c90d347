"""Proper scores of a few samples as a loss, and moments to match."""

import itertools
import math

import torch
from torch import nn

from sunpy_magsr.models.autoencoder import block_mean
from sunpy_magsr.models.layers import normalize

_EDGES = (1 / 16, 1 / 8, 1 / 4, 3 / 8, 1 / 2)  # cycles / pixel: 8, 4, 2, 1.33 and 1 arcsec
_STRATA = (20.0, 60.0, 200.0)  # Gauss
_SIDE = 8  # pixels, of the blocks
_MEMORY = 0.95  # of the running means, at each batch
_LEAST_SHARE = 1e-3  # of the blocks, for a stratum to count


def cosine_transform(field, side):
    """Transform blocks of a field into waves, with an orthonormal cosine transform (DCT-II)."""
    place = torch.arange(side, device=field.device, dtype=field.dtype) + 0.5
    waves = torch.cos(math.pi / side * place * torch.arange(side, device=field.device)[:, None]) * math.sqrt(2 / side)
    waves[0] /= math.sqrt(2)
    kernel = torch.einsum("ay,bx->abyx", waves, waves).reshape(side**2, 1, side, side)
    return nn.functional.conv2d(field, kernel, stride=side)


def bands_of(side, device):
    """Say which coefficients of `cosine_transform` belong to which band of wavelength and direction."""
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
        """Compare samples with the truth, all as for ``forward``."""
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


_SIDES = (8, 16)
_TEXTURE = (20.0, 60.0)  # Gauss: of coefficients, of amplitudes
_BORDERS = 30.0  # Gauss
_PLACES = 30.0  # Gauss
_ENERGY = 20.0  # Gauss, of blocks
_SCALE = 5.0  # Gauss
_VIEW_WEIGHTS = {"": 1.0, "_asinh": 2.0}  # of the textures
_MOMENTS = 100.0  # Gauss


def fair_crps(samples, truth):
    r"""
    Compute the continuous ranked probability score of each value, without the bias of few samples.

    It is :math:`\frac{1}{M}\sum_i |x_i - y| - \frac{1}{2M(M-1)}\sum_{ij} |x_i - x_j|` (Ferro 2014, :doi:`10.1002/qj.2270`),
    and its expectation is least for samples of the distribution that the truth is from.
    """
    return _fair(samples, truth, lambda one, other: (one - other).abs())


def _fair(samples, truth, distance):
    """Mean distance of samples to the truth, less half of that between two of them."""
    count = len(samples)
    pairs = sum(distance(samples[i], samples[j]) for i in range(count) for j in range(i))
    return distance(samples, truth).mean(0) - pairs / (count * (count - 1))


def fair_energy(samples, truth):
    r"""
    Compute the energy score of each vector, without the bias of few samples.

    It is `fair_crps` with the Euclidean distance of vectors instead of the distance of numbers (Gneiting & Raftery 2007,
    :doi:`10.1198/016214506000001437`), so it depends on how the components of a vector vary together.
    """
    return _fair(samples, truth, lambda one, other: ((one - other).square().mean(-3) + 1e-6).sqrt())


def place_amplitudes(field, factor):
    """
    Compute the amplitude of fine structure at each place within a low-resolution pixel.

    Where a network leaves the lattice of its input, structure is stronger in the middle or at the border of these pixels.
    """
    padded = nn.functional.pad(field, (2, 2, 2, 2), mode="replicate")
    fine = nn.functional.pixel_unshuffle((field - nn.functional.avg_pool2d(padded, 5, stride=1)).square(), factor)
    return (nn.functional.avg_pool2d(fine, [min(8, size) for size in fine.shape[-2:]]) + 1e-2).sqrt()


def band_amplitudes(coefficients):
    """Compute the root mean square of the coefficients of each block in four bands of wavelength and two of direction."""
    side = math.isqrt(coefficients.shape[1])
    bands = [coefficients[:, band].square().mean(1) for band in bands_of(side, coefficients.device)]
    return (torch.stack(bands, dim=1) + 1e-2).sqrt()


def border_amplitudes(field, factor):
    """Compute how much a field steps across the borders of low-resolution pixels."""
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

_LATTICE = {"borders": border_amplitudes, "places": place_amplitudes}


class SampleScore(nn.Module):
    r"""
    Loss of samples: a sum of scores (CRPS), of the squared error of the samples' mean, and of ratios of moments.

    The score of single pixels does not see how neighboring pixels depend on each other. So these are scored too:

    - the coefficients of cosine transforms of blocks, each in units of its mean absolute value, which asks for the right
      power and the right spread at each wavelength;
    - the amplitude of a block in a band of wavelengths and directions, which varies less, so that missing power costs more;
    - all coefficients of a block together (the energy score), which asks that waves occur together as in the truth;
    - pixels, coefficients and amplitudes of the field's asinh, since strong field dominates them in Gauss;
    - means of the field's absolute value, which asks for the right unsigned flux;
    - the steps across the borders of the input's pixels and the amplitude of fine structure by its place within them, so
      that no traces of these pixels stay.

    The product of two samples' errors has the squared error of the ensemble's mean as its expectation. It gives more weight
    to strong field and leaves the spread as it is. Scores hardly punish a spread that is too small where the truth has
    longer tails than the samples, so moments are matched too; see
    ``MomentRatios``.

    Training on such scores: Pacchiardi et al. 2024, https://jmlr.org/papers/v25/23-0038.html; of diffusion models with
    few steps: De Bortoli et al. 2025, arXiv:2502.02483; of weather forecasts: Lang et al. 2024, arXiv:2412.15832.

    Parameters
    ----------
    scales : `dict`
        Units of the scores, from `measure`, for the field and its asinh: by side of the blocks, the mean absolute value of
        each coefficient and the mean amplitude of each band; and the mean amplitudes of steps across borders and of fine
        structure by place.
    factor : `int`
        Side of a low-resolution pixel in high-resolution ones.
    squared_weight : `float`
        Weight of the squared error of the mean, 1 / Gauss. Its gradient is the noisiest of all: with 1e-2 the spread
        stayed too small.
    """

    def __init__(self, scales, *, factor=4, squared_weight=1e-3):
        super().__init__()
        self.scales, self.factor, self.squared_weight = scales, factor, squared_weight
        self.moments = MomentRatios(_VIEWS.values(), factor=factor)

    @classmethod
    def measure(cls, fields, **options):
        """Measure the scales on an iterable of batches ``[N, 1, H, W]`` in Gauss, and make the score."""
        fields = list(fields)
        scales = {}
        for name, view in _VIEWS.items():
            for side in _SIDES:
                found = [_textures(view(field), side) for field in fields]
                means = [[part.abs().mean((0, 2, 3)) for part in parts] for parts in found]
                scales[name, side] = [torch.stack(part).mean(0) for part in zip(*means, strict=True)]
            for kind, amplitudes in _LATTICE.items():
                found = [amplitudes(view(field), options.get("factor", 4)).mean() for field in fields]
                scales[name, kind] = torch.stack(found).mean().item()
        return cls(scales, **options)

    def forward(self, samples, truth, low, generator):
        """Score samples."""
        count, size = samples.shape[:2]
        everything = torch.cat([samples.flatten(0, 1), truth])

        def score(view):
            return fair_crps(view[:-size].unflatten(0, (count, size)), view[-size:])

        pixels = {name: score(view(everything)).mean() for name, view in _VIEWS.items()}
        coarse = score(block_mean(everything, self.factor)).mean()
        flux = score(block_mean(everything.abs(), 2 * self.factor)).mean()
        textures, energy = self._textures(everything, count, generator)
        borders, places = (
            sum(
                score(amplitudes(view(everything), self.factor)).mean() / self.scales[name, kind]
                for name, view in _VIEWS.items()
            )
            for kind, amplitudes in _LATTICE.items()
        )
        moments = self.moments(samples, truth, low)
        errors = samples - truth
        product = (errors.sum(0).square() - errors.square().sum(0)).mean() / (count * (count - 1))
        loss = (
            sum(pixels.values())
            + coarse
            + flux
            + sum(_VIEW_WEIGHTS[name] * value for name, value in textures.items())
            + _ENERGY * energy
            + _BORDERS * borders
            + _PLACES * places
            + self.squared_weight * product
            + _MOMENTS * moments
        )
        return loss, {
            **{f"crps{name}": value.item() for name, value in pixels.items()},
            "crps_low": coarse.item(),
            "crps_flux": flux.item(),
            **{f"crps_texture{name}": value.item() for name, value in textures.items()},
            "energy": energy.item(),
            "crps_borders": borders.item(),
            "crps_places": places.item(),
            "squared": product.item(),
            "moments": moments.item(),
        }

    def _textures(self, everything, count, generator):
        """Score the waves of blocks of samples and truth: one by one and their amplitudes, by view, and all together."""
        size = len(everything) // (count + 1)
        textures, energy = dict.fromkeys(_VIEWS, 0.0), 0.0
        for side in _SIDES:
            y, x = torch.randint(0, side, (2,), generator=generator, device=generator.device).tolist()
            for name, view in _VIEWS.items():
                parts = _textures(view(everything[:, :, y:, x:]), side)
                for part, of, weight in zip(parts, self.scales[name, side], _TEXTURE, strict=True):
                    one = fair_crps(part[:-size].unflatten(0, (count, size)), part[-size:]).mean((0, 2, 3))
                    textures[name] = textures[name] + weight * (one / of.to(one)).mean() / len(_SIDES)
                waves = (parts[0] / self.scales[name, side][0].to(parts[0])[:, None, None])[:, 1:]
                energy = energy + fair_energy(waves[:-size].unflatten(0, (count, size)), waves[-size:]).mean()
        return textures, energy
