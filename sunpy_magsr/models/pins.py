"""The catalogue of remote models: each pinned to a commit and to the SHA-256 of its files."""

import hashlib
import os
import tomllib
from importlib import resources
from pathlib import Path

from sunpy_magsr.models.folder import commit_of, is_commit

__all__ = ["CATALOGUE_VARIABLE", "catalogue", "catalogue_entry", "check_pinned"]

#: Environment variable with the path of a catalogue that is read after that of the package.
CATALOGUE_VARIABLE = "MAGSR_CATALOGUE"


def catalogue():
    """
    Remote models that are pinned: by name, their repository, revision, commit and the SHA-256 of each file.

    Read from ``data/models.toml`` of the package, and from the file that `CATALOGUE_VARIABLE` names in the environment.

    Returns
    -------
    `dict` of `dict`
        ``id``, ``revision``, ``commit``, ``files`` (SHA-256 by path) and, for the table of models, ``kind``, ``size``,
        ``license`` and ``summary``.

    Raises
    ------
    ValueError
        If an entry of a file is no such thing.
    """
    entries = tomllib.loads((resources.files("sunpy_magsr") / "data" / "models.toml").read_text(encoding="utf-8"))
    own = os.environ.get(CATALOGUE_VARIABLE)
    if own:
        try:
            entries |= tomllib.loads(Path(own).read_text(encoding="utf-8"))
        except ValueError as error:
            msg = f"{CATALOGUE_VARIABLE} must name a TOML file, and of {own} it says: {error}"
            raise ValueError(msg) from error
    for name, entry in entries.items():
        is_entry = isinstance(entry, dict) and {"id", "revision", "commit", "files"} <= set(entry)
        if not is_entry or not is_commit(entry["commit"]) or not isinstance(entry["files"], dict):
            msg = f"a catalogue's entry must have id, revision, commit (40 digits) and files, got {name} = {entry!r}."
            raise ValueError(msg)
    return entries


def check_pinned(folder, name, entry):
    """
    Raise unless a folder holds what a catalogue says.

    Parameters
    ----------
    folder : `pathlib.Path`
        In a Hub's cache.
    name : `str`
        Of the model.
    entry : `dict`
        Of the catalogue.

    Raises
    ------
    ValueError
        If the revision has moved or a file has another hash, with both.
    """
    commit = commit_of(folder)
    if commit != entry["commit"]:
        msg = (
            f"model {name!r} must be commit {entry['commit']} of {entry['id']}, and its revision {entry['revision']!r} has "
            f"moved to {commit}."
        )
        raise ValueError(msg)
    found = _digests(folder)
    for path in sorted(entry["files"].keys() | found.keys()):
        wanted, got = entry["files"].get(path, "none"), found.get(path, "none")
        if wanted != got:
            msg = (
                f"model {name!r} must have {path} with SHA-256 {wanted}, got {got} from {entry['id']}; delete "
                f"{folder.parent.parent} to fetch it again."
            )
            raise ValueError(msg)


def catalogue_entry(model_id, name):
    """
    Text of a catalogue's entry for what is at a revision now.

    Parameters
    ----------
    model_id : `str`
        ``"org/name@revision"``.
    name : `str`
        What users shall call it.

    Returns
    -------
    `str`
        TOML.
    """
    from sunpy_magsr.catalog import ModelCard
    from sunpy_magsr.models.hub import fetch

    repo_id, _, revision = model_id.partition("@")
    if not repo_id or not revision:
        msg = f"model_id must be 'org/name@revision', got {model_id!r}."
        raise ValueError(msg)
    folder = fetch(repo_id, revision)
    card, files = ModelCard.read(folder), _digests(folder)
    size = sum((folder / path).stat().st_size for path in files) / 1e6
    facts = {"id": repo_id, "revision": revision, "commit": commit_of(folder)}
    facts |= {"kind": card.kind, "license": card.license, "summary": card.summary}
    lines = [f"[{_quoted(name)}]", *(f"{key} = {_quoted(value)}" for key, value in facts.items()), f"size = {size:.1f}"]
    lines += [f"[{_quoted(name)}.files]", *(f"{_quoted(path)} = {_quoted(digest)}" for path, digest in files.items())]
    return "\n".join(lines) + "\n"


def _digests(folder):
    """SHA-256 of the files of a folder by path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def _quoted(text):
    escaped = str(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
