"""A model folder put on the Hugging Face Hub, and pinned."""

from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.utils import validate_repo_id

from sunpy_magsr.store.card import ModelCard
from sunpy_magsr.store.components import weights_digest
from sunpy_magsr.store.folder import commit_of
from sunpy_magsr.store.hub import FILES, fetch, file_digests
from sunpy_magsr.training.publish import CHECK, check_folder


def push_model(folder, repo_id, *, revision=None, private=False):
    """
    Put a model folder into a repository of a Hub, replacing the model that was there.

    The Hub and the right to write are those of `huggingface_hub` (``HF_ENDPOINT``, ``HF_TOKEN``).
    """
    folder = Path(folder).resolve()
    if repo_id.count("/") != 1:
        msg = f"repo_id must be ORG/NAME, got {repo_id!r}."
        raise ValueError(msg)
    validate_repo_id(repo_id)
    card = ModelCard.read(folder)
    missing = [name for name in ("README.md", CHECK) if not (folder / name).is_file()]
    if missing:
        msg = f"folder must be an exported model, and {folder} has no {' and no '.join(missing)}; export it again."
        raise ValueError(msg)
    digest = weights_digest(folder)
    if digest != card.sha256:
        msg = f"folder must hold the weights of its card, SHA-256 {card.sha256 or 'none'}, got {digest}."
        raise ValueError(msg)
    check_folder(folder)
    hub = HfApi()
    try:
        hub.create_repo(repo_id, private=private or None, exist_ok=True)
        if revision:
            hub.create_branch(repo_id, branch=revision, exist_ok=True)
        commit = hub.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            revision=revision,
            allow_patterns=FILES,
            delete_patterns=FILES,
            commit_message=f"{card.name} {card.revision}, SHA-256 {card.sha256}",
        )
    except Exception as error:
        # the upload of a large file tells in its cause what went wrong
        cause = error.__cause__ if type(error) is RuntimeError and error.__cause__ else error
        reason = " ".join(str(cause).split()) or type(cause).__name__
        msg = f"{repo_id} was not published: {reason}"
        raise RuntimeError(msg) from error
    return commit.commit_url


def catalogue_entry(model_id, name):
    """Write an entry of the catalogue for a model on a Hub as it is now."""
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
