"""Standard streams without which a command continues, for instance when the reader of a pipe ends (``| head -1``)."""

import contextlib
import os
import sys

__all__ = ["lasting_streams"]


class _Lasting:
    """A text stream that never fails: what is written is dropped once nobody reads it."""

    def __init__(self, stream):
        self._stream = stream

    def __getattr__(self, name):
        if self._stream is None:
            raise AttributeError(name)
        return getattr(self._stream, name)

    def write(self, text):
        """Write and flush, as long as somebody reads."""
        if self._stream is None:
            return len(text)
        try:
            self._stream.write(text)
            self._stream.flush()
        except (BrokenPipeError, ValueError):
            self._close()
        return len(text)

    def flush(self):
        """Writing has flushed."""

    def _close(self):
        """Send what is left in the buffer nowhere, or the interpreter fails with it at its end."""
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        self._stream = None


@contextlib.contextmanager
def lasting_streams():
    """
    Replace stdout and stderr during the block by streams that never fail.

    Yields
    ------
    `None`
        Nothing.
    """
    with contextlib.redirect_stdout(_Lasting(sys.stdout)), contextlib.redirect_stderr(_Lasting(sys.stderr)):
        yield
