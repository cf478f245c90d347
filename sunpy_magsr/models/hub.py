"""Model folders on a Hugging Face Hub: what is fetched is what was asked for, or the reason says of what kind it is."""

import errno
import functools
from pathlib import Path

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from tqdm.auto import tqdm

from sunpy_magsr.exceptions import warn_user
from sunpy_magsr.models.folder import commit_of, is_commit
from sunpy_magsr.models.pins import catalogue, check_pinned

__all__ = ["FILES", "LOADED", "download", "fetch"]

#: Of a model folder, what is loaded: JSON and safetensors in the places where they belong.
LOADED = [
    *("card.json", "published.json", "adapters/*/card.json"),
    *(f"{part}/config.json" for part in ("autoencoder", "denoiser", "network", "vae", "unet")),
    *(f"{part}/diffusion_pytorch_model.safetensors" for part in ("autoencoder", "denoiser", "network", "vae", "unet")),
    "scheduler/scheduler_config.json",
    *(
        f"{place}adapter/{part}/{name}"
        for place in ("", "adapters/*/")
        for part in ("denoiser", "decoder")
        for name in ("adapter_config.json", "adapter_model.safetensors")
    ),
]
#: Of a model folder, what a repository holds.
FILES = [*LOADED, *("README.md", "check.npz", "*/README.md", "*/check.npz")]
_FORBIDDEN = 403
_UNAUTHORIZED = 401


def download(model_id, *, progress=False):
    """
    Fetch a model folder, or find it in the local cache.

    The Hub, its mirror, the token, the cache and offline mode are those of `huggingface_hub`: ``HF_ENDPOINT``,
    ``HF_TOKEN``, ``HF_HOME`` and ``HF_HUB_OFFLINE`` in the environment. A download that was cut goes on where it was.

    Parameters
    ----------
    model_id : `str`
        A name of the `~sunpy_magsr.models.pins.catalogue`, ``"org/name"`` or ``"org/name@revision"``. A commit (40
        hexadecimal digits) pins what comes; anything else that the catalogue does not pin is warned about, once.
    progress : `bool`
        Show a progress bar on a terminal.

    Returns
    -------
    `pathlib.Path`
        The folder, in the cache.

    Raises
    ------
    FileNotFoundError
        If there is no such repository, revision or file.
    PermissionError
        If the Hub gives no access.
    ConnectionError
        If it cannot be reached, or does not answer as it should, and the cache does not hold the model.
    ValueError
        If ``model_id`` is no id, or what came is not what the catalogue says.
    OSError
        If the disk is full or cannot be written.
    """
    pinned = catalogue()
    repo_id, _, revision = model_id.partition("@")
    for name, entry in pinned.items():
        if model_id == name or (repo_id == entry["id"] and revision in ("", entry["revision"], entry["commit"])):
            folder = fetch(entry["id"], entry["revision"], progress=progress)
            check_pinned(folder, name, entry)
            return folder
    folder = fetch(repo_id, revision or constants.DEFAULT_REVISION, progress=progress)
    if not is_commit(revision):
        _warn_unpinned(model_id, f"{repo_id}@{commit_of(folder)}")
    return folder


@functools.cache
def _warn_unpinned(model_id, commit_id):
    warn_user(
        f"The model {model_id!r} is whatever its repository holds at the time, now {commit_id}; to get the same again, ask "
        "for that.",
        stacklevel=2,
    )


def fetch(repo_id, revision, *, progress=False):
    """
    Fetch what is at a revision of a repository, or find it in the local cache; see `download`.

    Parameters
    ----------
    repo_id, revision : `str`
        ``"org/name"``, and a branch, tag or commit.
    progress : `bool`
        Show a progress bar on a terminal.

    Returns
    -------
    `pathlib.Path`
        The folder, in the cache.
    """
    where = f"{repo_id}@{revision}"
    try:
        return Path(
            snapshot_download(
                repo_id,
                revision=revision,
                allow_patterns=LOADED,
                ignore_patterns=["*..*"],  # no name leads out of the folder
                tqdm_class=_Bar if progress else _Silent,
            )
        )
    except HFValidationError as error:
        msg = f"model must be a Hub id 'org/name' or 'org/name@revision', got {where!r}: {_first_line(error)}"
        raise ValueError(msg) from error
    except LocalEntryNotFoundError as error:
        raise _unreachable(where, error) from error
    except (HfHubHTTPError, HTTPError) as error:
        raise _of_its_kind(where, error) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            msg = f"no space left for model {where!r} in the cache {constants.HF_HUB_CACHE}"
            raise OSError(errno.ENOSPC, msg) from error
        raise


def _unreachable(where, error):
    """The error for what is neither there nor in the cache."""
    cause = error.__cause__
    if isinstance(cause, HfHubHTTPError):
        return _of_its_kind(where, cause)
    if cause is None or isinstance(cause, OfflineModeIsEnabled):
        why = "is not in the cache, and offline mode (HF_HUB_OFFLINE) forbids to fetch it"
    else:
        why = f"is not in the cache, and {constants.ENDPOINT} could not be reached: {_first_line(cause)}"
    return ConnectionError(f"model {where!r} {why}.")


def _of_its_kind(where, error):
    """The error of Python's own that says what kind of error the Hub's is."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, GatedRepoError) or (
        status in (_UNAUTHORIZED, _FORBIDDEN) and not isinstance(error, RepositoryNotFoundError)
    ):
        return PermissionError(f"no access to model {where!r} (HF_TOKEN says who asks): {_first_line(error)}")
    if isinstance(error, RepositoryNotFoundError):
        why = "there is no such repository, or it is private and HF_TOKEN gives no access to it"
        return FileNotFoundError(f"model {where!r} was not found on {constants.ENDPOINT}: {why}.")
    if isinstance(error, RevisionNotFoundError):
        return FileNotFoundError(f"model {where!r} was not found on {constants.ENDPOINT}: there is no such revision.")
    return ConnectionError(f"model {where!r} could not be fetched from {constants.ENDPOINT}: {_first_line(error)}")


class _Bar(tqdm):
    """A progress bar on terminals."""

    hidden = None

    def __init__(self, *args, **kwargs):
        kwargs.pop("name", None)  # of huggingface_hub's own
        super().__init__(*args, **{**kwargs, "disable": self.hidden})


class _Silent(_Bar):
    """A progress bar that nobody sees."""

    hidden = True


def _first_line(error):
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
