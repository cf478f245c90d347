"""An entry for a catalogue of remote models, from what a Hub holds now."""

from sunpy_magsr.catalog import ModelCard
from sunpy_magsr.models.folder import commit_of
from sunpy_magsr.models.hub import fetch
from sunpy_magsr.models.pins import file_digests

__all__ = ["catalogue_entry"]


def catalogue_entry(model_id, name):
    """
    Write an entry of the catalogue for a model on a Hub as it is now.

    Parameters
    ----------
    model_id : `str`
        The repository and the revision, ``"org/name@revision"``.
    name : `str`
        The name that users will give for the model.

    Returns
    -------
    `str`
        The entry in TOML.

    Raises
    ------
    ValueError
        If ``model_id`` lacks one of its parts.
    OSError
        If the model cannot be fetched; see `sunpy_magsr.models.hub.download`.
    """
    repo_id, _, revision = model_id.partition("@")
    if not repo_id or not revision:
        msg = f"model_id must be 'org/name@revision', got {model_id!r}."
        raise ValueError(msg)
    folder = fetch(repo_id, revision)
    card, files = ModelCard.read(folder), file_digests(folder)
    size = sum((folder / path).stat().st_size for path in files) / 1e6
    facts = {"id": repo_id, "revision": revision, "commit": commit_of(folder)}
    facts |= {"kind": card.kind, "license": card.license, "summary": card.summary}
    lines = [f"[{_quoted(name)}]", *(f"{key} = {_quoted(value)}" for key, value in facts.items()), f"size = {size:.1f}"]
    lines += [f"[{_quoted(name)}.files]", *(f"{_quoted(path)} = {_quoted(digest)}" for path, digest in files.items())]
    return "\n".join(lines) + "\n"


def _quoted(text):
    escaped = str(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
