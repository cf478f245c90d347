"""Magnetograms of HMI made of the truth behind the synthetic sample."""

import numpy as np
import pytest
import sunpy.map
from astropy.io import fits

from sunpy_magsr.inference.header import finer_header

from .cutouts import cut


@pytest.fixture(scope="session")
def hmi(sample, truth):
    """The truth behind the sample on the x4 grid, as HMI would deliver it."""
    meta = finer_header(sample, (4, 4), (0, 0), truth.shape)
    meta = {card: value for card, value in meta.items() if card not in ("camera", "drms_id")}
    meta |= {
        "telescop": "SDO/HMI",
        "instrume": "HMI_SIDE1",
        "bunit": "Gauss",
        "t_obs": str(sample.meta.get("t_obs", sample.meta["date-obs"])),
    }
    return sunpy.map.Map(truth.astype(np.float32), meta)


@pytest.fixture
def folder(hmi, tmp_path):
    """A folder with two magnetograms of HMI, 180 x 202 pixels, of which 180 x 200 are used."""
    for name, y, x in (("a", 380, 800), ("more/b", 560, 420)):
        path = tmp_path / "hmi" / f"{name}.fits"
        path.parent.mkdir(parents=True, exist_ok=True)
        smap = cut(hmi, y, x, 180, 202)
        fits.PrimaryHDU(smap.data, smap.fits_header).writeto(path)
    return tmp_path / "hmi"
