"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator


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


@contextlib.contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """
    Give the path of a new folder to fill, which takes its name, in place of an older folder, only when the block ends.

    After an exception, the new folder is deleted and the older one is unchanged. What a killed process leaves behind is
    deleted by the next one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    new, old = (path.with_name(f".{path.name}.{kind}") for kind in ("partial", "old"))
    shutil.rmtree(new, ignore_errors=True)
    try:
        yield new
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.replace(old)
    new.replace(path)
    shutil.rmtree(old, ignore_errors=True)
