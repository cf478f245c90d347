"""Networks: what they keep, and how far they see."""

import copy
import dataclasses

import numpy as np
import pytest
import torch

from sunpy_magsr.maps import prepare
from sunpy_magsr.models.autoencoder import MagnetogramAutoencoder, block_mean
from sunpy_magsr.models.denoiser import MagnetogramDenoiser
from sunpy_magsr.models.layers import denormalize, normalize, spread_factor
from sunpy_magsr.models.regression import Enhance, Progressive
from sunpy_magsr.sampling import load_backend


@pytest.mark.parametrize(("kind", "scale"), [("asinh", 40.0), ("linear", 3000.0)])
def test_normalization_is_odd_and_inverts(kind, scale):
    field = torch.linspace(-2900, 2900, 101)
    normalized = normalize(field, scale=scale, kind=kind)
    assert torch.allclose(normalized, -normalized.flip(0), atol=1e-6)
    assert torch.allclose(denormalize(normalized, scale=scale, kind=kind), field, rtol=1e-4, atol=1e-2)


def test_decoder_keeps_the_block_mean_whatever_the_latent():
    autoencoder = MagnetogramAutoencoder(latent_channels=4, encoder_channels=8, decoder_channels=8)
    low = 500 * torch.randn(2, 1, 24, 24)
    latent, inner = torch.randn(2, 4, 24, 24), (..., slice(6, -6), slice(6, -6))
    exact, rough = (autoencoder.decode(latent, low, exact=exact) for exact in (True, False))
    left, before = ((block_mean(high, 4) - low)[inner].square().mean().sqrt() for high in (exact, rough))
    assert left < 0.01 * before


def influence(function, size):
    """Largest distance in pixels, from the 2x2 block it is in, at which an input pixel moves the output."""
    field = torch.zeros(1, 1, size, size, requires_grad=True)
    out = function(field)
    half = out.shape[-1] // size
    middle = out[
        ..., out.shape[-2] // 2 : out.shape[-2] // 2 + 2 * half, out.shape[-1] // 2 : out.shape[-1] // 2 + 2 * half
    ]
    gradient = torch.autograd.grad((middle * torch.rand_like(middle)).sum(), field)[0][0, 0]
    moved = torch.nonzero(gradient.abs() > 0)
    return int(torch.maximum(size // 2 - moved, moved - size // 2 - 1).max())


def test_networks_see_no_farther_than_they_say():
    torch.manual_seed(0)
    autoencoder = MagnetogramAutoencoder(latent_channels=4, encoder_channels=8, decoder_channels=8)
    for parameter in autoencoder.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    assert influence(autoencoder.encode_low, 64) <= autoencoder.halo
    assert influence(lambda x: autoencoder.decode(x.expand(-1, 4, -1, -1), x[:, :1] * 0), 64) <= autoencoder.halo
    denoiser = MagnetogramDenoiser(latent_channels=4, channels=8, condition_blocks=3, denoiser_blocks=2)
    for parameter in denoiser.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    assert influence(lambda x: denoiser.condition(x, torch.ones(1))[1], 64) <= denoiser.condition_halo
    features = torch.zeros(1, 8, 32, 32)
    time = torch.tensor([500])
    assert influence(lambda x: denoiser(x.expand(-1, 4, -1, -1), time, features), 64) <= denoiser.step_halo


@pytest.mark.parametrize("network", [Enhance(channels=8, blocks=2), Progressive(channels=8, blocks=2)])
def test_a_rival_sees_no_farther_than_its_halo(network):
    torch.manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    assert 0 < influence(network, 64) <= network.halo


def test_spread_follows_the_strength_of_the_field():
    """From one factor to the other, the same for both polarities, and at a place by its neighborhood alone."""
    low = torch.zeros(1, 1, 20, 40)
    low[..., 5, 8], low[..., 5, 25] = 3000, -3000
    quiet = torch.zeros_like(low)
    found = spread_factor(low, quiet, weak=0.7, strong=1.4, field=40.0)
    assert found.shape == low.shape
    assert found[..., 10:, :].unique().tolist() == pytest.approx([0.7])
    assert found[..., 4:7, 7:10].unique().tolist() == pytest.approx([1.4], abs=1e-3)
    assert torch.equal(found[..., 7:10], found[..., 24:27])
    options = {"weak": 0.7, "strong": 1.4, "field": 40.0}
    level = torch.full((1, 1, 4, 4), 40.0)
    assert spread_factor(level, torch.zeros_like(level), **options).mean() == pytest.approx(1.05)
    assert spread_factor(level, level / 2.5, **options).mean() == pytest.approx(0.7)  # what noise may be


def test_heliographic_maps_have_noise_and_spread_of_their_own(small):
    """As the card says for the line of sight, because interpolation to their grid removes noise."""
    backend, magnetogram = copy.copy(load_backend("ldm-res")), prepare(small)
    card = backend.card

    def scatter(*, is_cea, **facts):
        backend.card = dataclasses.replace(card, **facts)
        one, other = backend.samples(dataclasses.replace(magnetogram, is_cea=is_cea), n_samples=2)
        return np.median(np.abs(one - other))

    noise = {"los": 3.0, "los_cea": 1.5, "radial": 8.0}
    on_sky = scatter(is_cea=False, noise=noise)
    assert scatter(is_cea=True, noise=noise, spread_cea={}) < 0.9 * on_sky
    noise.pop("los_cea")
    assert scatter(is_cea=True, noise=noise, spread_cea={}) == on_sky
    halved = {"weak": 0.5, "strong": 0.5, "field": 45.0}
    assert scatter(is_cea=True, noise=noise, spread={}, spread_cea=halved) < 0.7 * scatter(
        is_cea=False, noise=noise, spread={}
    )
