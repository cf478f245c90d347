"""Configurations: dataclasses filled from TOML."""

import dataclasses
import tomllib
from pathlib import Path

__all__ = ["apply_override", "build", "check_range", "read_toml"]

_IN_WORDS = {str: " (text in quotes)", bool: " (true or false)", int: " (a whole number)"}


def read_toml(path):
    """
    Read a TOML file.

    Parameters
    ----------
    path : `str` or `pathlib.Path`
        The file.

    Returns
    -------
    `dict`
        Its tables and values by name.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not TOML.
    """
    if not Path(path).is_file():
        msg = f"{path} must be a TOML file, and there is no file of this name."
        raise FileNotFoundError(msg)
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} is not valid TOML: {error}."
        raise ValueError(msg) from error


def apply_override(tree, override):
    """
    Change one value of what `read_toml` gave.

    Parameters
    ----------
    tree : `dict`
        Changed in place.
    override : `str`
        ``"section.key=value"``, the value in TOML syntax (a bare word is a string).

    Raises
    ------
    ValueError
        If it is none.
    """
    key, separator, text = override.partition("=")
    if not separator:
        msg = f"--set takes section.key=value, got {override!r}."
        raise ValueError(msg)
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *sections, name = key.strip().split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            msg = f"--set {override}: {section} is a value, not a section."
            raise ValueError(msg)
    tree[name] = value


def build(cls, tree, *, what, prefix=""):
    """
    Fill a dataclass.

    Parameters
    ----------
    cls : `type`
        A dataclass whose fields are plain types or dataclasses.
    tree : `dict`
        Values by the names of its fields.
    what : `str`
        What it is, for messages.
    prefix : `str`
        Of the names, for messages.

    Returns
    -------
    ``cls``
        An object of that class.

    Raises
    ------
    ValueError
        For an unknown key or a value of the wrong type.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}
    values = {}
    for name, value in tree.items():
        if name not in fields:
            msg = f"unknown key {prefix}{name} in {what}; known here: {', '.join(fields)}."
            raise ValueError(msg)
        kind = fields[name].type
        if dataclasses.is_dataclass(kind) and isinstance(value, dict):
            values[name] = build(kind, value, what=what, prefix=f"{prefix}{name}.")
        elif kind is float and type(value) is int:
            values[name] = float(value)
        elif type(value) is kind:
            values[name] = value
        else:
            msg = f"{prefix}{name} must be {kind.__name__}{_IN_WORDS.get(kind, '')}, got {value!r}."
            raise ValueError(msg)
    return cls(**values)


def check_range(name, limits, *, is_logarithmic=False):
    """
    Raise unless a value is the lowest and the highest of a range.

    Parameters
    ----------
    name : `str`
        Of the setting, for the message.
    limits : `list`
        The value.
    is_logarithmic : `bool`
        Whether the lowest must be above 0 rather than 0 or more.

    Raises
    ------
    ValueError
        The message names the setting.
    """
    numbers = len(limits) == 2 and all(isinstance(one, int | float) for one in limits)
    if not numbers or limits[0] > limits[1] or limits[0] < 0 or (is_logarithmic and limits[0] == 0):
        least = "above 0" if is_logarithmic else "of 0 or more"
        msg = f"{name} must be the lowest and the highest of a range {least}, got {limits!r}."
        raise ValueError(msg)
