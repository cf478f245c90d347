"""
Time, memory and size of the main job on a full disk.

    python benchmarks/full_disk.py MDI_FILE [--steps 8] [--enhance]

With --enhance it also times one pass of a plain PyTorch network of the size of Enhance (Diaz Baso & Asensio Ramos 2018,
doi:10.1051/0004-6361/201731344: 64 filters, 5 residual blocks, upsampling x4) with random weights over the same frame in
16 tiles of 256 x 256, and prints the ratio.
"""

import argparse
import resource
import time

import astropy.units as u
import numpy as np
import sunpy.map
import torch
from torch import nn

import sunpy_magsr


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
    )


def main():
    """Print the numbers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--enhance", action="store_true")
    options = parser.parse_args()
    mdi = sunpy.map.Map(options.file)
    corner = {"bottom_left": [480, 480] * u.pix, "top_right": [520, 520] * u.pix}
    sunpy_magsr.superresolve(mdi.submap(corner["bottom_left"], top_right=corner["top_right"]))  # warm up
    began = time.perf_counter()
    result = sunpy_magsr.superresolve(mdi, steps=options.steps)
    ours = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{mdi.data.shape} -> {result.data.shape}, {result.meta['magsrstp']} steps: {ours:.1f} s")
    print(f"peak memory of the process: {memory:.2f} GiB, threads: {torch.get_num_threads()}")
    if options.enhance:
        network = enhance().eval()
        data = np.nan_to_num(mdi.data).astype(np.float32)
        began = time.perf_counter()
        with torch.inference_mode():
            for y in range(0, data.shape[0], 256):
                for x in range(0, data.shape[1], 256):
                    network(torch.from_numpy(data[y : y + 256, x : x + 256])[None, None])
        theirs = time.perf_counter() - began
        print(f"one pass of a network of Enhance's size: {theirs:.1f} s; ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
