"""Finished runs of networks with few channels and random weights."""

import json

import pytest
import torch

from sunpy_magsr.models.autoencoder import MagnetogramAutoencoder
from sunpy_magsr.models.denoiser import MagnetogramDenoiser
from sunpy_magsr.models.regression import Enhance
from sunpy_magsr.store.adapters import attach_adapter, widen
from sunpy_magsr.store.card import ModelCard
from sunpy_magsr.training.publish import export_model
from sunpy_magsr.training.stages.finetune import BASE
from sunpy_magsr.training.stages.stage import make_sampler

DIFFUSION = {
    "name": "tiny",
    "kind": "diffusion",
    "summary": "A model for tests.",
    "revision": "2026.11",
    "steps": 2,
    "noise": {"los": 3.0, "radial": 16.0},
    "training": {"data": "none", "recipe": "sunpy_magsr/training/recipes/default.toml"},
    "validation": {"data": "one region", "rmse_gauss": "99.00"},
    "limits": ["Not for science."],
}
REGRESSION = {"name": "tiny-enhance", "kind": "regression"}


def diffusion_run(folder, *, seed=0):
    """Random autoencoder and denoiser, and the sampler of training."""
    torch.manual_seed(seed)
    options = {"encoder_blocks": 1, "decoder_blocks": 1, "encoder_channels": 8, "decoder_channels": 8}
    MagnetogramAutoencoder(latent_channels=4, **options).save_pretrained(folder / "autoencoder")
    denoiser = MagnetogramDenoiser(latent_channels=4, channels=16, condition_blocks=1, denoiser_blocks=1)
    denoiser.save_pretrained(folder / "denoiser")
    make_sampler().save_pretrained(folder / "scheduler")
    return folder


def exported_diffusion(run, folder):
    """The model folder of a run, without the process that loads it once more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sunpy_magsr.training.publish.check_folder", lambda _: None)
        return export_model(run, folder, card=DIFFUSION)


def regression_run(folder, *, seed=0):
    """A random network."""
    torch.manual_seed(seed)
    Enhance().save_pretrained(folder / "network")
    return folder


def adapter_run(folder, base, *, seed=0):
    """An adapter for the denoiser of a model folder, with random low-rank updates."""
    torch.manual_seed(seed)
    adapter = attach_adapter(widen(MagnetogramDenoiser.from_pretrained(base / "denoiser")), rank=2)
    for name, parameter in adapter.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    adapter.save_pretrained(folder / "adapter" / "denoiser")
    facts = {"base": str(base), "base_sha256": ModelCard.read(base).sha256}
    (folder / "adapter" / BASE).write_text(json.dumps(facts))
    return folder
