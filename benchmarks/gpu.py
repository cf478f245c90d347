"""
The default model on a GPU: how far its samples are from those of the CPU, and how long frames take.

    python benchmarks/gpu.py [--device cuda] [--farther 1] [--workers 1,4,8,16] [--frames 4] [--only-archive]

Super-resolves the bundled sample and a synthetic full disk on the CPU and on the device, there in single precision and in
the number format that the package takes (bfloat16 for the steps of the sampler, single precision for the rest). Prints the root
mean square difference of samples with the same seed, the ratio of their spread and of their power in two bands, seconds
for a sample of a frame, and the device's memory. Then it has ``magsr archive`` process full disks of 8 members, with as
many workers sharing the device as are given, and prints the seconds for a frame of all together. Exits with 1 if a
difference is above 1 G, or if spread or power differ by more than 1 %.
"""

import argparse
import sys
import tempfile
import time
import warnings
from pathlib import Path

import astropy.units as u
import numpy as np
import sunpy.map
import torch

sys.path.append(str(Path(__file__).parents[1] / "examples"))
from synthetic_sun import STEP, make_twins, synthetic_surface

import sunpy_magsr
from sunpy_magsr.archive.ledger import Ledger
from sunpy_magsr.archive.plan import load_plan
from sunpy_magsr.archive.run import run_plan
from sunpy_magsr.data import sample_map
from sunpy_magsr.maps.fits import write_compressed
from sunpy_magsr.sampling import load_backend
from sunpy_magsr.spectral import power_spectrum

LARGEST_DIFFERENCE = 1.0  # Gauss
LARGEST_RATIO = 0.01
BANDS = ((4, 2), (2, 4 / 3))
PLAN = """
[input]
folder = "frames"
[model]
n_samples = 8
[output]
folder = "{workers}"
[cluster]
workers = {workers}
threads = 1
memory = "0"
device = "{device}"
"""


def full_disk(farther):
    """Field and header of a synthetic full disk of MDI."""
    surface = synthetic_surface(1, step=farther * STEP)
    twins = make_twins(surface, "2010-06-01T00:00:00", farther=farther, rolls=(0.0, 0.0))
    return twins.mdi, twins.mdi_header


def timed(smap, backend, device):
    """A sample, and the seconds of a further one."""
    fields, seconds = [], []
    for seed in (0, 0, 0):
        began = time.perf_counter()
        result = sunpy_magsr.superresolve(smap, model=backend, seed=seed, plate_scale=None, device=device)
        seconds.append(time.perf_counter() - began)
        fields.append(np.nan_to_num(result.data))
        if device == "cpu":
            break
    return result, fields[-1], min(seconds)


def network_seconds(smap, backend, device):
    """Seconds of a sample in the backend alone."""
    from sunpy_magsr.maps import prepare

    ended = [time.perf_counter() for _ in backend.samples(prepare(smap), n_samples=4, device=device)]
    return (ended[-1] - ended[0]) / (len(ended) - 1)


def band_power(smap, band):
    """Power between two wavelengths."""
    spectrum = power_spectrum(smap, segment=64 * u.arcsec)
    wavelength = spectrum.wavelength.to_value(u.arcsec)
    inside = (wavelength < band[0]) & (wavelength >= band[1])
    return float((spectrum.value * spectrum.wavenumber)[inside].sum().value)


def compare(name, smap, device):
    """Print what differs between the CPU and the device; returns whether it is as promised."""
    backend = load_backend("default", instrument="MDI")
    on_cpu, expected, seconds = timed(smap, backend, "cpu")
    print(
        f"{name}, {smap.data.shape[1]} x {smap.data.shape[0]}: {seconds:.1f} s on {torch.get_num_threads()} threads of the CPU"
    )
    good = True
    for half in (False, True):
        backend.half = half
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        result, field, seconds = timed(smap, backend, device)
        networks = network_seconds(smap, backend, device)
        backend.half = None
        inside = np.isfinite(on_cpu.data)
        difference = float(np.sqrt(np.mean((field - expected)[inside] ** 2)))
        worst = float(np.abs(field - expected).max())
        ratios = [np.std(field[inside]) / np.std(expected[inside])]
        ratios += [band_power(result, band) / band_power(on_cpu, band) for band in BANDS]
        memory = torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else 0
        print(
            f"  {device}, {'bfloat16' if half else 'float32'}: rms {difference:.3f} G, at most {worst:.1f} G; "
            f"spread x{ratios[0]:.4f}, power 4-2 arcsec x{ratios[1]:.4f}, 2-1.33 x{ratios[2]:.4f}; "
            f"{seconds:.2f} s from Map to Map, {networks:.3f} s in the networks, {memory:.1f} GiB",
            flush=True,
        )
        good &= difference < LARGEST_DIFFERENCE and all(abs(ratio - 1) < LARGEST_RATIO for ratio in ratios)
    return good


def throughput(data, header, device, workers, frames):
    """Seconds for a full disk of 8 members, with that many workers."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "frames").mkdir()
        for number in range(frames * workers):
            stamp = f"2010.06.01_{number // 60:02d}:{number % 60:02d}:00_TAI"
            noisy = data + np.random.default_rng(number).normal(0, 3, data.shape)
            write_compressed(
                noisy, {**header, "t_obs": stamp, "t_rec": stamp}, folder / "frames" / f"{number:04d}.fits"
            )
        (folder / "plan.toml").write_text(PLAN.format(workers=workers, device=device))
        plan = load_plan(folder / "plan.toml")
        counts = run_plan(plan, progress=False, say=print)
        with Ledger(plan.ledger, read_only=True) as ledger:
            ended = sorted(time for time, _ in ledger.recent(10**6))
            table = ledger.table()
    print(set(table["reason"]) - {""} or "")
    # from the last of the first frames of all workers to the end: without the start
    lasting = (ended[-1] - ended[workers - 1]) / max(1, len(ended) - workers)
    print(
        f"{workers} workers: {counts['done']} frames, {lasting:.2f} s a frame of 8 members, "
        f"{np.median(table['seconds']):.1f} s of a worker, {np.max(table['memory']):.0f} MiB",
        flush=True,
    )


def main():
    """Print the numbers; see above."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--farther", type=int, default=1)
    parser.add_argument("--workers", default="1,4,8,16")
    parser.add_argument("--frames", type=int, default=4, help="for each worker")
    parser.add_argument("--only-archive", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(torch.__version__, torch.cuda.get_device_name() if options.device == "cuda" else "no GPU")
    data, header = full_disk(options.farther)
    maps = {"sample": sample_map(), "full disk": sunpy.map.Map(data.astype(np.float32), header)}
    good = [compare(name, smap, options.device) for name, smap in maps.items() if not options.only_archive]
    for workers in map(int, filter(None, options.workers.split(","))):
        throughput(data, header, options.device, workers, options.frames)
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
