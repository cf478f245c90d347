"""A model folder: the parts of a model side by side, each as `diffusers` saves it."""

import hashlib
import json
from pathlib import Path

import diffusers
import torch

from sunpy_magsr.models.autoencoder import MagnetogramAutoencoder
from sunpy_magsr.models.denoiser import MagnetogramDenoiser
from sunpy_magsr.models.lora import merge_adapter, merge_decoder_adapter
from sunpy_magsr.models.pixels import PixelCodec
from sunpy_magsr.models.regression import Enhance, Progressive

__all__ = ["NETWORKS", "PARTS", "load_codec", "load_components", "load_network", "weights_digest"]

#: Sub-folders of a model folder by kind.
PARTS = {
    "diffusion": ("autoencoder", "denoiser", "scheduler"),
    "regression": ("network",),
    "adapter": ("adapter",),
}
#: Networks of regression models by class name.
NETWORKS = {"Enhance": Enhance, "Progressive": Progressive}


def load_codec(folder):
    """
    Load what turns Gauss into latents.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        Folder of a saved `~sunpy_magsr.models.autoencoder.MagnetogramAutoencoder` or
        `~sunpy_magsr.models.pixels.PixelCodec`.

    Returns
    -------
    `torch.nn.Module`
        One of them.
    """
    config = _config(folder, "config.json")
    if config["_class_name"] == PixelCodec.__name__:
        return PixelCodec.from_config(config)
    return MagnetogramAutoencoder.from_pretrained(str(folder), torch_dtype=torch.float32)


def load_components(folder, *, adapter=None):
    """
    Load the parts of a diffusion model.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        Holds ``autoencoder``, ``denoiser`` and ``scheduler``.
    adapter : `str` or `pathlib.Path`, optional
        Folder of an adapter, which is merged into the denoiser and, if it has a part for that, the decoder.

    Returns
    -------
    autoencoder : `~sunpy_magsr.models.autoencoder.MagnetogramAutoencoder` or `~sunpy_magsr.models.pixels.PixelCodec`
        Between Gauss and latents.
    denoiser : `~sunpy_magsr.models.denoiser.MagnetogramDenoiser`
        The latent's distribution.
    scheduler : `diffusers.SchedulerMixin`
        Of the class that its configuration names.
    """
    folder = Path(folder)
    denoiser = MagnetogramDenoiser.from_pretrained(folder / "denoiser", torch_dtype=torch.float32)
    codec = load_codec(folder / "autoencoder")
    if adapter is not None:
        denoiser = merge_adapter(denoiser, Path(adapter) / "adapter" / "denoiser")
        if (Path(adapter) / "adapter" / "decoder").is_dir():
            codec = merge_decoder_adapter(codec, Path(adapter) / "adapter" / "decoder")
    name = _config(folder / "scheduler", "scheduler_config.json")["_class_name"]
    scheduler = getattr(diffusers, name).from_pretrained(folder / "scheduler")
    return codec, denoiser, scheduler


def load_network(folder):
    """
    Load the network of a regression model.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        Holds ``network``.

    Returns
    -------
    `~sunpy_magsr.models.regression.Enhance` or `~sunpy_magsr.models.regression.Progressive`
        Ready for evaluation.

    Raises
    ------
    ValueError
        If it is a network of another class.
    """
    folder = Path(folder) / "network"
    name = _config(folder, "config.json")["_class_name"]
    if name not in NETWORKS:
        msg = f"network must be one of {', '.join(NETWORKS)}, got {name!r} in {folder}."
        raise ValueError(msg)
    return NETWORKS[name].from_pretrained(folder, torch_dtype=torch.float32)


def weights_digest(folder):
    """SHA-256 over the safetensors files of a model folder, without its adapters, in the order of their paths."""
    digest = hashlib.sha256()
    parts = {part for kind in PARTS.values() for part in kind}
    for path in sorted(path for part in parts for path in Path(folder, part).rglob("*.safetensors")):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _config(folder, name):
    return json.loads((Path(folder) / name).read_text())
