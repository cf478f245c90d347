"""The ``magsr movie`` command."""

import logging
import sys
import warnings
from pathlib import Path

import astropy.units as u
from tqdm import tqdm

from sunpy_magsr.io import read_fits
from sunpy_magsr.movies import write_movie
from sunpy_magsr.prep.files import check_file

__all__ = ["movie"]


def movie(options):
    """Make a movie of files, which are read one after the other."""
    logging.getLogger("sunpy").setLevel(logging.ERROR)
    frames = map(_frame, tqdm(options.files, disable=None, unit="frame"))
    how = {"limit": options.limit * u.G, "frame_rate": options.frame_rate, "size": options.size}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = write_movie(frames, options.output, overwrite=options.overwrite, **how)
    sys.stdout.write(f"{path}\n")
    return 0


def _frame(name):
    check_file(Path(name), name="FILE")
    return read_fits(name)
