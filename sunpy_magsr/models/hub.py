"""Model folders on a Hugging Face Hub."""

from pathlib import Path

from huggingface_hub import snapshot_download

__all__ = ["FILES", "download"]

#: Of a model folder, what a repository holds.
FILES = [
    *("card.json", "README.md", "check.npz"),
    *("*/card.json", "*/README.md", "*/check.npz"),
    *("*/*config.json", "*/*.safetensors"),
]


def download(model_id):
    """
    Fetch a model folder, or find it in the local cache.

    Parameters
    ----------
    model_id : `str`
        ``"org/name"`` or ``"org/name@revision"``.

    Returns
    -------
    `pathlib.Path`
        The folder.

    Raises
    ------
    ValueError
        If it is not there or cannot be reached.
    """
    repo_id, _, revision = model_id.partition("@")
    try:
        return Path(snapshot_download(repo_id, revision=revision or None, allow_patterns=FILES))
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        msg = f"model {model_id!r} could not be fetched: {reason}"
        raise ValueError(msg) from error
