"""Models from the Hugging Face Hub."""

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

from sunpy_magsr.exceptions import reason, warn_user
from sunpy_magsr.store.folder import commit_of, is_commit

#: Patterns of the files of a repository that are fetched: no pickles, no code.
LOADED = ["*.json", "*.safetensors"]
_NO_ACCESS = (401, 403)


def download(model_id, *, progress=False):
    """
    Fetch the folder of a model (``org/name`` or ``org/name@revision``), unless it is in the local cache.

    The environment variables of `huggingface_hub` apply: HF_ENDPOINT for the address of the Hub, HF_TOKEN for the
    access, HF_HOME for the cache, and HF_HUB_OFFLINE to use the cache only.
    """
    repo_id, _, revision = model_id.partition("@")
    revision = revision or constants.DEFAULT_REVISION
    where = f"{repo_id}@{revision}"
    options = {"allow_patterns": LOADED, "ignore_patterns": ["*..*"]}  # no name leads out of the folder
    try:
        folder = snapshot_download(repo_id, revision=revision, tqdm_class=_Bar if progress else _Silent, **options)
    except HFValidationError as error:
        msg = f"model must be a Hub id 'org/name' or 'org/name@revision', got {where!r}: {reason(error)}"
        raise ValueError(msg) from error
    except LocalEntryNotFoundError as error:
        raise _unreachable(where, error.__cause__) from error
    except (HfHubHTTPError, HTTPError) as error:
        raise _builtin_error(where, error) from error
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        msg = f"no space left for model {where!r} in the cache {constants.HF_HUB_CACHE}"
        raise OSError(errno.ENOSPC, msg) from error
    if not is_commit(revision):
        _warn_unpinned(model_id, f"{repo_id}@{commit_of(folder)}")
    return Path(folder)


@functools.cache
def _warn_unpinned(model_id, commit_id):
    warn_user(
        f"The model {model_id!r} is whatever its repository holds at the time, now {commit_id}; to get the same again, ask "
        "for that.",
        stacklevel=2,
    )


def _unreachable(where, cause):
    """Make the exception for a model that is not in the cache and cannot be fetched."""
    if isinstance(cause, HfHubHTTPError):
        return _builtin_error(where, cause)
    if cause is None or isinstance(cause, OfflineModeIsEnabled):
        why = "offline mode (HF_HUB_OFFLINE) forbids to fetch it"
    else:
        why = f"{constants.ENDPOINT} could not be reached: {reason(cause)}"
    return ConnectionError(f"model {where!r} is not in the cache, and {why}.")


def _builtin_error(where, error):
    """Make the exception of Python's own kind that stands for an error of the Hub."""
    missing = f"model {where!r} was not found on {constants.ENDPOINT}: there is no such"
    if isinstance(error, RevisionNotFoundError):
        return FileNotFoundError(f"{missing} revision.")
    # A gated repository is a kind of repository that is not found for huggingface_hub.
    if isinstance(error, RepositoryNotFoundError) and not isinstance(error, GatedRepoError):
        return FileNotFoundError(f"{missing} repository, or it is private and HF_TOKEN gives no access to it.")
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, GatedRepoError) or status in _NO_ACCESS:
        return PermissionError(f"no access to model {where!r} (HF_TOKEN says who asks): {reason(error)}")
    return ConnectionError(f"model {where!r} could not be fetched from {constants.ENDPOINT}: {reason(error)}")


class _Bar(tqdm):
    """A progress bar on terminals; ``name`` is an argument of huggingface_hub's own bar."""

    disabled: bool | None = None

    def __init__(self, *args, name=None, **options):
        super().__init__(*args, **{**options, "disable": self.disabled})


class _Silent(_Bar):
    """A progress bar that nobody sees."""

    disabled = True
