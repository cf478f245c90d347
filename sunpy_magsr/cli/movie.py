"""The ``magsr movie`` command."""

import logging
import sys
import warnings
from pathlib import Path

import astropy.units as u
from tqdm import tqdm

from sunpy_magsr.cli.messages import said_in_options
from sunpy_magsr.io import read_fits
from sunpy_magsr.movies import write_movie

__all__ = ["movie"]


def movie(options):
    """Make a movie of files, which are read one after the other."""
    logging.getLogger("sunpy").setLevel(logging.ERROR)
    frames = map(_frame, tqdm(options.files, disable=None, unit="frame"))
    how = {"limit": options.limit * u.G, "frame_rate": options.frame_rate, "size": options.size}
    with warnings.catch_warnings(), said_in_options():
        warnings.simplefilter("ignore")
        path = write_movie(frames, options.output, overwrite=options.overwrite, **how)
    sys.stdout.write(f"{path}\n")
    return 0


def _frame(name):
    if not Path(name).is_file():
        msg = f"FILE must be a FITS file, and there is none of the name {name}."
        raise FileNotFoundError(msg)
    try:
        return read_fits(name)
    except Exception as error:
        msg = f"FILE must be one that sunpy.map.Map reads, got {name}: {error}"
        raise ValueError(msg) from error
