"""Adapters: what they start from, that they merge and leave the base alone, and how large they are."""

import pytest
import torch
from peft import PeftModel

from sunpy_magsr.models.autoencoder import MagnetogramAutoencoder, block_mean
from sunpy_magsr.models.denoiser import MagnetogramDenoiser
from sunpy_magsr.store.adapters import (
    attach_adapter,
    attach_decoder_adapter,
    merge_adapter,
    widen,
)


@pytest.fixture
def base():
    torch.manual_seed(3)
    denoiser = MagnetogramDenoiser(latent_channels=4, channels=16, condition_blocks=1, denoiser_blocks=1)
    with torch.no_grad():
        for parameter in denoiser.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    return denoiser.eval()


@pytest.fixture
def inputs():
    torch.manual_seed(4)
    low = 60 * torch.randn(2, 1, 16, 16)
    return low, torch.full((2,), 12.0), torch.tensor([0.9, 0.3])[None, :, None, None].expand(2, 2, 16, 16)


@pytest.fixture
def trained(base, tmp_path):
    """Folder of an adapter that does something."""
    adapter = attach_adapter(widen(base), rank=2)
    with torch.no_grad():
        for parameter in adapter.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn(parameter.shape))
    adapter.save_pretrained(tmp_path / "adapter")
    return adapter.eval(), tmp_path / "adapter"


def outputs(denoiser, inputs):
    with torch.no_grad():
        features, mean, log_sigma = denoiser.condition(*inputs)
        noisy = torch.linspace(-2, 2, mean.numel()).reshape(mean.shape)
        return mean, log_sigma, denoiser(noisy, torch.tensor([10, 700]), features)


def test_a_widened_denoiser_draws_the_latent_as_the_original(base, inputs):
    """Whatever noise and blur it is told, as long as it is not trained."""
    low, noise, blur = inputs
    channels = base.config.latent_channels
    wide = widen(base)
    with torch.no_grad():
        expected = base.condition(low, torch.full((2,), base.config.reference_noise))
        found = wide.condition(low, noise, blur)
        for one, other in zip(found, expected, strict=True):
            assert torch.equal(one[:, : other.shape[1]], other)
        noisy, timestep = torch.randn(2, channels + 1, 16, 16), torch.tensor([10, 700])
        drawn = wide(noisy, timestep, found[0])
        assert drawn.shape[1] == channels + 1
        assert torch.allclose(drawn[:, :channels], base(noisy[:, :channels], timestep, expected[0]), atol=1e-5)


def test_noise_may_differ_from_pixel_to_pixel(trained, inputs):
    adapter, _ = trained
    low, noise, blur = inputs
    plane = noise[:, None, None, None].expand_as(low)
    for one, other in zip(outputs(adapter, inputs), outputs(adapter, (low, plane, blur)), strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    louder = torch.cat([plane[..., :8], 3 * plane[..., 8:]], dim=-1)
    assert not torch.allclose(outputs(adapter, (low, louder, blur))[0], outputs(adapter, inputs)[0], atol=1e-3)


def test_merged_is_what_was_trained(base, trained, inputs):
    adapter, folder = trained
    merged = merge_adapter(widen(base), folder)
    assert not isinstance(merged, PeftModel)
    assert not any("lora" in name for name, _ in merged.named_parameters())
    for found, expected in zip(outputs(merged, inputs), outputs(adapter, inputs), strict=True):
        assert torch.allclose(found, expected, atol=1e-4)


def test_merging_leaves_the_base_as_it_is(base, trained, inputs):
    """To unmerge is to go on with the base: bit for bit what it was."""
    _, folder = trained
    before = {name: value.clone() for name, value in base.state_dict().items()}
    merge_adapter(widen(base), folder)
    after = base.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_only_the_adapter_is_trained(base):
    adapter = attach_adapter(widen(base), rank=2)
    names = [name for name, parameter in adapter.named_parameters() if parameter.requires_grad]
    assert names
    assert all("lora_" in name or "modules_to_save" in name for name in names)


def test_split_inverts_join(base):
    wide = widen(base)
    residual, clean, low = torch.randn(2, 4, 8, 8), 500 * torch.randn(2, 1, 8, 8), 500 * torch.randn(2, 1, 8, 8)
    found_residual, found_clean = wide.split(wide.join(residual, clean, low), low)
    assert torch.equal(found_residual, residual)
    assert torch.allclose(found_clean, clean, rtol=1e-3, atol=0.05)


def test_a_denoiser_is_widened_once(base):
    with pytest.raises(ValueError, match=r"denoiser must have a whitened residual and not draw .* draws_low = True"):
        widen(widen(base))


def test_decoder_adapter_keeps_block_means(tmp_path):
    torch.manual_seed(0)
    codec = MagnetogramAutoencoder(latent_channels=4, encoder_channels=8, decoder_channels=8, decoder_blocks=1)
    adapted = attach_decoder_adapter(codec, rank=2)
    assert all("lora_" in name for name, parameter in adapted.named_parameters() if parameter.requires_grad)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.add_(torch.randn(parameter.shape))
    latent, low = torch.randn(1, 4, 24, 24), 100 * torch.randn(1, 1, 24, 24)
    with torch.no_grad():
        expected = adapted.decode(latent, low)
    adapted.save_pretrained(tmp_path / "decoder")
    torch.manual_seed(0)
    fresh = MagnetogramAutoencoder(latent_channels=4, encoder_channels=8, decoder_channels=8, decoder_blocks=1)
    with torch.no_grad():
        plain = fresh.decode(latent, low)
        found = merge_adapter(fresh, tmp_path / "decoder").decode(latent, low)
    assert torch.allclose(found, expected, atol=0.1)
    assert not torch.allclose(found, plain, atol=1)
    with torch.no_grad():
        rough = adapted.decode(latent, low, exact=False)
    inner = (..., slice(6, -6), slice(6, -6))
    left, before = ((block_mean(field, 4) - low)[inner].square().mean().sqrt() for field in (found, rough))
    assert left < 0.01 * before


def test_no_decoder_adapter_by_default():
    codec = attach_decoder_adapter(MagnetogramAutoencoder(latent_channels=4))
    assert not any(parameter.requires_grad for parameter in codec.parameters())
