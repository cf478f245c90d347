"""Adapters: what turns a base denoiser into one for another instrument, saved apart from it."""

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file

from sunpy_magsr.models.denoiser import MagnetogramDenoiser
from sunpy_magsr.models.folder import read_json
from sunpy_magsr.models.weights import check_weights, load_tensors, shapes

__all__ = [
    "attach_adapter",
    "attach_decoder_adapter",
    "load_adapters",
    "merge_adapter",
    "merge_decoder_adapter",
    "widen",
]

# Small ones: the ends, whose sizes change, and the depthwise filters.
_WHOLE_MODULES = ("embed_low", "embed_noisy", "moments", "velocity", "spatial")
_SETTINGS = ("r", "lora_alpha", "target_modules", "modules_to_save")  # of a saved adapter, all that is read
_DECODER_BLOCKS = r"decoder\..*conv[12]"


def widen(denoiser):
    """
    A copy of a denoiser that also draws the low-resolution field and is told the blur of the field it is given.

    What it draws of the latent is what the original draws at its reference noise level, until it is trained.

    Parameters
    ----------
    denoiser : `~sunpy_magsr.models.denoiser.MagnetogramDenoiser`
        Whitened, without the low-resolution field; not changed.

    Returns
    -------
    `~sunpy_magsr.models.denoiser.MagnetogramDenoiser`
        With ``draws_low``.

    Raises
    ------
    ValueError
        If the denoiser cannot be widened.
    """
    config = dict(denoiser.config)
    if config["draws_low"] or not config["whitened"] or not config["residual"]:
        msg = "denoiser must have a whitened residual and not draw the low-resolution field, got " + ", ".join(
            f"{key} = {config[key]}" for key in ("whitened", "residual", "draws_low")
        )
        raise ValueError(msg)
    settings = {key: value for key, value in config.items() if not key.startswith("_")}
    wide = MagnetogramDenoiser(**{**settings, "draws_low": True})
    old = denoiser.state_dict()
    new = wide.state_dict()
    area, packed = denoiser.patch**2, config["latent_channels"] * denoiser.patch**2
    with torch.no_grad():
        for name, value in old.items():
            if new[name].shape == value.shape:
                new[name].copy_(value)
        new["embed_low.weight"].zero_()[:, : 2 * area] = old["embed_low.weight"][:, : 2 * area]
        new["embed_noisy.weight"].zero_()[:, :packed] = old["embed_noisy.weight"]
        for part in ("weight", "bias"):
            new[f"velocity.{part}"].zero_()[:packed] = old[f"velocity.{part}"]
            mean, log_sigma = old[f"moments.{part}"].chunk(2)
            halves = new[f"moments.{part}"].zero_().chunk(2)
            halves[0][:packed], halves[1][:packed] = mean, log_sigma
    return wide


def attach_adapter(denoiser, *, rank=16, targets=("expand", "contract"), whole=_WHOLE_MODULES):
    """
    Put a new adapter on a denoiser (LoRA: Hu et al. 2022, arXiv:2106.09685).

    Parameters
    ----------
    denoiser : `~sunpy_magsr.models.denoiser.MagnetogramDenoiser`
        From `widen`; its own weights are frozen.
    rank : `int`
        Of the low-rank updates.
    targets : sequence of `str`
        Linear layers that get an update, by the end of their names.
    whole : sequence of `str`
        Modules that are trained as a whole, likewise.

    Returns
    -------
    `peft.PeftModel`
        Only the adapter requires gradients.
    """
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=list(targets), modules_to_save=list(whole))
    return get_peft_model(denoiser, config)


def attach_decoder_adapter(codec, *, rank=0):
    """
    Freeze an autoencoder, or all of it but a new adapter on its decoder.

    Parameters
    ----------
    codec : `~sunpy_magsr.models.autoencoder.MagnetogramAutoencoder`
        The autoencoder.
    rank : `int`
        Of the low-rank updates of the decoder's residual blocks; 0 for none.

    Returns
    -------
    `~sunpy_magsr.models.autoencoder.MagnetogramAutoencoder` or `peft.PeftModel`
        The second if there is an adapter.
    """
    codec.requires_grad_(False)
    if not rank:
        return codec
    return get_peft_model(codec, LoraConfig(r=rank, lora_alpha=rank, target_modules=_DECODER_BLOCKS))


def load_adapters(folder, model):
    """
    Put saved weights into new adapters.

    Parameters
    ----------
    folder : `pathlib.Path`
        Holds ``denoiser`` and, if the codec has an adapter, ``decoder``.
    model : mapping
        ``denoiser`` and ``codec``, from `attach_adapter` and `attach_decoder_adapter` with the same settings.
    """
    for part, name in (("denoiser", "denoiser"), ("codec", "decoder")):
        if isinstance(model[part], PeftModel):
            found = set_peft_model_state_dict(model[part], load_file(folder / name / "adapter_model.safetensors"))
            if found.unexpected_keys:
                msg = f"finetune.start must hold an adapter of the same settings, got {folder}."
                raise ValueError(msg)


def merge_decoder_adapter(codec, folder):
    """The autoencoder with an adapter merged into its decoder; it is changed."""
    return _merged(codec, folder)


def merge_adapter(denoiser, folder):
    """
    A copy of a base denoiser with an adapter merged into its weights.

    Parameters
    ----------
    denoiser : `~sunpy_magsr.models.denoiser.MagnetogramDenoiser`
        The base; not changed, so to unmerge is to go on with it.
    folder : `str` or `pathlib.Path`
        Saved by `peft.PeftModel.save_pretrained`.

    Returns
    -------
    `~sunpy_magsr.models.denoiser.MagnetogramDenoiser`
        With ``draws_low``.

    Raises
    ------
    ValueError
        If the folder holds no adapter for it, or one that is out of bounds.
    """
    return _merged(widen(denoiser), folder)


def _merged(network, folder):
    config = read_json(folder, "adapter_config.json", "LORA")
    settings = {key: config[key] for key in _SETTINGS if config.get(key) is not None}
    try:
        adapted = get_peft_model(network, LoraConfig(**settings))
    except ValueError as error:  # no such modules
        msg = f"adapter_config.json in {folder} must be of an adapter for {type(network).__name__}, and is not: {error}"
        raise ValueError(msg) from error
    expected = shapes(get_peft_model_state_dict(adapted))
    path = check_weights(folder, "adapter_model.safetensors", expected)
    set_peft_model_state_dict(adapted, load_tensors(path))
    return adapted.merge_and_unload()
