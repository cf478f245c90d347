"""Adapters: small sets of weights, saved apart, that make of a denoiser one for another instrument."""

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

from sunpy_magsr.models.denoiser import MagnetogramDenoiser
from sunpy_magsr.store.folder import read_json
from sunpy_magsr.store.weights import load_tensors

# Small ones: the ends, whose sizes change, and the depthwise filters.
_WHOLE_MODULES = ("embed_low", "embed_noisy", "moments", "velocity", "spatial")
_SETTINGS = ("r", "lora_alpha", "target_modules", "modules_to_save")  # of a saved adapter, all that is read
_WEIGHTS = "adapter_model.safetensors"
_DECODER_BLOCKS = r"decoder\..*conv[12]"


def widen(denoiser):
    """
    Copy a denoiser, and give the copy the inputs and outputs of one with ``draws_low``.

    The copy also draws the low-resolution field without noise and blur, and its input includes the width of the blur.
    Before it is trained, it draws the same latents as the original does at its reference noise.
    """
    config = dict(denoiser.config)
    if config["draws_low"] or not config["whitened"] or not config["residual"]:
        got = ", ".join(f"{key} = {config[key]}" for key in ("whitened", "residual", "draws_low"))
        msg = f"denoiser must have a whitened residual and not draw the low-resolution field, got {got}"
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
    """Add a new adapter to a denoiser (LoRA: Hu et al. 2022, arXiv:2106.09685)."""
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=list(targets), modules_to_save=list(whole))
    return get_peft_model(denoiser, config)


def attach_decoder_adapter(codec, *, rank=0):
    """Freeze an autoencoder, and add a new adapter to its decoder if one is wanted."""
    codec.requires_grad_(False)
    if not rank:
        return codec
    return get_peft_model(codec, LoraConfig(r=rank, lora_alpha=rank, target_modules=_DECODER_BLOCKS))


def load_adapters(folder, model):
    """Load saved weights into new adapters."""
    for part, name in (("denoiser", "denoiser"), ("codec", "decoder")):
        if isinstance(model[part], PeftModel):
            expected = get_peft_model_state_dict(model[part])
            set_peft_model_state_dict(model[part], load_tensors(folder / name, _WEIGHTS, expected))


def merge_adapter(network, folder):
    """Merge a saved adapter into the weights of a network."""
    config = read_json(folder, "adapter_config.json", "LORA")
    settings = {key: config[key] for key in _SETTINGS if config.get(key) is not None}
    try:
        adapted = get_peft_model(network, LoraConfig(**settings))
    except ValueError as error:  # no such modules
        msg = f"adapter_config.json in {folder} must be of an adapter for {type(network).__name__}, and is not: {error}"
        raise ValueError(msg) from error
    expected = get_peft_model_state_dict(adapted)
    set_peft_model_state_dict(adapted, load_tensors(folder, _WEIGHTS, expected))
    return adapted.merge_and_unload()
