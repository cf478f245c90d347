"""The catalogue of models on a Hub: each is pinned to a commit and to the SHA-256 of its files."""

import hashlib
import os
import tomllib
from importlib import resources
from pathlib import Path

from sunpy_magsr.models.folder import commit_of, is_commit

__all__ = ["CATALOGUE_VARIABLE", "catalogue", "check_pinned", "file_digests"]

#: Environment variable with the path of a catalogue that is read after that of the package.
CATALOGUE_VARIABLE = "MAGSR_CATALOGUE"


def catalogue():
    """
    Read the catalogue of models on a Hub.

    The entries come from ``data/models.toml`` of the package, and from the TOML file whose path is in the environment
    variable ``MAGSR_CATALOGUE``.

    Returns
    -------
    `dict` of `dict`
        For the name of each model, its repository (``id``), ``revision`` and ``commit``, the SHA-256 of its ``files``
        by path, and, for the table of models, ``kind``, ``size`` in MB, ``license`` and ``summary``.

    Raises
    ------
    ValueError
        If a file is not TOML, or an entry lacks a key.
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
    Check that a model folder has the commit and the files that the catalogue says.

    Parameters
    ----------
    folder : `pathlib.Path`
        The model folder, in the cache of a Hub.
    name : `str`
        The name of the model in the catalogue.
    entry : `dict`
        Its entry in the catalogue.

    Raises
    ------
    ValueError
        If the revision has another commit now, or a file has another SHA-256. The message gives both values.
    """
    commit = commit_of(folder)
    if commit != entry["commit"]:
        msg = (
            f"model {name!r} must be commit {entry['commit']} of {entry['id']}, and its revision {entry['revision']!r} has "
            f"moved to {commit}."
        )
        raise ValueError(msg)
    found = file_digests(folder)
    for path in sorted(entry["files"].keys() | found.keys()):
        wanted, got = entry["files"].get(path, "none"), found.get(path, "none")
        if wanted != got:
            msg = (
                f"model {name!r} must have {path} with SHA-256 {wanted}, got {got} from {entry['id']}; delete "
                f"{folder.parent.parent} to fetch it again."
            )
            raise ValueError(msg)


def file_digests(folder):
    """
    Compute the SHA-256 of each file of a folder.

    Parameters
    ----------
    folder : `pathlib.Path`
        The folder, whose subfolders are read too.

    Returns
    -------
    `dict`
        For the path of each file, relative to the folder and with slashes, the SHA-256 as 64 hexadecimal digits.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
