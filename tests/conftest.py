"""Inputs shared by the tests: real magnetograms, which tests/data/README.rst lists, and a synthetic one."""

import os
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import sunpy.map
from astropy.io import fits
from astropy.utils import iers

from sunpy_magsr.data import mdi_cutout, sample_map, sample_truth
from sunpy_magsr.maps.fits import read_fits

mpl.use("agg")
iers.conf.auto_download = False  # the Earth's rotation as astropy-iers-data has it, however old that is
iers.conf.auto_max_age = None
if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has a core, and torch is not imported yet
    os.environ.setdefault("OMP_NUM_THREADS", "1")
DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def mdi_center():
    """MDI near disk center, averaged over 300 s: an active region and quiet Sun."""
    return mdi_cutout()


@pytest.fixture(scope="session")
def mdi_limb():
    """MDI at the west limb, averaged over 30 s: active regions, and pixels off the disk."""
    return read_fits(DATA / "mdi_limb_19991211.fits")


@pytest.fixture(scope="session", params=["center", "limb"])
def mdi(request, mdi_center, mdi_limb):
    """Each of MDI's two cutouts on pixels of the detector."""
    return {"center": mdi_center, "limb": mdi_limb}[request.param]


@pytest.fixture(scope="session")
def smarp():
    """A SMARP patch of MDI, in cylindrical equal-area projection."""
    return read_fits(DATA / "mdi_smarp_20100714.fits")


@pytest.fixture(scope="session")
def hmi_active():
    """An active region on HMI's pixels."""
    return read_fits(DATA / "hmi_active_20111217.fits")


@pytest.fixture(scope="session")
def hmi_quiet():
    """Quiet Sun at disk center on HMI's pixels."""
    return read_fits(DATA / "hmi_quiet_20190621.fits")


@pytest.fixture(scope="session")
def sharps():
    """Parts of two SHARP patches of HMI, in cylindrical equal-area projection."""
    return [read_fits(path) for path in sorted(DATA.glob("hmi_sharp_cea_*.fits"))]


@pytest.fixture(scope="session")
def true_pair():
    """The same region by MDI and by HMI in the same minute, in Gauss on one grid of 0.504 arcsec/pix."""
    return tuple(fits.getdata(DATA / f"pair_{name}_20110402.fits").astype(np.float32) for name in ("mdi", "hmi"))


@pytest.fixture(scope="session")
def sample():
    """The synthetic MDI magnetogram."""
    return sample_map()


@pytest.fixture(scope="session")
def truth():
    """The field behind the synthetic magnetogram, four times finer."""
    field = sample_truth()[0]
    field.flags.writeable = False
    return field


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
def cea_map():
    """A function that gives a heliographic Map of square pixels, centered at a longitude from the sub-observer point."""

    def make(data, lon=0.0, degrees=0.5, **cards):
        header = {
            "crpix1": (data.shape[1] + 1) / 2,
            "crpix2": (data.shape[0] + 1) / 2,
            "crval1": 100 + lon,
            "crval2": 0.0,
        }
        for axis, name in ((1, "CRLN-CEA"), (2, "CRLT-CEA")):
            header |= {f"ctype{axis}": name, f"cunit{axis}": "deg", f"cdelt{axis}": degrees}
        header |= {"crln_obs": 100.0, "crlt_obs": 0.0, "dsun_obs": 1.495978707e11, "rsun_ref": 6.957e8, "bunit": "G"}
        header |= {"telescop": "SDO/HMI", "instrume": "HMI_SIDE1", "date-obs": "2012-03-06T00:00:00"}
        return sunpy.map.Map(data, {**header, **cards})

    return make


@pytest.fixture
def unchecked(monkeypatch):
    """Spare the process that loads what is exported or pushed, where that is not what is tested."""
    monkeypatch.setattr("sunpy_magsr.training.publish.check_folder", lambda _: None)


@pytest.fixture
def rng():
    return np.random.default_rng(20010329)
