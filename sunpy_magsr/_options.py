"""Options and configurations: what is given is checked against what is allowed."""

from __future__ import annotations

import dataclasses
import tomllib
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import astropy.units as u
import numpy as np

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


_Settings = TypeVar("_Settings", bound="DataclassInstance")
_IN_WORDS = {str: " (text in quotes)", bool: " (true or false)", int: " (a whole number)"}


def read_toml(path: str | Path) -> dict[str, Any]:
    """Read a TOML file."""
    if not Path(path).is_file():
        msg = f"{path} must be a TOML file, and there is no file of this name."
        raise FileNotFoundError(msg)
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} is not valid TOML: {error}."
        raise ValueError(msg) from error


def apply_override(tree: dict[str, Any], override: str) -> None:
    """Change one value of a configuration that `read_toml` has read."""
    key, separator, text = override.partition("=")
    if not separator:
        msg = f"overrides must have the form section.key=value, got {override!r}."
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


def build(kind: type[_Settings], tree: dict[str, Any], *, what: str, prefix: str = "") -> _Settings:
    """
    Make an instance of a dataclass from a configuration that `read_toml` has read.

    A field whose metadata have a ``read`` takes what that makes of the value. Others take values of their type only.
    Errors of the dataclass itself begin with the name of a field, before which the prefix is put.
    """
    types = typing.get_type_hints(kind)
    fields = {field.name: types[field.name] for field in dataclasses.fields(kind) if field.init}
    readers: dict[str, Any] = {field.name: field.metadata.get("read") for field in dataclasses.fields(kind)}
    values: dict[str, Any] = {}
    for name, value in tree.items():
        if name not in fields:
            msg = f"unknown key {prefix}{name} in {what}; known here: {', '.join(fields)}."
            raise ValueError(msg)
        wanted: Any = fields[name]
        if readers[name] is not None:
            values[name] = readers[name](value, f"{prefix}{name}")
        elif isinstance(wanted, type) and dataclasses.is_dataclass(wanted) and isinstance(value, dict):
            values[name] = build(wanted, value, what=what, prefix=f"{prefix}{name}.")
        elif wanted is float and type(value) is int:
            values[name] = float(value)
        elif type(value) is wanted:
            values[name] = value
        else:
            msg = f"{prefix}{name} must be {wanted.__name__}{_IN_WORDS.get(wanted, '')}, got {value!r}."
            raise ValueError(msg)
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        msg = f"{prefix}{error}"
        raise ValueError(msg) from error


def check_range(name: str, limits: Sequence[float], *, is_logarithmic: bool = False) -> None:
    """Check that a setting is a range: its lowest and its highest number."""
    numbers = len(limits) == 2 and all(isinstance(one, int | float) for one in limits)
    if not numbers or limits[0] > limits[1] or limits[0] < 0 or (is_logarithmic and limits[0] == 0):
        least = "above 0" if is_logarithmic else "of 0 or more"
        msg = f"{name} must be the lowest and the highest of a range {least}, got {limits!r}."
        raise ValueError(msg)


def read_option(value: u.Quantity, unit: u.UnitBase, name: str, *, zero: bool = True, infinite: bool = False) -> float:
    """Check an option that is a scalar, non-negative Quantity, and give its number in a unit."""
    is_scalar = isinstance(value, u.Quantity) and value.isscalar and value.unit.is_equivalent(unit)
    number = float(value.to_value(unit)) if is_scalar else np.nan
    if not 0 <= number <= np.inf or (number == 0 and not zero) or (number == np.inf and not infinite):
        msg = f"{name} must be a {'non-negative' if zero else 'positive'} Quantity in {unit}, got {value!r}."
        raise ValueError(msg)
    return number


def read_quantity(text: str | float, unit: u.UnitBase, name: str) -> u.Quantity:
    """Read a quantity, or several with commas between them, from text; a number without a unit is in ``unit``."""
    try:
        values = [u.Quantity(part) for part in str(text).split(",")]
        values = [value * unit if value.unit == u.one else value for value in values]
        together = u.Quantity(values, unit)
    except (TypeError, ValueError) as error:
        msg = f"{name} must be a number with a unit like {unit}, got {text!r}."
        raise ValueError(msg) from error
    return together if len(values) > 1 else values[0]
