"""
What the models make of real MDI full disks, and of simulated ones with known truth.

    python benchmarks/mdi.py [--data FOLDER] [--models bicubic,ldm-res,default+mdi] [--samples 8]
    python benchmarks/mdi.py --picture docs/images/mdi_adapter.png

Real frames (``mdi`` in the folder): agreement with the input through the forward model, noise of the quiet Sun, traces of
the input's pixels. Simulated frames (``hmi/validation``, line of sight, on MDI's scale): scores against the truth for the
noise of both exposures. Exits with 1 if a target of ``default+mdi`` is missed.
"""

import argparse
import dataclasses
import os
import sys
import time
import warnings
from pathlib import Path

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import scipy.ndimage
import sunpy.map
from astropy.stats import mad_std
from lattice import border_steps, grid_excess

import sunpy_magsr
from sunpy_magsr import metrics
from sunpy_magsr.instrument import MDI_GAIN, MDI_NOISE, MDI_PSF_FWHM, degrade
from sunpy_magsr.maps import prepare
from sunpy_magsr.metrics.agreement import quiet_pixels
from sunpy_magsr.sampling import load_backend
from sunpy_magsr.validation.regions import read_regions
from sunpy_magsr.validation.report import ROWS
from sunpy_magsr.validation.scores import score_region

DATA = Path(os.environ.get("MAGSR_DATA", Path(__file__).parents[2] / "shared" / "data"))
TARGETS = {
    "chi2 quiet": (0.8, 1.2),
    "chi2 active": (0.8, 1.2),
    "sigma out (G)": (4, 12),
    "grid": (0, 1.1),
    "borders": (0, 1.1),
    "max (G)": (0, 4000),
}
SHOWN = (
    "rmse_mean",
    "crps",
    "spread_skill",
    "power_ratio_sample_8_4",
    "power_ratio_sample_4_2",
    "asinh_power_8_4",
    "asinh_power_4_2",
    "asinh_power_2_1.33",
    "asinh_power_1.33_1.02",
    "speckle_sigma",
    "speckle_kurtosis",
)


def real(path, model):
    """Numbers of one sample of a real frame."""
    mdi = sunpy.map.Map(path)
    began = time.monotonic()
    result = sunpy_magsr.superresolve(mdi, model=model, plate_scale=None)
    seconds = time.monotonic() - began
    magnetogram = prepare(mdi)
    quiet = quiet_pixels(magnetogram.data, magnetogram.valid)
    where = quiet.repeat(4, 0).repeat(4, 1) & np.isfinite(result.data)
    agreement = metrics.forward_agreement(result, mdi)
    return {
        "chi2 quiet": agreement.quiet,
        "chi2 active": agreement.active,
        "blur (arcsec)": agreement.psf_fwhm.value,
        "noise (G)": agreement.noise.value,
        "sigma in (G)": mad_std(magnetogram.data[quiet]),
        "sigma out (G)": mad_std(result.data[where]),
        "rms out (G)": result.data[where].std(),
        "grid": grid_excess(result.data, where=where).max(),
        "borders": border_steps(result.data, where=where).max(),
        "max (G)": np.nanmax(np.abs(result.data)),
        "seconds": seconds,
    }


def simulated(region, exposure):
    """A validation region as MDI would have seen it, on MDI's scale."""
    truth = (region.truth * MDI_GAIN).astype(np.float32)
    fwhm = MDI_PSF_FWHM.to_value(u.arcsec) / 0.5
    data = degrade(np.nan_to_num(truth), psf_fwhm=fwhm, noise=MDI_NOISE[exposure], seed=exposure)
    low = dataclasses.replace(region.low, data=data, instrument="MDI", exposure=float(exposure))
    return dataclasses.replace(region, truth=truth, low=low)


def window(mdi, *, quietest):
    """The quietest or the strongest 160 x 160 pixels near disk center."""
    half, margin = 80, 350
    strength = scipy.ndimage.uniform_filter(np.abs(np.nan_to_num(mdi.data)), 60)[margin:-margin, margin:-margin]
    place = np.argmin(strength) if quietest else np.argmax(strength)
    y, x = (index + margin for index in np.unravel_index(place, strength.shape))
    return mdi.submap([x - half, y - half] * u.pix, top_right=[x + half - 1, y + half - 1] * u.pix)


def draw(data, path):
    """Draw quiet Sun and an active region of the real frames as the models make them."""
    early, late = (sunpy.map.Map(file) for file in sorted((data / "mdi").glob("mdi.fd*.fits")))
    rows = [
        ("quiet Sun, 1999 (30 s)", window(early, quietest=True), 60),
        ("quiet Sun, 2011 (300 s)", window(late, quietest=True), 60),
        ("active region, 2011", window(late, quietest=False), 800),
    ]
    figure, axes = plt.subplots(3, 3, figsize=(11.5, 10.2), layout="constrained")
    for places, (label, mdi, limit) in zip(axes, rows, strict=True):
        panels = {f"{label}: input": (mdi.data, 1)}
        for model in ("ldm-res", "default+mdi"):
            panels[model] = (sunpy_magsr.superresolve(mdi, model=model, plate_scale=None).data, 4)
        for ax, (title, (field, factor)) in zip(places, panels.items(), strict=True):
            inner = slice(55 * factor, 105 * factor)
            style = {"cmap": "gray", "vmin": -limit, "vmax": limit, "origin": "lower", "interpolation": "nearest"}
            image = ax.imshow(field[inner, inner], extent=(-50, 50, -50, 50), **style)
            ax.set_title(title, fontsize=10)
        figure.colorbar(image, ax=places, label="[G]", shrink=0.8)
    for ax in axes[-1]:
        ax.set_xlabel("arcsec along the detector")
    figure.suptitle("Structure finer than the input's pixels is made up by the model: plausible, not measured.")
    figure.savefig(path, dpi=75)


def main():
    """Print the tables, or draw the picture."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--models", default="bicubic,ldm-res,default+mdi")
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--picture", type=Path, metavar="PNG", help="draw this and do nothing else")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of FITS headers
    if options.picture:
        draw(options.data, options.picture)
        return 0
    models = options.models.split(",")
    missed = []
    for path in sorted((options.data / "mdi").glob("mdi.fd*.fits")):
        print(f"\n{path.name}")
        for number, model in enumerate(models):
            numbers = real(path, model)
            if not number:
                print(f"{'':14}" + "".join(f"{name:>15}" for name in numbers))
            print(f"{model:14}" + "".join(f"{value:15.3f}" for value in numbers.values()), flush=True)
            if model == "default+mdi":
                missed += [
                    f"{path.name}: {name} must be in {low}-{high}, got {numbers[name]:.3f}"
                    for name, (low, high) in TARGETS.items()
                    if not low <= numbers[name] <= high
                ]
    regions, _ = read_regions(options.data / "hmi" / "validation", component="los")
    labels = [label for key, label, _ in ROWS if key in SHOWN]
    for exposure in sorted(MDI_NOISE):
        print(f"\nsimulated MDI, {exposure} s, {MDI_NOISE[exposure]} G; mean over {len(regions)} regions")
        print(f"{'':44}" + "".join(f"{model:>14}" for model in models))
        columns = []
        for model in models:
            backend = load_backend(model)
            rows = [
                score_region(backend, simulated(region, exposure), n_samples=options.samples, seed=0, segment=40.0)[0]
                for region in regions
            ]
            columns.append([np.mean([row.get(key, np.nan) for row in rows]) for key, _, _ in ROWS if key in SHOWN])
        for label, *values in zip(labels, *columns, strict=True):
            print(f"{label:44}" + "".join(f"{value:14.3f}" for value in values), flush=True)
    print("\n".join(f"MISSED {what}" for what in missed) or "\nall targets met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
