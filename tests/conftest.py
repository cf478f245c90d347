"""Inputs shared by the tests: real magnetograms where they are at hand, else the bundled synthetic sample."""

import os
import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import sunpy.map
from astropy.utils import iers

from sunpy_magsr.data import sample_map

mpl.use("agg")
iers.conf.auto_download = False  # the Earth's rotation as astropy-iers-data has it, however old that is
iers.conf.auto_max_age = None
if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has a core, and torch is not imported yet
    os.environ.setdefault("OMP_NUM_THREADS", "1")
SHARED = Path(os.environ.get("MAGSR_DATA", Path(__file__).parents[2] / "shared" / "data"))


def real_or_sample(pattern):
    """The first file under the data folder that matches, or a stand-in from the sample where there is none."""
    found = sorted(SHARED.glob(pattern))
    if not found:
        warnings.warn(pytest.PytestWarning(f"no {pattern} at hand: the synthetic sample stands in"), stacklevel=2)
        return sample_map()
    return sunpy.map.Map(found[0])


@pytest.fixture(scope="session")
def sample():
    """The synthetic MDI magnetogram."""
    return sample_map()


@pytest.fixture
def small(sample):
    """A 40 x 36 cutout with strong field."""
    data = sample.data[90:126, 200:240].copy()
    meta = dict(sample.meta)
    meta["crpix1"] -= 200
    meta["crpix2"] -= 90
    return sunpy.map.Map(data, meta)


@pytest.fixture
def with_meta(small):
    """A function that gives the small map with other header cards; a value of None removes the card."""

    def change(data=None, **cards):
        meta = {**small.meta, **cards}
        meta = {key: value for key, value in meta.items() if value is not None}
        return sunpy.map.Map(small.data.copy() if data is None else data, meta)

    return change


@pytest.fixture
def unchecked(monkeypatch):
    """Spare the process that loads what is exported or pushed, where that is not what is tested."""
    for stage in ("export", "push"):
        monkeypatch.setattr(f"sunpy_magsr.training.publish.{stage}.check_folder", lambda _: None)


@pytest.fixture
def rng():
    return np.random.default_rng(20010329)
