"""The ``magsr`` command: it calls what a command line asks for, and says how that ended."""

import contextlib
import importlib
import signal
import threading

from sunpy_magsr.cli.arguments import parser
from sunpy_magsr.cli.messages import exit_code, lasting_streams, parse

_MODULES = {"archive": "archive", "evaluate": "evaluation"}
_WRONG = (ValueError, TypeError, FileExistsError, FileNotFoundError, NotADirectoryError, PermissionError)
_FAILED = (RuntimeError, MemoryError, OSError, ImportError)
_STOPPED = "finished files are kept; run the same command again to resume."


def main(arguments=None):
    """Run the command ``magsr``."""
    options = parse(parser(), arguments)
    with lasting_streams(), _ended_by_sigterm():
        return exit_code("magsr", lambda: _run(options), wrong=_WRONG, failed=_FAILED, stopped=_STOPPED)


@contextlib.contextmanager
def _ended_by_sigterm():
    """Let SIGTERM, which a scheduler sends before it kills, end the command in the same way as Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(options):
    module = importlib.import_module(f"sunpy_magsr.cli.{_MODULES.get(options.command, 'commands')}")
    return getattr(module, options.command)(options)
