"""Files that appear whole or not at all."""

import contextlib
import os
import tempfile
from pathlib import Path

__all__ = ["check_new", "whole_file"]


def check_new(path, *, overwrite, name="path", what="file"):
    """
    Raise if something has the name of a file that is to be written and may not be replaced.

    Parameters
    ----------
    path : `str` or `pathlib.Path`
        The file or folder that is to be written.
    overwrite : `bool`
        Whether the user allows to replace what is there.
    name : `str`
        The argument of the public function that gave the path, for the message. Defaults to ``"path"``.
    what : `str`
        What is written, for the message: ``"file"`` (the default) or ``"folder"``.

    Raises
    ------
    FileExistsError
        If ``path`` exists and ``overwrite`` is false.
    """
    if not overwrite and Path(path).exists():
        raise _exists(path, name, what)


def _exists(path, name="path", what="file"):
    return FileExistsError(f"{name} must be a new {what} unless overwrite=True, and {path} exists.")


@contextlib.contextmanager
def whole_file(path, *, overwrite=True):
    """
    Open a file for writing that takes its name only when the block ends well.

    Parameters
    ----------
    path : `str` or `pathlib.Path`
        The file; folders on the way are made.
    overwrite : `bool`
        Whether to take the place of a file that is there. Defaults to `True`.

    Yields
    ------
    binary file
        To write into. After an exception nothing is left of it, and what had the name before still has it. A process that
        is killed leaves a hidden file ``.NAME.*.partial``, which nothing reads.

    Raises
    ------
    FileExistsError
        If there is a file, also one that another process has written meanwhile, and ``overwrite`` is false.
    OSError
        If the disk is full or the folder cannot be written.
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
    """Rename a file, unless the name is taken."""
    try:
        os.link(temporary, path)
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError:  # a file system without links, where nothing better can be done
        check_new(path, overwrite=False)
        temporary.replace(path)
    else:
        temporary.unlink()
