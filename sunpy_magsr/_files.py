"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator


def file_digest(path: str | Path) -> str:
    """Compute the SHA-256 hash of a file."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def stem_of(name: str) -> str:
    """Remove the endings of the name of a FITS file, such as ``.fits`` or ``.fits.gz``."""
    for ending in (".gz", ".fz", ".fits", ".fit", ".fts"):
        name = name.removesuffix(ending)
    return name


def check_new(path: str | Path, *, overwrite: bool, name: str = "path", what: str = "file") -> None:
    """Raise if something has the name of a file that is to be written and may not be replaced."""
    if not overwrite and Path(path).exists():
        raise _exists(path, name, what)


def _exists(path, name="path", what="file"):
    return FileExistsError(f"{name} must be a new {what} unless overwrite=True, and {path} exists.")


@contextlib.contextmanager
def whole_file(path: str | Path, *, overwrite: bool = True) -> Iterator[BinaryIO]:
    """
    Open a file for writing that takes its name only when the block ends without an exception.

    After an exception, the new file is deleted and a file that had the name before is unchanged. A process that is
    killed leaves a hidden file ``.NAME.*.partial`` behind, which nothing reads.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".partial")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        if overwrite:
            temporary.replace(path)
        else:
            _take_free_name(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """
    Make a folder that takes its name only when the block ends without an exception.

    Only then it replaces a folder that has the name already. A process that is killed leaves the hidden folder
    ``.NAME.partial`` behind, which the next one removes.
    """
    path = Path(path)
    temporary, old = (path.with_name(f".{path.name}.{ending}") for ending in ("partial", "old"))
    for left in (temporary, old):
        shutil.rmtree(left, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if path.exists():
            path.replace(old)
        temporary.replace(path)
    except BaseException:
        if old.exists() and not path.exists():
            old.replace(path)
        raise
    finally:
        for left in (temporary, old):
            shutil.rmtree(left, ignore_errors=True)


def _take_free_name(temporary, path):
    """Rename a file, unless another file has the name."""
    try:
        os.link(temporary, path)
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError:  # a file system without links, where nothing better can be done
        check_new(path, overwrite=False)
        temporary.replace(path)
    else:
        temporary.unlink()
