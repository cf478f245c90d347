"""Files that appear whole or not at all."""

import contextlib
import os
import tempfile
from pathlib import Path

__all__ = ["whole_file"]


@contextlib.contextmanager
def whole_file(path):
    """
    Open a file for writing that takes its name only when the block ends well.

    Parameters
    ----------
    path : `str` or `pathlib.Path`
        The file; folders on the way are made.

    Yields
    ------
    binary file
        To write into. After an exception nothing is left of it, and what had the name before still has it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
