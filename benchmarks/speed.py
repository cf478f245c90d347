"""
Time, memory and scaling of the default model, against the network of Enhance in the same run.

    python benchmarks/speed.py [MDI_FILE] [--rounds 3] [--device cpu]

- A full disk, one sample, from the Map to the Map, and one pass of a plain PyTorch network of the size of Enhance (Diaz Baso
  & Asensio Ramos 2018, doi:10.1051/0004-6361/201731344: 64 filters, 5 residual blocks, upsampling x4; random weights) over
  the same frame in 16 tiles of 256 x 256, in turns. The ratio is the median of the pairs'; that of the x4 grid, without
  the last resampling to 0.5 arcsec/pix, is printed beside it.
- Peak memory of a process of its own that does the full disk.
- Time for a pixel of square cutouts, and for a sample.

Exits with 1 if a target is missed.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path

import astropy.units as u
import numpy as np
import sunpy.map
import torch
from torch import nn

import sunpy_magsr
from sunpy_magsr.data import sample_map

DATA = Path(os.environ.get("MAGSR_DATA", Path(__file__).parents[2] / "shared" / "data"))
LARGEST_RATIO = 0.5
LARGEST_MEMORY = 4.0  # GiB
LARGEST_DEPARTURE = 0.15
SIDES = (256, 512, 1024)
SAMPLES = (1, 2, 4)


class Block(nn.Module):
    """A residual block of Enhance."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1))

    def forward(self, x):
        """Add the block's output to its input."""
        return x + self.body(x)


def enhance():
    """Network of the size of Enhance."""
    return nn.Sequential(
        nn.Conv2d(1, 64, 3, padding=1),
        *(Block() for _ in range(5)),
        nn.Conv2d(64, 64, 3, padding=1),
        nn.Upsample(scale_factor=4, mode="nearest"),
        nn.Conv2d(64, 64, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(64, 1, 1),
    ).eval()


def seconds(function, device):
    """Wall-clock time of a call."""
    began = time.perf_counter()
    function()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def one_pass(network, data, device):
    """Run Enhance over a frame in tiles of 256 x 256."""
    with torch.inference_mode():
        for y in range(0, data.shape[0], 256):
            for x in range(0, data.shape[1], 256):
                network(torch.from_numpy(data[y : y + 256, x : x + 256])[None, None].to(device)).cpu()


def square(side):
    """A map of MDI's quiet Sun, full of measured pixels whatever its side: white noise on an HMI header."""
    data = np.random.default_rng(0).normal(0, 30, (side, side)).astype(np.float32)
    small = sample_map()
    header = dict(small.meta) | {"naxis1": side, "naxis2": side, "rsun_obs": 1e4}
    return sunpy.map.Map(data, header)


def against_enhance(mdi, network, rounds, machine):
    """Median of the ratios of times, ours over theirs."""
    data = np.nan_to_num(mdi.data).astype(np.float32)
    ratios, native = [], []
    for _ in range(rounds):
        ours = seconds(lambda: sunpy_magsr.superresolve(mdi, **machine), machine["device"])
        finer = seconds(lambda: sunpy_magsr.superresolve(mdi, plate_scale=None, **machine), machine["device"])
        theirs = seconds(lambda: one_pass(network, data, machine["device"]), machine["device"])
        ratios.append(ours / theirs)
        native.append(finer / theirs)
        print(f"full disk {ours:6.1f} s ({finer:.1f} s on the x4 grid), Enhance {theirs:6.1f} s", flush=True)
    print(f"ratio, median of {rounds}: {np.median(ratios):.3f} ({np.median(native):.3f} on the x4 grid)")
    return float(np.median(ratios))


def main():
    """Print the numbers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model", default="default")
    parser.add_argument("--memory", action="store_true", help="one full disk and its peak memory, nothing else")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of FITS headers
    path = options.file or max((DATA / "mdi").glob("mdi.fd*.fits"))
    mdi = sunpy.map.Map(path)
    machine = {"model": options.model, "device": options.device}
    if options.memory:
        sunpy_magsr.superresolve(mdi, **machine)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
        return 0
    missed = []

    network = enhance().to(options.device)
    corner = mdi.submap([480, 480] * u.pix, top_right=[520, 520] * u.pix)
    sunpy_magsr.superresolve(corner, **machine)  # what the first call alone does
    one_pass(network, np.zeros((256, 256), dtype=np.float32), options.device)
    print(f"{path.name}, {options.device}, {torch.get_num_threads()} threads")
    ratio = against_enhance(mdi, network, options.rounds, machine)
    if ratio > LARGEST_RATIO:
        missed.append(f"ratio to Enhance must be at most {LARGEST_RATIO}, got {ratio:.3f}")

    command = [sys.executable, __file__, str(path), "--memory", "--device", options.device, "--model", options.model]
    memory = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(f"peak memory of the process: {memory:.2f} GiB")
    if memory > LARGEST_MEMORY:
        missed.append(f"peak memory must be at most {LARGEST_MEMORY} GiB, got {memory:.2f}")

    native = {**machine, "plate_scale": None}
    costs = []
    for side in SIDES:
        smap = square(side)
        sunpy_magsr.superresolve(smap, **native)
        spent = min(
            seconds(lambda smap=smap: sunpy_magsr.superresolve(smap, **native), options.device)
            for _ in range(options.rounds)
        )
        costs.append(1e6 * spent / side**2)
        print(f"{side} x {side} pixels: {spent:6.2f} s, {costs[-1]:.2f} us a pixel", flush=True)
    departure = max(costs) / min(costs) - 1
    print(f"cost of a pixel varies by {100 * departure:.0f} %")
    if departure > LARGEST_DEPARTURE:
        missed.append(f"cost of a pixel must vary by at most 15 %, got {100 * departure:.0f} %")

    smap = square(SIDES[0])
    for count in SAMPLES:
        call = sunpy_magsr.superresolve_ensemble if count > 1 else sunpy_magsr.superresolve
        kind = {"n_samples": count} if count > 1 else {}
        spent = seconds(lambda call=call, kind=kind: call(smap, **kind, **native), options.device)
        print(f"{count} samples of {SIDES[0]} x {SIDES[0]} pixels: {spent:.2f} s")
    for line in missed:
        print(f"MISSED {line}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
