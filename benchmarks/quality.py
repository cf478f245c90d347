"""
Quality of the bundled models on HMI magnetograms with known truth.

    python benchmarks/quality.py [--data FOLDER] [--model default] [--samples 8] [--component magnetogram]

Every region is averaged over 4 x 4 pixels and super-resolved; the result is compared with the region. Power is the
periodogram under a Hann window, summed over a band of wavelengths. Exits with 1 if a target of the table is missed.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np
from astropy.io import fits

from sunpy_magsr.backends import load_backend
from sunpy_magsr.backends.interpolation import bicubic
from sunpy_magsr.consistency import exact
from sunpy_magsr.forward_model import degrade
from sunpy_magsr.prep import Magnetogram

PIXEL_ARCSEC = 0.5
BANDS = {"8-4": (8, 4), "4-2": (4, 2), "2-1.33": (2, 4 / 3)}
THRESHOLDS = (50, 100)
DATA = Path(os.environ.get("MAGSR_DATA", Path(__file__).parents[2] / "shared" / "data"))


def truth(path):
    """Field of a FITS file in Gauss, cropped to whole blocks of 4 x 4."""
    with fits.open(path) as hdus:
        data = next(hdu.data for hdu in hdus if hdu.data is not None).astype(np.float32)
    rows, columns = (side // 4 * 4 for side in data.shape)
    return np.nan_to_num(data[:rows, :columns])


def band_power(field):
    """Power in each band of wavelengths."""
    window = np.outer(np.hanning(field.shape[0]), np.hanning(field.shape[1]))
    power = np.abs(np.fft.fft2((field - field.mean()) * window)) ** 2
    k = np.hypot(*np.meshgrid(*(np.fft.fftfreq(side, PIXEL_ARCSEC) for side in field.shape), indexing="ij"))
    return np.array([power[(k >= 1 / long) & (k < 1 / short)].sum() for long, short in BANDS.values()])


def flux(field, threshold):
    """Sum of the unsigned field above a threshold."""
    return np.abs(field)[np.abs(field) > threshold].sum()


def rmse(field, reference):
    """Root mean square difference."""
    return float(np.sqrt(((field - reference) ** 2).mean()))


def fair_crps(members, reference):
    """Continuous ranked probability score, unbiased in the number of members (Ferro 2014, doi:10.1002/qj.2270)."""
    n = len(members)
    ordered = np.sort(members, axis=0)
    weights = (2 * np.arange(1, n + 1) - n - 1) / (n * (n - 1))
    return float((np.abs(members - reference).mean(axis=0) - np.tensordot(weights, ordered, 1)).mean())


def scores(members, field):
    """All numbers for one region; members ``[S, y, x]``."""
    mean = members.mean(axis=0)
    n = len(members)
    row = {
        "RMSE of one sample (G)": np.mean([rmse(member, field) for member in members]),
        "RMSE of the mean (G)": rmse(mean, field),
        "CRPS (G)": fair_crps(members, field) if n > 1 else np.abs(mean - field).mean(),
    }
    ratio = np.mean([band_power(member) for member in members], axis=0) / band_power(field)
    row |= {f"power {band} arcsec": value for band, value in zip(BANDS, ratio, strict=True)}
    for threshold in THRESHOLDS:
        above = np.mean([flux(member, threshold) for member in members])
        row[f"flux > {threshold} G (%)"] = 100 * (above / flux(field, threshold) - 1)
    if n > 1:
        variance = members.var(axis=0, ddof=1) * (1 + 1 / n)
        for name, chosen in (("spread / skill", np.ones_like(field, bool)), ("same, |B| > 100 G", np.abs(field) > 100)):
            row[name] = np.sqrt(variance[chosen].mean() / ((mean - field)[chosen] ** 2).mean())
    return row


def region(backend, field, samples, radial):
    """Scores of the model and of exact-mean bicubic interpolation."""
    low = degrade(field)
    valid = np.ones(low.shape, dtype=bool)
    magnetogram = Magnetogram(low, valid, (0, 0), (None, None), is_cea=True, instrument="HMI", is_radial=radial)
    drawn = backend.samples(magnetogram, n_samples=samples, seed=0, steps=None, device=None, batch_size=None)
    members = np.stack([exact(member, low) for member in drawn])
    return scores(members, field), scores(exact(bicubic(low, 4), low)[None], field)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=DATA / "hmi" / "validation")
    parser.add_argument("--model", default="default")
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--component", default="magnetogram", help="magnetogram (line of sight) or Br")
    options = parser.parse_args()
    backend = load_backend(options.model)
    paths = sorted(options.data.glob(f"*.{options.component}.fits"))
    if not paths:
        sys.exit(f"no *.{options.component}.fits in {options.data}")
    rows = [region(backend, truth(path), options.samples, options.component != "magnetogram") for path in paths]
    names = [path.name.split(".")[2] for path in paths]
    pooled = [{key: np.mean([row[i][key] for row in rows]) for key in rows[0][i]} for i in (0, 1)]
    print(f"{'model ' + options.model:26}" + "".join(f"{name:>10}" for name in [*names, "mean", "bicubic"]))
    for key in rows[0][0]:
        values = [row[0][key] for row in rows] + [pooled[0][key], pooled[1].get(key, np.nan)]
        print(f"{key:26}" + "".join(f"{value:10.3f}" for value in values))
    gain = 1 - pooled[0]["RMSE of the mean (G)"] / pooled[1]["RMSE of the mean (G)"]
    print(f"RMSE of the mean of {options.samples} below exact-mean bicubic by {100 * gain:.1f} %")
    targets = {
        "power 8-4 arcsec within 10 %": abs(pooled[0]["power 8-4 arcsec"] - 1) < 0.1,
        "power 4-2 arcsec in 0.6-1.3": 0.6 < pooled[0]["power 4-2 arcsec"] < 1.3,
        "RMSE of the mean at least 5 % below bicubic": gain > 0.05,
    }
    for name, met in targets.items():
        print(f"{'met ' if met else 'MISSED'} {name}")
    return 0 if all(targets.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
