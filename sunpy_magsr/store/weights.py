"""Files of a model folder: read, checked, loaded."""

import functools
import json
import math
import re
import struct
from importlib import resources
from pathlib import Path

import jsonschema
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

__all__ = [
    "check_facts",
    "check_weights",
    "commit_of",
    "inside",
    "is_commit",
    "load_module",
    "load_tensors",
    "made",
    "read_json",
    "shapes",
]


_LARGEST_JSON = 2**20  # bytes
_SNAPSHOTS = "snapshots"  # of a Hub's cache: REPOSITORY/snapshots/COMMIT
_COMMIT = re.compile(r"[0-9a-f]{40}")


def read_json(folder, name, schema=None):
    """
    Read a JSON file of a model folder.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        The folder.
    name : `str`
        The path of the file relative to the folder.
    schema : `str`, optional
        The name of the schema that the file must fit; see `check_facts`. By default any JSON object is taken.

    Returns
    -------
    `dict`
        The content of the file.

    Raises
    ------
    ValueError
        If there is no such file, if it is not a JSON object or larger than 1 MiB, or if it does not fit the schema.
    """
    path = inside(folder, name)
    if not path.is_file():
        msg = f"model must be a folder with a {name}, got {str(folder)!r}."
        raise ValueError(msg)
    if path.stat().st_size > _LARGEST_JSON:
        msg = f"{name} of a model must have at most {_LARGEST_JSON} bytes, got {path.stat().st_size} in {folder}."
        raise ValueError(msg)
    try:
        facts = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refused, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        msg = f"{name} of a model must be JSON with finite numbers, got in {folder}: {error}"
        raise ValueError(msg) from error
    if not isinstance(facts, dict):
        msg = f"{name} of a model must be a JSON object, got {type(facts).__name__} in {folder}."
        raise ValueError(msg)
    if schema is not None:
        check_facts(facts, schema, f"{name} in {folder}")
    return facts


def check_facts(facts, schema, what):
    """
    Check that the values in a file of a model are within bounds.

    Parameters
    ----------
    facts : `dict`
        The content of the file.
    schema : `str`
        The name of a schema in ``data/model_schemas.json``: ``"card"``, ``"scheduler"``, ``"published"``, ``"LORA"`` or
        the class of a network.
    what : `str`
        The name of the file in the message.

    Raises
    ------
    ValueError
        If a value is out of bounds. The message names the key and says what is wrong with its value.
    """
    error = jsonschema.exceptions.best_match(_validator(schema).iter_errors(facts))
    if error is not None:
        key = ".".join(map(str, error.absolute_path)) or "what it holds"
        msg = f"{what} must have bounds that this version takes; of {key} it says: {error.message[:300]}"
        raise ValueError(msg)


@functools.cache
def _validator(name):
    text = (resources.files("sunpy_magsr") / "data" / "model_schemas.json").read_text(encoding="utf-8")
    whole = json.loads(text)
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": whole["$defs"]})


def inside(folder, name):
    """
    Give the path of a file of a model folder, and refuse links that lead out of the folder.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        The folder. If it lies in the cache of a Hub, its files may be links to files elsewhere in the cache.
    name : `str`
        The path of the file relative to the folder.

    Returns
    -------
    `pathlib.Path`
        The path. The file need not exist.

    Raises
    ------
    ValueError
        If the file lies outside of the folder.
    """
    path = Path(folder, name)
    snapshot = _snapshot(Path(folder))
    home = (snapshot.parents[2] if snapshot else Path(folder)).resolve()
    if not path.resolve().is_relative_to(home):
        msg = f"{name} of a model must lie in its folder, and in {folder} it is a link to {path.resolve()}."
        raise ValueError(msg)
    return path


def commit_of(folder):
    """
    Find the commit of a model folder in the cache of a Hub.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        A model folder, in such a cache or elsewhere.

    Returns
    -------
    `str`
        The commit, 40 hexadecimal digits; ``""`` if the folder is elsewhere.
    """
    snapshot = _snapshot(Path(folder))
    return snapshot.name if snapshot else ""


def is_commit(revision):
    """
    Say whether a revision is a commit, which never changes, and not a branch or a tag.

    Parameters
    ----------
    revision : `str`
        The revision.

    Returns
    -------
    `bool`
        Whether it has 40 hexadecimal digits and nothing else.
    """
    return _COMMIT.fullmatch(str(revision)) is not None


def _snapshot(folder):
    """The snapshot that a folder is, or lies in; `None` if it is elsewhere."""
    for path in (folder, *folder.parents):
        if is_commit(path.name) and path.parent.name == _SNAPSHOTS and (path.parent.parent / "blobs").is_dir():
            return path
    return None


def _refused(constant):
    msg = f"{constant} is no number"
    raise ValueError(msg)


def _finite(text):
    number = float(text)
    if not math.isfinite(number):
        _refused(text)
    return number


_WEIGHTS = "diffusion_pytorch_model.safetensors"
_LARGEST_HEADER = 2**22  # bytes


def load_module(kinds, folder, part):
    """
    Load a network of a model folder, in float32.

    Before any memory is taken, it is checked that the configuration is within the bounds of its class and that the
    weights have the shapes that the configuration asks for. No code of the folder is executed: the function does not
    use `diffusers.ModelMixin.from_pretrained`, which would read pickles if the safetensors are missing.

    Parameters
    ----------
    kinds : `dict` of `str` to `type`
        The classes that the network may have, by their names.
    folder : `str` or `pathlib.Path`
        The model folder.
    part : `str`
        The folder of the network in the model folder, with ``config.json`` and the weights.

    Returns
    -------
    `torch.nn.Module`
        The network, in evaluation mode.

    Raises
    ------
    ValueError
        If the network has another class, if its configuration is out of bounds, or if its weights do not fit.
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
    """
    Make a network or a scheduler from its configuration.

    Parameters
    ----------
    kind : `type`
        The class, a `diffusers.ConfigMixin`.
    config : `dict`
        The configuration, whose values are within their bounds.
    what : `str`
        The name of the configuration file in the message.

    Returns
    -------
    object
        An instance of the class.

    Raises
    ------
    ValueError
        If the class refuses the values, for instance because they do not fit each other.
    """
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
    """
    Collect the shapes of tensors.

    Parameters
    ----------
    tensors : mapping of `str` to `torch.Tensor`
        The tensors by name.

    Returns
    -------
    `dict` of `tuple`
        The shapes by name.
    """
    return {name: tuple(value.shape) for name, value in tensors.items()}


def check_weights(folder, name, expected=None):
    """
    Check that a safetensors file has the tensors that it should have; their values are not read.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        The model folder.
    name : `str`
        The path of the file relative to the folder.
    expected : `dict` of `str` to `tuple`, optional
        The shape of each tensor by its name. By default any tensors are taken.

    Returns
    -------
    `pathlib.Path`
        The path of the file.

    Raises
    ------
    ValueError
        If the file is missing or damaged, or if it has other tensors.
    """
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
    """
    Read the tensors of a safetensors file.

    Parameters
    ----------
    path : `str` or `pathlib.Path`
        The name of a file that `check_weights` has checked.

    Returns
    -------
    `dict` of `torch.Tensor`
        The tensors by name. Real numbers are in float32.
    """
    return {name: value.float() if value.is_floating_point() else value for name, value in load_file(path).items()}
