"""Weights of a model folder: checked against the network's configuration, then loaded; no code of the folder runs."""

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from sunpy_magsr.exceptions import reason
from sunpy_magsr.store.folder import check_facts, inside, read_json

_WEIGHTS = "diffusion_pytorch_model.safetensors"
# What classes of diffusers and ours raise for a configuration that they cannot work with.
_UNUSABLE = (ArithmeticError, AttributeError, LookupError, NotImplementedError, RuntimeError, TypeError, ValueError)


def load_module(kinds, folder, part):
    """
    Load a network of a model folder, in float32.

    Before any memory is taken, the configuration is checked against the bounds of its class, and the shapes of the weights
    against the configuration. `diffusers.ModelMixin.from_pretrained` would read pickles if the safetensors are missing.
    """
    name = f"{part}/config.json"
    config = read_json(folder, name)
    kind, what = config.get("_class_name"), f"{name} in {folder}"
    if kind not in kinds:
        msg = f"{part} of a model must be one of {', '.join(kinds)}, got {kind!r} in {folder}."
        raise ValueError(msg)
    check_facts(config, kind, what)
    with torch.device("meta"):
        expected = build_module(kinds[kind], config, what).state_dict()
    tensors = load_tensors(folder, f"{part}/{_WEIGHTS}", expected) if expected else {}
    network = build_module(kinds[kind], config, what)
    network.load_state_dict(tensors)
    return network.eval()


def build_module(kind, config, what):
    """Build a network or a scheduler from its configuration."""
    try:
        return kind.from_config(config)
    except _UNUSABLE as error:
        msg = f"{what} must make a {kind.__name__}, and does not: {reason(error)}"
        raise ValueError(msg) from error


def load_tensors(folder, name, expected):
    """Load a safetensors file in float32, after its header has been compared with the tensors that it should hold."""
    path = inside(folder, name)
    if not path.is_file():
        msg = f"model must have the weights {name}, and {folder} has none; no other format is read."
        raise ValueError(msg)
    try:
        with safe_open(path, framework="pt") as tensors:
            found = {key: tuple(tensors.get_slice(key).get_shape()) for key in tensors.keys()}  # noqa: SIM118
    except SafetensorError as error:
        msg = f"{name} of a model must be a safetensors file, got one in {folder} of which it says: {error}"
        raise ValueError(msg) from error
    shapes = {key: tuple(value.shape) for key, value in expected.items()}
    for key in sorted(shapes.keys() | found.keys()):
        if shapes.get(key) != found.get(key):
            sizes = f"{shapes.get(key, 'no such tensor')} and {found.get(key, 'no such tensor')}"
            msg = f"{name} of a model must have the tensors of its config.json; of {key} they say {sizes} in {folder}."
            raise ValueError(msg)
    return {key: value.float() if value.is_floating_point() else value for key, value in load_file(path).items()}
