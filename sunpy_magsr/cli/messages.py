"""What the commands say, in their own words."""

import contextlib
import sys
import warnings

from sunpy_magsr.exceptions import MagsrUserWarning

__all__ = ["in_the_command", "named_warnings", "one_line", "said_in_options"]

_WORDS = {
    "set smap.meta['bunit'] = 'G'": "add the card BUNIT = 'G' to its header",
    "component='los' or component='br' says it": "--component los or --component br says it",
    "a cutout (smap.submap)": "a cutout",
    "make a sunpy.map.GenericMap of its data, with a header that holds its WCS": "write a file with the WCS in its header",
    "bad_pixels='keep'": "--keep-bad-pixels",
    "plate_scale=None": "--plate-scale native",
    "plate_scale must": "--plate-scale must",
    "component must": "--component must",
    "calibrate='hmi'": "--calibrate hmi",
    "psf_fwhm": "--psf-fwhm",
    "unless overwrite=True": "unless --overwrite is given",
    "path must": "-o must",
    "n_samples": "--samples",
    "noise_lifetime": "--noise-lifetime",
    "smap": "FILE",
}


def one_line(error):
    """The message of an exception on one line."""
    return " ".join(str(error).split()) or type(error).__name__


@contextlib.contextmanager
def named_warnings(name):
    """Say this package's warnings on one line each, with the file they are about; leave out all others."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            for warning in caught:
                if issubclass(warning.category, MagsrUserWarning) or _is_about_what_was_assumed(warning):
                    sys.stderr.write(f"magsr: warning: {name}: {in_the_command(one_line(warning.message))}\n")


def _is_about_what_was_assumed(warning):
    """Whether sunpy says what it takes for a missing card: today's date, the Earth for the observer, and so on."""
    from sunpy.util.exceptions import SunpyMetadataWarning

    return issubclass(warning.category, SunpyMetadataWarning) and str(warning.message).startswith("Missing")


def in_the_command(message):
    """A message in the words of the command: its options and files in the place of Python's."""
    for python, words in _WORDS.items():
        message = message.replace(python, words)
    return message


@contextlib.contextmanager
def said_in_options():
    """Say what is wrong with arguments in the words of the command."""
    try:
        yield
    except (ValueError, FileExistsError) as error:
        kind = FileExistsError if isinstance(error, FileExistsError) else ValueError
        raise kind(in_the_command(str(error))) from error
