"""
Whole HMI disks in two parts: one to train on and one to judge.

    python benchmarks/quadrants.py -o FOLDER [--data FOLDER]

Of each disk (``hmi/disk`` in the data folder), the quadrant in the south-west is written to ``FOLDER/validation``, as far
out as mu of 0.2, and the rest of the disk to ``FOLDER/train``. A margin of 100 arcsec between the two is in neither. The
other magnetograms (``hmi/train`` and ``hmi/validation``) are linked into the folders of these names. The data folder is
that of the environment variable ``MAGSR_DATA``, or ``shared/data`` beside the repository.
"""

import argparse
import os
import warnings
from pathlib import Path

import astropy.units as u
import numpy as np
import sunpy.map

DATA = Path(os.environ.get("MAGSR_DATA", Path(__file__).parents[2] / "shared" / "data"))
MARGIN = 200  # pixels of 0.5 arcsec
FACTOR = 4
LEAST_MU = 0.2


def quadrant_of(smap):
    """Rows and columns of the south-western quadrant (disks whose north is down), whole input pixels."""
    if abs(smap.meta["crota2"] - 180) > 1:
        msg = f"a disk must have its north down (CROTA2 = 180), got {smap.meta['crota2']}."
        raise ValueError(msg)
    row, column = (round(smap.meta[f"crpix{axis}"] / FACTOR) * FACTOR for axis in (2, 1))
    return slice(row, smap.data.shape[0]), slice(0, column)


def mu_of(smap):
    """Cosine of the heliocentric angle, from the header alone."""
    rows, columns = np.ogrid[: smap.data.shape[0], : smap.data.shape[1]]
    radius = smap.rsun_obs.value / smap.scale[0].value
    distance = np.hypot(columns - smap.meta["crpix1"] + 1, rows - smap.meta["crpix2"] + 1) / radius
    return np.sqrt(np.clip(1 - distance**2, 0, 1))


def split(path, folder):
    """Write the two parts of one disk."""
    smap = sunpy.map.Map(path)
    meta = {key: value for key, value in smap.meta.items() if key not in ("bscale", "bzero", "blank", "keycomments")}
    rows, columns = quadrant_of(smap)
    rest = smap.data.astype(np.float32)
    rest[max(rows.start - MARGIN, 0) :, : columns.stop + MARGIN] = np.nan
    sunpy.map.Map(rest, meta).save(folder / "train" / path.name, overwrite=True)
    aside = np.where(mu_of(smap) >= LEAST_MU, smap.data, np.nan).astype(np.float32)
    last = [
        int(np.flatnonzero(np.isfinite(aside[rows, columns]).any(axis=axis))[end]) for axis, end in ((1, -1), (0, 0))
    ]
    rows = slice(rows.start, rows.start + last[0] // FACTOR * FACTOR)
    columns = slice(-(-last[1] // FACTOR) * FACTOR, columns.stop)
    part = sunpy.map.Map(aside, meta).submap(
        (columns.start, rows.start) * u.pix, top_right=(columns.stop - 1, rows.stop - 1) * u.pix
    )
    part.save(folder / "validation" / path.name, overwrite=True)


def make_parts(data, output):
    """Fill the folders ``train`` and ``validation`` of the output."""
    for name in ("train", "validation"):
        (output / name / "regions").mkdir(parents=True, exist_ok=True)
        for path in sorted((data / "hmi" / name).rglob("*.fits")):
            link = output / name / "regions" / path.name
            if not link.exists():
                link.symlink_to(path.resolve())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of FITS headers
        for path in sorted((data / "hmi" / "disk").glob("hmi.M_720s.*.fits")):
            split(path, output)


def main():
    """Split all disks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder that is written")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the magnetograms")
    options = parser.parse_args()
    make_parts(options.data, options.output)


if __name__ == "__main__":
    main()
