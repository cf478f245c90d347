"""The parts of a model, loaded from its folder, where each part lies as `diffusers` saves it."""

import hashlib
from pathlib import Path

import diffusers

from sunpy_magsr.models.autoencoder import MagnetogramAutoencoder, PixelCodec
from sunpy_magsr.models.denoiser import MagnetogramDenoiser
from sunpy_magsr.models.regression import Enhance, Progressive
from sunpy_magsr.store.adapters import merge_adapter, merge_decoder_adapter
from sunpy_magsr.store.weights import load_module, made, read_json

__all__ = [
    "NETWORKS",
    "PARTS",
    "SCHEDULERS",
    "load_codec",
    "load_components",
    "load_network",
    "load_published",
    "load_scheduler",
    "weights_digest",
]


#: Sub-folders of a model folder by kind.
PARTS = {
    "diffusion": ("autoencoder", "denoiser", "scheduler"),
    "regression": ("network",),
    "adapter": ("adapter",),
    "published": ("vae", "unet", "scheduler"),
}
#: Networks of regression models by class name.
NETWORKS = {"Enhance": Enhance, "Progressive": Progressive}
#: Samplers of diffusion models by class name.
SCHEDULERS = (
    "DDIMScheduler",
    "DDPMScheduler",
    "DPMSolverMultistepScheduler",
    "FlowMatchEulerDiscreteScheduler",
    "UniPCMultistepScheduler",
)
_CODECS = {"MagnetogramAutoencoder": MagnetogramAutoencoder, "PixelCodec": PixelCodec}


def load_codec(folder, part="autoencoder"):
    """
    Load the autoencoder of a model, which maps fields to latents and back.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        The model folder.
    part : `str`
        The folder of the autoencoder in the model folder. Defaults to ``"autoencoder"``.

    Returns
    -------
    `~sunpy_magsr.models.autoencoder.MagnetogramAutoencoder` or `~sunpy_magsr.models.autoencoder.PixelCodec`
        The autoencoder, in evaluation mode.

    Raises
    ------
    ValueError
        If it has another class or is out of bounds; see `sunpy_magsr.store.weights.load_module`.
    """
    return load_module(_CODECS, folder, part)


def load_scheduler(folder):
    """
    Load the scheduler of a model, which takes the steps of the sampling.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        The model folder, with ``scheduler/scheduler_config.json``.

    Returns
    -------
    `diffusers.SchedulerMixin`
        The scheduler. Its class, one of `SCHEDULERS`, is that which the configuration names.

    Raises
    ------
    ValueError
        If it has another class or is out of bounds.
    """
    name = "scheduler/scheduler_config.json"
    config = read_json(folder, name, "scheduler")
    kind = config.get("_class_name")
    if kind not in SCHEDULERS:
        msg = f"scheduler of a model must be one of {', '.join(SCHEDULERS)}, got {kind!r} in {folder}."
        raise ValueError(msg)
    return made(getattr(diffusers, kind), config, f"{name} in {folder}")


def load_components(folder, *, adapter=None):
    """
    Load the parts of a diffusion model.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        The model folder, with ``autoencoder``, ``denoiser`` and ``scheduler``.
    adapter : `str` or `pathlib.Path`, optional
        The folder of an adapter. It is merged into the denoiser and, if it has a part for the decoder, into the
        decoder.

    Returns
    -------
    autoencoder : `~sunpy_magsr.models.autoencoder.MagnetogramAutoencoder` or `~sunpy_magsr.models.autoencoder.PixelCodec`
        The autoencoder, with the adapter of its decoder if there is one.
    denoiser : `~sunpy_magsr.models.denoiser.MagnetogramDenoiser`
        The denoiser, with its adapter if there is one.
    scheduler : `diffusers.SchedulerMixin`
        The scheduler.

    Raises
    ------
    ValueError
        If a part is missing, has a class that is not allowed, or is out of bounds.
    """
    scheduler, codec = load_scheduler(folder), load_codec(folder)
    denoiser = load_module({"MagnetogramDenoiser": MagnetogramDenoiser}, folder, "denoiser")
    if adapter is not None:
        denoiser = merge_adapter(denoiser, Path(adapter) / "adapter" / "denoiser")
        if (Path(adapter) / "adapter" / "decoder").is_dir():
            codec = merge_decoder_adapter(codec, Path(adapter) / "adapter" / "decoder")
    return codec, denoiser, scheduler


def load_network(folder):
    """
    Load the network of a regression model.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        The model folder, with ``network``.

    Returns
    -------
    `~sunpy_magsr.models.regression.Enhance` or `~sunpy_magsr.models.regression.Progressive`
        The network, in evaluation mode.

    Raises
    ------
    ValueError
        If the network has another class or is out of bounds.
    """
    return load_module(NETWORKS, folder, "network")


def load_published(folder):
    """
    Load the parts of a model of the published architecture.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        The model folder, with ``published.json`` and with ``vae``, ``unet`` and ``scheduler`` as `diffusers` saves
        them.

    Returns
    -------
    vae : `diffusers.AutoencoderKL`
        The autoencoder. A pixel of its latent is as large as eight output pixels.
    unet : `diffusers.UNet2DModel`
        The denoiser, whose input is the residual with noise and the latent of the input.
    scheduler : `diffusers.SchedulerMixin`
        The scheduler, which takes the steps of the sampling.
    options : `dict`
        The keyword arguments for `sunpy_magsr.sampling.published.PublishedBackend`.

    Raises
    ------
    ValueError
        If a part is missing, has a class that is not allowed, or is out of bounds, or if the numbers of channels of the
        autoencoder and of the denoiser do not fit.
    """
    scheduler, options = load_scheduler(folder), read_json(folder, "published.json", "published")
    vae = load_module({"AutoencoderKL": diffusers.AutoencoderKL}, folder, "vae")
    unet = load_module({"UNet2DModel": diffusers.UNet2DModel}, folder, "unet")
    latent = vae.config.latent_channels
    if (unet.config.in_channels, unet.config.out_channels) != (2 * latent, latent):
        msg = (
            f"unet of a published model must take {2 * latent} and give {latent} channels, got {unet.config.in_channels} "
            f"and {unet.config.out_channels} in {folder}."
        )
        raise ValueError(msg)
    return vae, unet, scheduler, options


def weights_digest(folder):
    """
    Compute the SHA-256 over all safetensors files of a model folder, in the order of their paths.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        The model folder. Adapters in it do not count.

    Returns
    -------
    `str`
        The SHA-256 in hexadecimal digits.
    """
    digest = hashlib.sha256()
    parts = {part for kind in PARTS.values() for part in kind}
    for path in sorted(path for part in parts for path in Path(folder, part).rglob("*.safetensors")):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
