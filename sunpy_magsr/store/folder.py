"""Files of a model folder: read without trust in what they say."""

import functools
import json
import math
import re
from importlib import resources
from pathlib import Path

import jsonschema

_LARGEST_JSON = 2**20  # bytes
_COMMIT = re.compile(r"[0-9a-f]{40}")


def read_json(folder, name, schema=None):
    """Read a JSON file of a model folder."""
    path = inside(folder, name)
    if not path.is_file():
        msg = f"model must be a folder with a {name}, got {str(folder)!r}."
        raise ValueError(msg)
    if path.stat().st_size > _LARGEST_JSON:
        msg = f"{name} of a model must have at most {_LARGEST_JSON} bytes, got {path.stat().st_size} in {folder}."
        raise ValueError(msg)
    try:
        facts = json.loads(path.read_text(encoding="utf-8"), parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        msg = f"{name} of a model must be JSON with finite numbers, got in {folder}: {error}"
        raise ValueError(msg) from error
    if not isinstance(facts, dict):
        msg = f"{name} of a model must be a JSON object, got {type(facts).__name__} in {folder}."
        raise ValueError(msg)
    if schema is not None:
        check_facts(facts, schema, f"{name} in {folder}")
    return facts


def _finite(text):
    number = float(text)
    if not math.isfinite(number):
        msg = f"{text} is not a finite number"
        raise ValueError(msg)
    return number


def check_facts(facts, schema, what):
    """Check that the values in a file of a model are within the bounds of a schema."""
    error = jsonschema.exceptions.best_match(_validator(schema).iter_errors(facts))
    if error is not None:
        key = ".".join(map(str, error.absolute_path))
        msg = f"{what} must be within the bounds of this version: {key and f'{key}: '}{error.message[:300]}"
        raise ValueError(msg)


@functools.cache
def _validator(name):
    text = (resources.files("sunpy_magsr") / "data" / "model_schemas.json").read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": json.loads(text)["$defs"]})


def inside(folder, name):
    """Give the path of a file of a model folder, and refuse links that lead out of the folder."""
    path, snapshot = Path(folder, name), _snapshot(Path(folder))
    # The files of a snapshot are links to the blobs of its repository, and a repository may link to others of the cache.
    home = (snapshot.parents[2] if snapshot else Path(folder)).resolve()
    if not path.resolve().is_relative_to(home):
        msg = f"{name} of a model must lie in its folder, and in {folder} it is a link to {path.resolve()}."
        raise ValueError(msg)
    return path


def commit_of(folder):
    """Find the commit of a model folder in the cache of a Hub; empty if the folder is elsewhere."""
    snapshot = _snapshot(Path(folder))
    return snapshot.name if snapshot else ""


def is_commit(revision):
    """Say whether a revision is a commit, which never changes, and not a branch or a tag."""
    return _COMMIT.fullmatch(str(revision)) is not None


def _snapshot(folder):
    """Find the folder ``REPOSITORY/snapshots/COMMIT`` of a Hub's cache that a folder is, or lies in."""
    for path in (folder, *folder.parents):
        if is_commit(path.name) and path.parent.name == "snapshots" and (path.parent.parent / "blobs").is_dir():
            return path
    return None
