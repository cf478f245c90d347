"""Networks in bands of rows give what they give in one piece."""

import pytest
import torch

from sunpy_magsr.models import layers as bands
from sunpy_magsr.models.denoiser import MagnetogramDenoiser


@pytest.fixture
def denoiser():
    torch.manual_seed(0)
    model = MagnetogramDenoiser(latent_channels=3, channels=16, condition_blocks=2, denoiser_blocks=2).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model


def evaluate(denoiser, active=None):
    generator = torch.Generator().manual_seed(1)
    low = 100 * torch.randn(2, 1, 44, 60, generator=generator)
    noisy = torch.randn(2, 3, 44, 60, generator=generator)
    found = denoiser.condition(low, torch.tensor([3.0, 9.0]), active=active)
    return *found, denoiser(noisy, torch.tensor([999, 499]), found[0], active)


@pytest.mark.parametrize("positions", [1, 100, 8192])
def test_bands_are_the_whole(denoiser, monkeypatch, positions):
    """As with gradients, where there are no bands."""
    monkeypatch.setattr(bands, "_POSITIONS", positions)
    expected = evaluate(denoiser)
    with torch.no_grad():
        found = evaluate(denoiser)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other.detach(), atol=1e-4)


def test_elsewhere_is_as_beyond_the_edge(denoiser, monkeypatch):
    """What is computed within a rectangle is what a patch of that size gives."""
    monkeypatch.setattr(bands, "_POSITIONS", 100)
    monkeypatch.setattr(bands, "_COLUMNS", 4)
    active = torch.zeros(2, 22, 30, dtype=torch.bool)
    active[:, 3:15, 7:25] = True
    generator = torch.Generator().manual_seed(1)
    low = 100 * torch.randn(2, 1, 44, 60, generator=generator)
    inner = (slice(None), slice(None), slice(6, 30), slice(14, 50))
    noise = torch.tensor([3.0, 9.0])
    with torch.no_grad():
        whole = denoiser.condition(low, noise, active=active)
        patch = denoiser.condition(low[inner], noise)
    assert torch.allclose(whole[1][inner], patch[1], atol=1e-4)
    assert torch.allclose(whole[2][inner], patch[2], atol=1e-4)
    assert torch.allclose(whole[0][:, :, 3:15, 7:25], patch[0], atol=1e-4)
