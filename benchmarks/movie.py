"""
How long structure lives: that of HMI and that which the default model makes up of HMI averaged down.

    python benchmarks/movie.py [--data FOLDER] [--members 4] [--frames 16] [--processes 1]

Frames of HARP 377 in its disk passage, and what else there is of it at shorter lags, are averaged over 4 x 4 pixels and
super-resolved with the noise that a sequence has, with noise that stays on the detector and with noise that is new in each
frame. Prints, for each lag, the correlation between two frames of the truth and of samples in bands of wavelength, and
each frame's CRPS and spread over skill with the two noises. Exits with 1 if the correlation in the band from 4 to 2
arcsec is not within 0.1 of the truth's at each lag, or if CRPS or spread over skill differ by 1 % or more.
"""

import argparse
import itertools
import multiprocessing
import os
import sys
import warnings
from pathlib import Path

import astropy.units as u
import numpy as np
import scipy.ndimage
import sunpy.map
from astropy.coordinates import SkyCoord
from sunpy.coordinates import HeliographicCarrington
from sunpy.map.maputils import all_coordinates_from_map

import sunpy_magsr
from sunpy_magsr.inference.header import finer_header
from sunpy_magsr.metrics.ensemble import crps, spread_skill
from sunpy_magsr.sampling.noise import NOISE_LIFETIME
from sunpy_magsr.validation.regions import degraded_region

DATA = Path(os.environ.get("MAGSR_DATA", Path(__file__).parents[2] / "shared" / "data")) / "hmi" / "train"
SHARP = "hmi.sharp_cea_720s.377."
CUTOUT = "sdo-hmi_2011-02-14_20-34-12.fits"
BANDS = ((8, 4), (4, 2), (2, 4 / 3))
PIXEL = 0.505  # arcsec, of 0.03 deg at disk center
EDGE = 24  # pixels that are left out: what is near the edge of a cutout differs, and so does a band's filter
NOISES = {"sun": NOISE_LIFETIME, "place": None, "fresh": 0 * u.s}
HOURS = (2.0, 2.57, 3.43, 6.0, 12.0, 18.0, 24.0)


def read(path):
    """A frame: its truth and its input as Maps on x4 grids."""
    smap = sunpy.map.Map(path)
    component = "br" if ".Br." in path.name else "los"
    region = degraded_region(smap, name=path.name, component=component)
    rows, columns = region.low.data.shape
    truth = sunpy.map.Map(region.truth, finer_header(smap, (1, 1), (0, 0), region.truth.shape))
    data = np.where(region.low.valid, region.low.data, np.nan).astype(np.float32)
    return truth, sunpy.map.Map(data, finer_header(smap, (0.25, 0.25), (0, 0), (rows, columns))), component


def moved(data, smap, target):
    """A field of one map on the grid of another, by the places on the Sun that rotate with Carrington's longitudes."""
    place = all_coordinates_from_map(target)
    frame = HeliographicCarrington(observer=smap.observer_coordinate, obstime=smap.observer_coordinate.obstime)
    place = SkyCoord(place.lon, place.lat, smap.observer_coordinate.rsun, frame=frame)
    pixel = smap.world_to_pixel(place.transform_to(smap.coordinate_frame))
    filled = np.nan_to_num(data).astype(float)
    found = scipy.ndimage.map_coordinates(filled, [pixel.y.value, pixel.x.value], order=5, cval=np.nan)
    return np.where(
        scipy.ndimage.map_coordinates(np.isnan(data).astype(float), [pixel.y.value, pixel.x.value], order=0, cval=1)
        > 0,
        np.nan,
        found,
    )


def band(field, longest, shortest):
    """The part of a field ``[y, x]`` between two wavelengths in arcsec."""
    filled = np.nan_to_num(field)
    wave = np.hypot(np.fft.fftfreq(filled.shape[0])[:, None], np.fft.fftfreq(filled.shape[1])) / PIXEL
    chosen = (wave >= 1 / longest) & (wave < 1 / shortest)
    return np.fft.ifft2(np.fft.fft2(filled) * chosen).real


def correlation(one, other):
    """Correlation in each of the `BANDS` where both are measured, edges left out; tracked by the patch."""
    rows, columns = (min(sides) for sides in zip(one.shape, other.shape, strict=True))
    one, other = one[:rows, :columns], other[:rows, :columns]
    known = np.isfinite(one) & np.isfinite(other)
    known = scipy.ndimage.binary_erosion(known, iterations=EDGE)
    return [np.corrcoef(band(one, *limits)[known], band(other, *limits)[known])[0, 1] for limits in BANDS]


def pairs_of(frames):
    """Pairs of frames of one component whose lag is one of `HOURS`."""
    for (first, a), (second, b) in itertools.combinations(frames.items(), 2):
        hours = abs((b[0].date - a[0].date).to_value(u.hour))
        lag = min(HOURS, key=lambda lag: abs(lag - hours))
        if a[2] == b[2] and abs(lag - hours) < 0.1 and (CUTOUT in (first, second)) == (lag in (2.57, 3.43)):
            yield lag, first, second


def scored(job):
    """CRPS and spread over skill of a frame's members, and the first of them."""
    truth, low, component, lifetime, count = job
    warnings.simplefilter("ignore")
    members = sunpy_magsr.superresolve_ensemble(
        low, n_samples=count, plate_scale=None, component=component, noise_lifetime=lifetime, bad_pixels="keep"
    ).members
    fields = np.where(np.isfinite(truth.data), members, np.nan)
    where = np.isfinite(fields).all(axis=0)
    numbers = crps(fields, truth.data, where=where).value, float(spread_skill(fields, truth.data, where=where))
    return numbers, fields[0]


def main():
    """Print the numbers; see above."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--frames", type=int, default=16, help="LOS patches, from 11 February 2011")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    paths = sorted(options.data.glob(f"{SHARP}*magnetogram.fits"))[: options.frames]
    near = [options.data / f"{SHARP}201102{when}_TAI.magnetogram.fits" for when in ("14_180000", "15_000000")]
    paths += [path for path in near if path not in paths]
    paths += [options.data / CUTOUT, *(options.data / f"{SHARP}20110215_0{hour}0000_TAI.Br.fits" for hour in (0, 2))]
    frames = {path.name: read(path) for path in paths}
    drawn, scores = {}, {}
    jobs = [(*frames[name], lifetime, options.members) for name in frames for lifetime in NOISES.values()]
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        results = pool.imap(scored, jobs)
        for name in frames:
            for kind in NOISES:
                scores[name, kind], drawn[name, kind] = next(results)
            print(
                f"{name[-40:]}  CRPS and spread/skill "
                + "  ".join(f"{kind}: {scores[name, kind][0]:6.3f} {scores[name, kind][1]:.3f}" for kind in NOISES),
                flush=True,
            )
    found = {}
    for lag, first, second in pairs_of(frames):
        grid = frames[second if first == CUTOUT else first][0]
        for kind in ("truth", *NOISES):
            two = []
            for name in (first, second):
                data = frames[name][0].data if kind == "truth" else drawn[name, kind]
                two.append(moved(data, frames[name][0], grid) if CUTOUT in (first, second) else data)
            found.setdefault((lag, kind), []).append(correlation(*two))
    failed = _report(found, scores, frames)
    sys.exit(1 if failed else 0)


def _report(found, scores, frames):
    failed = 0
    print("\nCorrelation between two frames (mean over pairs)\n")
    print("lag (h)  pairs  " + "  ".join(f"{kind:^23}" for kind in ("truth", *NOISES)))
    print(
        "                " + "  ".join("  ".join(f"{a}-{b:.3g}".rjust(6) for a, b in BANDS) + "   " for _ in range(4))
    )
    for lag in sorted({lag for lag, _ in found}):
        means = {kind: np.mean(found[lag, kind], axis=0) for kind in ("truth", *NOISES)}
        numbers = "  ".join("  ".join(f"{value:6.3f}" for value in means[kind]) + "   " for kind in means)
        off = abs(means["sun"][1] - means["truth"][1])
        failed += off > 0.1
        print(f"{lag:7.2f}  {len(found[lag, 'truth']):5d}  {numbers}{'' if off <= 0.1 else '  off'}")
    for number, label in enumerate(("CRPS", "spread over skill")):
        change = [scores[name, "sun"][number] / scores[name, "place"][number] - 1 for name in frames]
        mean = np.mean([scores[name, "sun"][number] for name in frames]) / np.mean(
            [scores[name, "place"][number] for name in frames]
        )
        failed += abs(mean - 1) >= 0.01
        print(
            f"{label}: noise of the Sun against that of the detector {100 * (mean - 1):+.2f} %; single frames up to {100 * max(map(abs, change)):.2f} %"
        )
    return failed


if __name__ == "__main__":
    main()
