"""Models from the Hugging Face Hub, and the pins of their files."""

import errno
import functools
import hashlib
import os
import tomllib
from importlib import resources
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
from sunpy_magsr.store.folder import commit_of, is_commit

#: Environment variable with the path of a catalogue that is read after that of the package.
CATALOGUE_VARIABLE = "MAGSR_CATALOGUE"


def catalogue():
    """
    Read the catalogue of models on a Hub.

    The entries come from ``data/models.toml`` of the package, and from the TOML file whose path is in the environment
    variable ``MAGSR_CATALOGUE``.
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
    """Check that a model folder has the commit and the files that the catalogue says."""
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
    """Compute the SHA-256 of each file of a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


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
    Fetch the folder of a model from a Hub, unless it is in the local cache.

    The environment variables of `huggingface_hub` apply: ``HF_ENDPOINT`` for the address of the Hub, ``HF_TOKEN`` for
    the access, ``HF_HOME`` for the cache, and ``HF_HUB_OFFLINE`` to use the cache only. A download that was interrupted
    resumes where it ended.
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
    """Fetch one revision of a repository from a Hub, unless it is in the local cache."""
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
    """The exception for a model that is not in the cache and cannot be fetched."""
    cause = error.__cause__
    if isinstance(cause, HfHubHTTPError):
        return _of_its_kind(where, cause)
    if cause is None or isinstance(cause, OfflineModeIsEnabled):
        why = "is not in the cache, and offline mode (HF_HUB_OFFLINE) forbids to fetch it"
    else:
        why = f"is not in the cache, and {constants.ENDPOINT} could not be reached: {_first_line(cause)}"
    return ConnectionError(f"model {where!r} {why}.")


def _of_its_kind(where, error):
    """Python's own exception that stands for an error of the Hub."""
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

    hidden: bool | None = None

    def __init__(self, *args, **kwargs):
        kwargs.pop("name", None)  # of huggingface_hub's own
        super().__init__(*args, **{**kwargs, "disable": self.hidden})


class _Silent(_Bar):
    """A progress bar that nobody sees."""

    hidden = True


def _first_line(error):
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
