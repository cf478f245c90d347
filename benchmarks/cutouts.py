"""
Cut the real magnetograms of the tests and of ``magsr demo`` out of whole frames.

    python benchmarks/cutouts.py

reads the folder that MAGSR_DATA names and writes the FITS files of ``tests/data`` and of ``sunpy_magsr/data/samples``, in
whole numbers of 0.1 G. The table of ``tests/data/README.rst`` says where each comes from. The same frames give the same
files.
"""

import os
import warnings
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.io import fits

from sunpy_magsr.inference.header import finer_header
from sunpy_magsr.maps.fits import read_fits, write_compressed

DATA = Path(os.environ.get("MAGSR_DATA", Path(__file__).parents[2] / "shared" / "data"))
ROOT = Path(__file__).parents[1]
TESTS, SAMPLES = ROOT / "tests" / "data", ROOT / "sunpy_magsr" / "data" / "samples"
MDI, HMI = "Courtesy of the SOHO/MDI consortium (ESA and NASA).", "Courtesy of NASA/SDO and the HMI science team."
# name: source, lower left corner (x, y), width and height
CUTOUTS = {
    SAMPLES / "mdi_20110401.fits": ("mdi/mdi.fd_M_96m_lev182.20110401_000000_TAI.data.fits", (300, 500), (256, 256)),
    TESTS / "mdi_limb_19991211.fits": ("mdi/mdi.fd_M_96m_lev182.19991211_173600_TAI.data.fits", (800, 540), (216, 192)),
    TESTS / "mdi_smarp_20100714.fits": ("mdi/mdi.smarp_cea_96m.13520.20100714_124800_TAI.magnetogram.fits", None, None),
    TESTS / "hmi_sharp_cea_20250817.fits": (
        "hmi/validation/hmi.sharp_cea_720s.13641.20250817_150000_TAI.magnetogram.fits", (169, 0), (440, 268),
    ),
    TESTS / "hmi_sharp_cea_20251009.fits": (
        "hmi/validation/hmi.sharp_cea_720s.13876.20251009_140000_TAI.magnetogram.fits", (80, 0), (440, 256),
    ),
    TESTS / "hmi_active_20111217.fits": ("hmi/disk/hmi.M_720s.20111217_060000_TAI.magnetogram.fits", (2224, 1240), (384, 384)),
    TESTS / "hmi_quiet_20190621.fits": ("hmi/disk/hmi.M_720s.20190621_060000_TAI.magnetogram.fits", (1900, 1900), (256, 256)),
}  # fmt: skip
PAIR = {
    TESTS / "pair_mdi_20110402.fits": ("pairs/mdi_20110402_204800_TAI_0.fits", MDI),
    TESTS / "pair_hmi_20110402.fits": ("pairs/hmi.M_720s.20110402_204800_TAI_0.fits", HMI),
}


def cut(source, corner, size):
    """Data and cards of a rectangle of a frame."""
    smap = read_fits(DATA / source)
    if corner is not None:
        last = [first + side - 1 for first, side in zip(corner, size, strict=True)]
        smap = smap.submap(corner * u.pix, top_right=last * u.pix)
    cards = finer_header(smap, (1, 1), (0, 0), smap.data.shape)  # without what was said of the whole frame
    cards = {key: value for key, value in cards.items() if isinstance(value, str | int | float) and str(value) != "nan"}
    cards.pop("history", None), cards.pop("comment", None)
    credit = MDI if source.startswith("mdi") else HMI
    return smap.data, {**cards, "credit": credit, "cutof": Path(source).name[:60]}


def main():
    """Write all files and print their sizes."""
    warnings.simplefilter("ignore")
    fields = {path: cut(*what) for path, what in CUTOUTS.items()}
    for path, (source, credit) in PAIR.items():
        fields[path] = fits.getdata(DATA / source).squeeze(), {"credit": credit, "bunit": "Gauss"}
    for path, (data, cards) in fields.items():
        path.parent.mkdir(exist_ok=True)
        write_compressed(data, cards, path)
        worst = np.nanmax(np.abs(fits.getdata(path) - data))
        stamp = cards.get("t_obs", "")
        print(
            f"{path.relative_to(ROOT)}: {data.shape}, {path.stat().st_size / 1e3:.0f} kB, {stamp}, rounded by {worst:.2f} G"
        )


if __name__ == "__main__":
    main()
