"""The stored answer of a model folder, and whether the folder still gives it."""

import json
import subprocess  # nosec B404
import sys
import warnings
from pathlib import Path

import astropy.units as u
import numpy as np
import sunpy.map

from sunpy_magsr.atomic import whole_file
from sunpy_magsr.backends import load_backend
from sunpy_magsr.catalog import ModelCard
from sunpy_magsr.data import sample_map
from sunpy_magsr.exceptions import MagsrUserWarning
from sunpy_magsr.superresolution import superresolve

__all__ = ["CHECK", "TOLERANCE", "check_folder", "departure", "load_exported", "write_check"]

#: The file in a model folder.
CHECK = "check.npz"
#: Largest difference in Gauss. Above rounding: the bundled models differ by up to 0.004 G between two implementations of
#: the convolutions. A twentieth of the noise of MDI (10 G a pixel and more): no result of use depends on it.
TOLERANCE = 0.5
_CORNERS = (208, 96), (239, 127)


def load_exported(folder):
    """
    Load a model folder as it is, without the adapter that its card has for an instrument.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        The model folder; one of an adapter is loaded with the base that its card names, or else that it lies in.

    Returns
    -------
    `~sunpy_magsr.backends.base.Backend`
        Ready to sample.
    """
    card = ModelCard.read(folder)
    if card.kind == "adapter":
        return load_backend(f"{card.base or Path(folder).parents[1]}+{folder}")
    return load_backend(Path(folder))


def write_check(folder):
    """
    Store what a model makes of 32 x 32 pixels of the bundled sample with seed 0.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        The model folder; ``check.npz`` in it gets ``low`` ``[32, 32]`` and ``high`` ``[128, 128]``, float32 Gauss, and
        the ``header`` of the input.
    """
    bottom_left, top_right = _CORNERS
    small = sample_map().submap(bottom_left * u.pix, top_right=top_right * u.pix)
    low, header = small.data.astype(np.float32), json.dumps(dict(small.meta))
    high = _answer(folder, low, header)
    with whole_file(Path(folder) / CHECK) as stream:
        np.savez_compressed(stream, low=low, high=high, header=header)


def departure(folder):
    """
    Largest difference between the stored answer of a model folder and what it gives now.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        The model folder.

    Returns
    -------
    `float`
        Gauss.

    Raises
    ------
    ValueError
        If there is no stored answer.
    """
    path = Path(folder) / CHECK
    if not path.is_file():
        msg = f"folder must be an exported model with a {CHECK}, got {folder}."
        raise ValueError(msg)
    with np.load(path) as stored:
        answer = _answer(folder, stored["low"], stored["header"].item())
        return float(np.abs(answer - stored["high"]).max())


def check_folder(folder):
    """
    Load a model folder in a process of its own and compare with the stored answer.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        The model folder.

    Raises
    ------
    RuntimeError
        If it does not load, or the answer is another one.
    """
    command = [sys.executable, "-P", "-m", "sunpy_magsr.training.check", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # nosec B603
    if done.returncode:
        reason = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        msg = f"the model folder does not pass its check: {reason}"
        raise RuntimeError(msg)


def _answer(folder, low, header):
    """Field of seed 0 in Gauss on the fine grid; on the CPU, where convolutions are not rounded to fewer bits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MagsrUserWarning)  # the model may be trained on another instrument
        smap = sunpy.map.Map(low, json.loads(header))
        return superresolve(smap, model=load_exported(folder), plate_scale=None, device="cpu").data


if __name__ == "__main__":
    difference = departure(sys.argv[1])
    if not difference <= TOLERANCE:
        sys.exit(f"its answer differs from the stored one by {difference:.3g} G, more than {TOLERANCE} G.")
