"""A model folder: autoencoder, denoiser and scheduler side by side."""

import hashlib
import json
from pathlib import Path

import diffusers

from sunpy_magsr.models.autoencoder import MagnetogramAutoencoder
from sunpy_magsr.models.denoiser import ResidualDenoiser

__all__ = ["load_components", "weights_digest"]


def load_components(folder):
    """
    Load the parts of a diffusion model.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        Holds ``autoencoder``, ``denoiser`` and ``scheduler``, each as `diffusers` saves it.

    Returns
    -------
    autoencoder : `~sunpy_magsr.models.autoencoder.MagnetogramAutoencoder`
        Between Gauss and latents.
    denoiser : `~sunpy_magsr.models.denoiser.ResidualDenoiser`
        The residual's distribution.
    scheduler : `diffusers.SchedulerMixin`
        Of the class that its configuration names.
    """
    folder = Path(folder)
    autoencoder = MagnetogramAutoencoder.from_pretrained(folder / "autoencoder")
    denoiser = ResidualDenoiser.from_pretrained(folder / "denoiser")
    name = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())["_class_name"]
    return autoencoder, denoiser, getattr(diffusers, name).from_pretrained(folder / "scheduler")


def weights_digest(folder):
    """SHA-256 over the safetensors files of a model folder, in the order of their paths."""
    digest = hashlib.sha256()
    for path in sorted(Path(folder).rglob("*.safetensors")):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
