"""The stored answer of a model folder: another process, or another machine, must give it again."""

import json
import subprocess  # nosec B404
import sys
import warnings
from pathlib import Path

import astropy.units as u
import numpy as np
import sunpy.map

from sunpy_magsr._files import whole_file
from sunpy_magsr.data import sample_map
from sunpy_magsr.exceptions import MagsrUserWarning
from sunpy_magsr.inference.superresolution import superresolve
from sunpy_magsr.sampling import load_backend
from sunpy_magsr.store.card import ModelCard

#: The file in a model folder.
CHECK = "check.npz"
# Largest difference in Gauss. Above rounding: the bundled models differ by up to 0.004 G between two implementations of
# the convolutions. A twentieth of the noise of MDI (10 G a pixel and more): no result of use depends on it.
_TOLERANCE = 0.5
_CORNERS = (208, 96), (239, 127)


def load_exported(folder):
    """Load a model folder as it is, without the adapter that its card has for an instrument."""
    card = ModelCard.read(folder)
    if card.kind == "adapter":
        return load_backend(f"{card.base or Path(folder).parents[1]}+{folder}")
    return load_backend(Path(folder))


def write_check(folder):
    """Store what a model makes of 32 x 32 pixels of the bundled sample with seed 0."""
    bottom_left, top_right = _CORNERS
    small = sample_map().submap(bottom_left * u.pix, top_right=top_right * u.pix)
    low, header = small.data.astype(np.float32), json.dumps(dict(small.meta))
    high = _answer(folder, low, header)
    with whole_file(Path(folder) / CHECK) as stream:
        np.savez_compressed(stream, low=low, high=high, header=header)


def departure(folder):
    """Compute the largest difference in Gauss between the stored answer of a model folder and what it gives now."""
    path = Path(folder) / CHECK
    if not path.is_file():
        msg = f"folder must be an exported model with a {CHECK}, got {folder}."
        raise ValueError(msg)
    with np.load(path) as stored:
        answer = _answer(folder, stored["low"], stored["header"].item())
        return float(np.abs(answer - stored["high"]).max())


def _answer(folder, low, header):
    """Super-resolve with seed 0 on the fine grid; on the CPU, where convolutions are not rounded to fewer bits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MagsrUserWarning)  # the model may be trained on another instrument
        smap = sunpy.map.Map(low, json.loads(header))
        return superresolve(smap, model=load_exported(folder), plate_scale=None, device="cpu").data


def main(folder):
    """Exit with a message if a model folder does not give its stored answer."""
    difference = departure(folder)
    if not difference <= _TOLERANCE:  # nor is NaN
        sys.exit(f"its answer differs from the stored one by {difference:.3g} G, more than {_TOLERANCE} G.")


def check_folder(folder):
    """Load a model folder in a process of its own and compare with the stored answer."""
    command = [sys.executable, "-P", "-m", "sunpy_magsr.training", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # nosec B603
    if done.returncode:
        reason = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        msg = f"the model folder does not pass its check: {reason}"
        raise RuntimeError(msg)
