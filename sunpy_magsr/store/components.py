"""The parts of a model, loaded from its folder, where each part lies as `diffusers` saves it."""

import functools
import hashlib
from pathlib import Path

import diffusers

from sunpy_magsr.models.autoencoder import MagnetogramAutoencoder, PixelCodec
from sunpy_magsr.models.denoiser import MagnetogramDenoiser
from sunpy_magsr.models.regression import Enhance, Progressive
from sunpy_magsr.store.adapters import merge_adapter, widen
from sunpy_magsr.store.folder import read_json
from sunpy_magsr.store.weights import build_module, load_module

#: Sub-folders of a model folder by kind.
PARTS = {
    "diffusion": ("autoencoder", "denoiser", "scheduler"),
    "regression": ("network",),
    "adapter": ("adapter",),
    "published": ("vae", "unet", "scheduler"),
}
#: Networks of regression models by class name.
NETWORKS = {"Enhance": Enhance, "Progressive": Progressive}
_CODECS = {"MagnetogramAutoencoder": MagnetogramAutoencoder, "PixelCodec": PixelCodec}


def load_codec(folder, part="autoencoder"):
    """Load the autoencoder of a model, which maps fields to latents and back."""
    return load_module(_CODECS, folder, part)


def load_scheduler(folder):
    """Load the scheduler of a model, which takes the steps of the sampling."""
    name = "scheduler/scheduler_config.json"
    config = read_json(folder, name, "scheduler")
    return build_module(getattr(diffusers, config["_class_name"]), config, f"{name} in {folder}")


def load_components(folder, *, adapter=None):
    """Load the parts of a diffusion model."""
    scheduler, codec = load_scheduler(folder), load_codec(folder)
    denoiser = load_module({"MagnetogramDenoiser": MagnetogramDenoiser}, folder, "denoiser")
    if adapter is not None:
        denoiser = merge_adapter(widen(denoiser), Path(adapter, "adapter", "denoiser"))
        if (decoder := Path(adapter, "adapter", "decoder")).is_dir():
            codec = merge_adapter(codec, decoder)
    return codec, denoiser, scheduler


def load_network(folder):
    """Load the network of a regression model."""
    return load_module(NETWORKS, folder, "network")


def load_published(folder):
    """Load the parts of a model of the published architecture."""
    scheduler, options = load_scheduler(folder), read_json(folder, "published.json", "published")
    vae = load_module({"AutoencoderKL": diffusers.AutoencoderKL}, folder, "vae")
    unet = load_module({"UNet2DModel": diffusers.UNet2DModel}, folder, "unet")
    latent, channels = vae.config.latent_channels, (unet.config.in_channels, unet.config.out_channels)
    if channels != (2 * latent, latent):
        msg = f"unet of a published model must have {(2 * latent, latent)} channels, got {channels} in {folder}."
        raise ValueError(msg)
    return vae, unet, scheduler, options


def weights_digest(folder):
    """Compute the SHA-256 over all safetensors files of a model folder, in the order of their paths."""
    folder = Path(folder).absolute()
    parts = {part for kind in PARTS.values() for part in kind}
    paths = sorted(path for part in parts for path in (folder / part).rglob("*.safetensors"))
    return _digest(folder, tuple((path, path.stat().st_mtime_ns, path.stat().st_size) for path in paths))


@functools.lru_cache(maxsize=64)  # within a process, weights are hashed once as long as their files do not change
def _digest(folder, files):
    digest = hashlib.sha256()
    for path, *_ in files:
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
