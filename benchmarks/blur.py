"""
The blur that is measured on frames of known blur, and on real frames of MDI.

    python benchmarks/blur.py [--seeds 5] [--data FOLDER]
    python benchmarks/blur.py --make

The frames are whole HMI disks (``hmi/disk`` in the folder), blurred, averaged over 4 x 4 pixels, on MDI's scale and with
white noise. The mean spectra of network are made from one disk and tested on the others. ``--make`` makes the spectra that
the package carries, from all disks in the folder. The folder is that of the environment variable ``MAGSR_DATA``, or
``shared/data`` beside the repository.
"""

import argparse
import datetime
import itertools
import json
import os
import time
import warnings
from pathlib import Path

import astropy.units as u
import numpy as np
import scipy.ndimage
import sunpy.map

import sunpy_magsr.data
from sunpy_magsr.instrument import MDI_GAIN
from sunpy_magsr.instrument.blur import CLASSES, NATIVE_BLUR, measure_blur
from sunpy_magsr.instrument.network import SLOPE, NetworkSpectra
from sunpy_magsr.instrument.windows import BAND_FREQUENCY, LOW, noise_whiteness, window_spectra

DATA = Path(os.environ.get("MAGSR_DATA", Path(__file__).parents[2] / "shared" / "data"))
TARGET = Path(sunpy_magsr.data.__file__).parent / "network_spectra.json"
FWHM_PER_SIGMA = 2.3548
LEAST_MU = 0.3  # where it is judged whether a frame was interpolated
WIDTHS = (0.0, 0.6, 1.0, 1.4, 1.8, 2.2, 2.6, 3.0, 3.5, 4.0)  # arcsec, of the mean spectra
POWERS = (150.0, 300.0, 600.0, 1200.0, 2400.0, 4800.0, 9600.0)  # Gauss squared
FEWEST = 5  # windows for a mean
BLURS, NOISES = (0.8, 1.5, 2.2, 3.0), (5.0, 12.0, 25.0)
SIDE = 200  # pixels of a cutout
NETWORK = {"network": (4.5, 99.0), "weak network": (3.0, 4.5)}  # Gauss that at least ten of a cutout's windows exceed
EXPECTED = {"20110401": (1.5, 1.9), "19991211": (2.0, 2.4), "20030410": (1.7, 2.2)}


class Disk:
    """A whole HMI disk, and what a blurred instrument with pixels of 2 arcsec would see of it."""

    def __init__(self, path):
        smap = sunpy.map.Map(path)
        self.name, self.pixel = smap.date.strftime("%Y-%m-%d"), float(smap.scale[0].value)
        self.field = np.nan_to_num(smap.data).astype(np.float32)
        self.valid = np.isfinite(smap.data).reshape(1024, 4, 1024, 4).all((1, 3))
        self.mu = cosine(smap).reshape(1024, 4, 1024, 4).mean((1, 3))
        self._blurred = {}

    def blurred(self, fwhm):
        """The frame without noise, on HMI's scale."""
        if fwhm not in self._blurred:
            sigma = fwhm / FWHM_PER_SIGMA / self.pixel
            field = scipy.ndimage.gaussian_filter(self.field, sigma) if fwhm else self.field
            self._blurred[fwhm] = field.reshape(1024, 4, 1024, 4).mean((1, 3))
        return self._blurred[fwhm]

    def frame(self, fwhm, noise, seed, gain=MDI_GAIN):
        """The frame as MDI would read it."""
        return gain * self.blurred(fwhm) + np.random.default_rng(seed).normal(0, noise, (1024, 1024))


def cosine(smap):
    """Cosine of the heliocentric angle from the header alone, as all coordinates of a 4096 x 4096 map take long."""
    rows, columns = np.ogrid[: smap.data.shape[0], : smap.data.shape[1]]
    radius = smap.rsun_obs.value / smap.scale[0].value
    distance = np.hypot(columns - smap.meta["crpix1"] + 1, rows - smap.meta["crpix2"] + 1) / radius
    return np.sqrt(np.clip(1 - distance**2, 0, 1)).astype(np.float32)


def class_means(disk, fwhm):
    """Logarithm of the power, mean spectrum relative to it, and number of windows of each class of network."""
    windows = window_spectra(disk.blurred(fwhm), disk.valid, disk.mu)
    members = [(low <= windows.strength) & (windows.strength < high) for low, high in itertools.pairwise(CLASSES[1:])]
    means = [(windows.power[member].mean(0), member.sum()) for member in members if member.sum() >= FEWEST]
    return [(np.log(mean[LOW].mean()), np.log(mean / mean[LOW].mean()), number) for mean, number in means]


def fit_spectra(means):
    """
    Mean spectra at `POWERS`: one number for each band, and a slope that depends on the logarithm of power.

    So few numbers say how spectra depend on power that a disk with little strong network is enough.
    """
    level, ratio, number = (np.array(part) for part in zip(*means, strict=True))
    level = level - 7
    weight = 1 / np.hypot(0.02, 0.3 / np.sqrt(number))
    bands = ratio.shape[1]
    design = np.zeros((len(level), bands, bands + 2))
    design[:, :, :bands] = np.eye(bands)
    design[:, :, bands:] = level[:, None, None] ** [1, 2] * SLOPE[:, None]
    rows = (design * weight[:, None, None]).reshape(-1, bands + 2)
    straight = np.zeros((1, bands + 2))
    straight[0, -1] = 1 / 0.03  # the curvature is small
    known = np.append((ratio * weight[:, None]).ravel(), 0.0)
    found = np.linalg.lstsq(np.vstack([rows, straight]), known, rcond=None)[0]
    at = (np.log(POWERS) - 7)[:, None]
    return found[:bands] + (found[bands] * at + found[bands + 1] * at**2) * SLOPE


def make_spectra(disks):
    """The content of the JSON file."""
    means = {fwhm: [mean for disk in disks for mean in class_means(disk, fwhm)] for fwhm in WIDTHS}
    sharp = means[0.0]
    near = [sum(number for level, _, number in sharp if abs(level - np.log(power)) < 0.75) for power in POWERS]
    alone = [fit_spectra(class_means(disk, 0.0))[1:4] for disk in disks]  # powers that quiet disks have too
    spread = np.std(alone, axis=0, ddof=1) if len(disks) > 1 else np.zeros_like(alone[0])
    return {
        "comment": "Mean power spectra of HMI's network, averaged over 4 x 4 pixels; made by benchmarks/blur.py --make.",
        "source": [f"SDO/HMI, NASA and the HMI science team, hmi.M_720s, {disk.name}" for disk in disks],
        "made": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "pixel": round(float(np.mean([4 * disk.pixel for disk in disks])), 5),
        "frequency": BAND_FREQUENCY.round(4).tolist(),
        "fwhm": WIDTHS,
        "power": POWERS,
        "windows": [max(int(number), 3) for number in near],
        "spread": spread.mean(0).round(4).tolist(),
        "ratio": np.round([fit_spectra(means[fwhm]) for fwhm in WIDTHS], 4).tolist(),
    }


def score(errors):
    """Bias, rms, worst case and coverage of pairs of error and stated error."""
    if not errors:
        return "none"
    wrong, stated = np.array(errors).T
    return (
        f"bias {wrong.mean():+.3f}  rms {np.sqrt((wrong**2).mean()):.3f}  worst {np.abs(wrong).max():.3f}  "
        f"stated {np.median(stated):.2f}  within it {100 * (np.abs(wrong) < stated).mean():.0f} %"
    )


def cutouts(disk, kind):
    """All places of 200 x 200 pixels side by side in which there is network of a kind."""
    for y, x in itertools.product(range(12, 1024 - SIDE, SIDE), repeat=2):
        part = np.s_[y : y + SIDE, x : x + SIDE]
        windows = window_spectra(disk.blurred(0.0)[part], disk.valid[part], disk.mu[part])
        strength = np.sort(np.append(windows.strength[windows.strength < CLASSES[-1]], np.zeros(10)))[-10]
        if NETWORK[kind][0] <= strength < NETWORK[kind][1]:
            yield part


def simulated(disk, reference, seeds, gain):
    """Whole disks and cutouts of known blur."""
    options = {"pixel_arcsec": 4 * disk.pixel, "reference": reference, "gain": gain}
    whole, results = [], {}
    for fwhm, noise in itertools.product(BLURS, NOISES):
        frames = [disk.frame(fwhm, noise, seed, gain) for seed in seeds]
        found = [measure_blur(frame, disk.valid, disk.mu, **options) for frame in frames]
        errors = [(blur.fwhm - fwhm, blur.error) for blur in found]
        print(f"  blur {fwhm:.1f} noise {noise:4.0f}  {score(errors)}  windows {found[0].windows}")
        whole += errors
        for kind in NETWORK:
            for part, (name, prior) in itertools.product(
                cutouts(disk, kind), (("alone", None), ("+ prior", NATIVE_BLUR))
            ):
                blur = measure_blur(frames[0][part], disk.valid[part], disk.mu[part], prior=prior, **options)
                results.setdefault((kind, name, fwhm), []).append((blur.fwhm - fwhm, blur.error))
    print(f"  whole disks              {score(whole)}")
    for (kind, name, fwhm), errors in sorted(results.items()):
        known = [pair for pair in errors if np.isfinite(pair[0])]
        over = sum(abs(wrong) > 0.6 for wrong, _ in known)
        print(
            f"  {kind:12s} {name:7s} blur {fwhm:.1f}  {score(known)}  {over} of {len(known)} worse than 0.6, "
            f"{len(errors) - len(known)} not measured"
        )
    return whole


def real_frames(folder):
    """MDI's frames."""
    for path in sorted(folder.glob("mdi/**/mdi.fd_*.fits")):
        yield path.name.split("_lev182.", 1)[1][:8], sunpy.map.Map(path)


def judge_real(name, mdi):
    """Blur of a real frame with several gains."""
    data, mu, pixel = np.asarray(mdi.data, dtype=float), cosine(mdi), float(mdi.scale[0].value)
    valid = np.isfinite(data) & (mu > 0)
    began = time.process_time()
    found = measure_blur(data, valid, mu, pixel)
    seconds = time.process_time() - began
    others = [f"{measure_blur(data, valid, mu, pixel, gain=gain).fwhm:.2f} (gain {gain})" for gain in (1.3, 1.56)]
    print(
        f"  {name}  {found.fwhm:.2f} +- {found.error:.2f} arcsec, expected {EXPECTED.get(name)}, noise {found.noise:.1f} G, "
        f"windows {found.windows}, {', '.join(others)}, {seconds:.2f} s"
    )


def describe(name, data, valid):
    """Whiteness of the noise of a frame, and of its cutouts of 100 x 100 pixels."""
    parts = [np.s_[y : y + 100, x : x + 100] for y, x in itertools.product(range(12, 924, 100), repeat=2)]
    of_parts = np.array([noise_whiteness(data[part], valid[part]) for part in parts if valid[part].mean() > 0.9])
    told = of_parts[np.isfinite(of_parts)]
    spread = "least {:.2f} 5 % {:.2f} median {:.2f} 95 % {:.2f} most {:.2f}".format(
        *np.percentile(told, [0, 5, 50, 95, 100]) if len(told) else [np.nan] * 5
    )
    wrong = 100 * np.mean((told < 0.6) == ("native" in name)) if len(told) else np.nan
    print(
        f"  {name:26s} frame {noise_whiteness(data, valid):.2f}, cutouts {spread}; "
        f"{len(told)} of {len(of_parts)} told, {wrong:.0f} % of them wrong"
    )


def judge_interpolation(name, mdi):
    """A native frame, rotated and shifted ones."""
    data, valid = np.asarray(mdi.data, dtype=float), np.isfinite(mdi.data) & (cosine(mdi) > LEAST_MU)
    describe(f"{name} native", data, valid)
    filled = sunpy.map.Map(np.nan_to_num(data), mdi.meta)
    for angle, order in itertools.product((20, 3.1), (1, 3, 5)):
        turned = filled.rotate(angle * u.deg, order=order, missing=0.0)
        mu = cosine(turned)
        describe(f"{name} rotated {angle} order {order}", turned.data, mu > LEAST_MU)
        found = measure_blur(turned.data, mu > 0, mu, float(mdi.scale[0].value))
        print(f"    blur {found.fwhm:.2f} +- {found.error:.2f} arcsec")
    for shift in (0.5, 0.25, 0.1):
        moved = scipy.ndimage.shift(np.nan_to_num(data), shift, order=1)
        describe(f"{name} bilinear shift {shift}", moved, valid)


def main():
    """Make the numbers or judge them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data")
    parser.add_argument("--make", action="store_true", help="make the mean spectra that the package carries")
    parser.add_argument("--seeds", type=int, default=5, help="noise seeds")
    parser.add_argument(
        "--first-seed", type=int, default=100, help="first of them; 0 to 4 served to choose the settings"
    )
    parser.add_argument("--gain", type=float, default=MDI_GAIN, help="scale of the simulated frames relative to HMI")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    disks = [Disk(path) for path in sorted(options.data.glob("hmi/disk/hmi.M_720s.*.fits"))]
    if options.make:
        TARGET.write_text(json.dumps(make_spectra(disks), indent=1) + "\n", encoding="utf-8")
        return
    everything, seeds = [], range(options.first_seed, options.first_seed + options.seeds)
    for disk in disks:
        others = [other for other in disks if other is not disk]
        print(f"mean spectra of {', '.join(other.name for other in others)}, frames of {disk.name}")
        everything += simulated(disk, NetworkSpectra.from_dict(make_spectra(others)), seeds, options.gain)
    print(f"all whole disks            {score(everything)}")
    print("real frames of MDI")
    for name, mdi in real_frames(options.data):
        judge_real(name, mdi)
    print("noise at the shortest wavelengths, relative to longer ones")
    for name, mdi in real_frames(options.data):
        judge_interpolation(name, mdi)
    for disk in disks:
        describe(f"{disk.name} HMI 4 x 4", disk.blurred(0.0), disk.valid & (disk.mu > LEAST_MU))


if __name__ == "__main__":
    main()
