"""Weights of a model folder: checked, then loaded."""

import struct

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from sunpy_magsr.store.folder import inside, read_json

_WEIGHTS = "diffusion_pytorch_model.safetensors"
_LARGEST_HEADER = 2**22  # bytes


def load_module(kinds, folder, part):
    """
    Load a network of a model folder, in float32.

    Before any memory is taken, it is checked that the configuration is within the bounds of its class and that the
    weights have the shapes that the configuration asks for. No code of the folder is executed: the function does not
    use `diffusers.ModelMixin.from_pretrained`, which would read pickles if the safetensors are missing.
    """
    config = read_json(folder, f"{part}/config.json")
    kind = config.get("_class_name")
    if kind not in kinds:
        msg = f"{part} of a model must be one of {', '.join(kinds)}, got {kind!r} in {folder}."
        raise ValueError(msg)
    config = read_json(folder, f"{part}/config.json", kind)
    what = f"{part}/config.json in {folder}"
    with torch.device("meta"):
        expected = shapes(made(kinds[kind], config, what).state_dict())
    path = check_weights(folder, f"{part}/{_WEIGHTS}", expected) if expected else None
    network = made(kinds[kind], config, what)
    if path is not None:
        network.load_state_dict(load_tensors(path))
    return network.eval()


def made(kind, config, what):
    """Make a network or a scheduler from its configuration."""
    try:
        return kind.from_config(config)
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        NotImplementedError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        msg = (
            f"{what} must make a {kind.__name__}, and does not: {' '.join(str(error).split()) or type(error).__name__}"
        )
        raise ValueError(msg) from error


def shapes(tensors):
    """Collect the shapes of tensors."""
    return {name: tuple(value.shape) for name, value in tensors.items()}


def check_weights(folder, name, expected=None):
    """Check that a safetensors file has the tensors that it should have; their values are not read."""
    path = inside(folder, name)
    if not path.is_file():
        msg = f"model must have the weights {name}, and {folder} has none; no other format is read."
        raise ValueError(msg)
    try:
        with path.open("rb") as stream:
            (header,) = struct.unpack("<Q", stream.read(8))
        if header > _LARGEST_HEADER:
            msg = f"{name} of a model must have a header of at most {_LARGEST_HEADER} bytes, got {header} in {folder}."
            raise ValueError(msg)
        with safe_open(path, framework="pt") as tensors:
            found = {key: tuple(tensors.get_slice(key).get_shape()) for key in tensors.keys()}  # noqa: SIM118
    except (SafetensorError, struct.error) as error:
        msg = f"{name} of a model must be a safetensors file, got one in {folder} of which it says: {error}"
        raise ValueError(msg) from error
    for key in () if expected is None else sorted(expected.keys() | found.keys()):
        if expected.get(key) != found.get(key):
            sizes = " and ".join(
                "no such tensor" if of is None else str(of) for of in (expected.get(key), found.get(key))
            )
            msg = f"{name} of a model must have the tensors of its config.json; of {key} they say {sizes} in {folder}."
            raise ValueError(msg)
    return path


def load_tensors(path):
    """Read the tensors of a safetensors file."""
    return {name: value.float() if value.is_floating_point() else value for name, value in load_file(path).items()}
