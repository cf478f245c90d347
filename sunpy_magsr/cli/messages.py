"""What commands say: errors, warnings, exit codes."""

import contextlib
import dataclasses
import difflib
import os
import re
import sys
import warnings
from pathlib import Path

from sunpy_magsr.exceptions import MagsrUserWarning, reason
from sunpy_magsr.inference.settings import Settings


class _Lasting:
    """A text stream that never fails: what is written is dropped once nobody reads it."""

    def __init__(self, stream):
        self._stream = stream

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def write(self, text):
        """Write and flush, as long as somebody reads."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except (BrokenPipeError, ValueError, AttributeError):  # Nobody reads, it was closed, or there never was one.
            self._drop()
        return len(text)

    def flush(self):
        """Writing has flushed."""

    def _drop(self):
        """Send what is left in the buffer nowhere, or the interpreter fails with it at its end."""
        nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  It is needed until the end.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            os.dup2(nowhere.fileno(), self._stream.fileno())
        self._stream = nowhere


@contextlib.contextmanager
def lasting_streams():
    """Replace stdout and stderr during the block by streams that never fail."""
    with contextlib.redirect_stdout(_Lasting(sys.stdout)), contextlib.redirect_stderr(_Lasting(sys.stderr)):
        yield


#: The options by which the commands give the arguments of functions.
FLAGS = {
    **{field.name: field.metadata["flag"] for field in dataclasses.fields(Settings) if field.metadata.get("flag")},
    "low_folder": "--paired",
    "overrides": "--set",
    "path": "-o",
    "results": "--results",
    "two_samples": "--two-samples",
    "smap": "FILE",
}
_PHRASES = {
    "set smap.meta['bunit'] = 'G'": "add the card BUNIT = 'G' to its header",
    "bad_pixels='keep'": "--keep-bad-pixels",
    "plate_scale=None": "--plate-scale native",
    "unless overwrite=True": "unless --overwrite is given",
    "low_folder must": "--low-resolution must",
    "folder must hold pairs": "--pairs must hold pairs",
    "folder must be a folder with magnetograms": "--data must be a folder with magnetograms",
    "smap": "FILE",
}


def exit_code(program, work, *, wrong, failed, stopped, flags=FLAGS):
    """Run a command, and say on one line why it ended if it did not end well."""
    try:
        return work()
    except wrong as error:
        sys.stderr.write(f"{program}: error: {in_the_command(reason(error), flags)}\n")
        return 2
    except failed as error:
        sys.stderr.write(f"{program}: failed: {in_the_command(reason(error), flags)}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"{program}: stopped; {stopped}\n")
        return 130


@contextlib.contextmanager
def named_warnings(name):
    """Write the warnings of the block on one line each; warnings that do not come from this package are left out."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            for warning in caught:
                if issubclass(warning.category, MagsrUserWarning) or _is_about_what_was_assumed(warning):
                    sys.stderr.write(f"magsr: warning: {name}: {in_the_command(reason(warning.message))}\n")


def _is_about_what_was_assumed(warning):
    """Whether sunpy says what it assumes for a missing card, such as the Earth for the observer."""
    from sunpy.util.exceptions import SunpyMetadataWarning

    return issubclass(warning.category, SunpyMetadataWarning) and str(warning.message).startswith("Missing")


def in_the_command(message, flags=FLAGS):
    """Replace the names of Python's arguments in a message by the options of the command."""
    for python, of_command in _PHRASES.items():
        message = message.replace(python, of_command)
    names = "|".join(flags)
    message = re.sub(rf"\b({names})='(\w+)'", lambda found: f"{flags[found[1]]} {found[2]}", message)
    return re.sub(rf"\b({names}) must\b", lambda found: f"{flags[found[1]]} must", message)


def parse(top, arguments=None):
    """Parse a command line, and suggest the option that was meant if one is not known."""
    options, unknown = top.parse_known_args(arguments)
    if unknown:
        known = sorted({option for command in parsers_of(top) for option in command._option_string_actions})
        close = [near for word in unknown for near in difflib.get_close_matches(word.partition("=")[0], known, 1)]
        top.error(f"unrecognized arguments: {' '.join(unknown)}" + (f" (do you mean {close[0]}?)" if close else ""))
    return options


def parsers_of(top):
    """Give the parsers of a program and of all its commands."""
    yield top
    for action in top._actions:
        if isinstance(action.choices, dict):
            for command in action.choices.values():
                yield from parsers_of(command)
