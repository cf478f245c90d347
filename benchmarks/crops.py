"""
Twelve crops of samples beside HMI, one pixel of the field to one pixel of the picture.

    python benchmarks/crops.py PARTS -o docs/images/crops.png

``PARTS`` is the folder of ``python benchmarks/quadrants.py``. The crops are chosen by HMI alone: of each region of 2025 the
one with the strongest gradients within spots, of the quadrant of 2011 two of these,
two of network near disk
center and two toward the limb, of the quadrant of 2019 quiet Sun at disk center and toward the limb.
"""

import argparse
import warnings
from pathlib import Path

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import scipy.ndimage

import sunpy_magsr
from sunpy_magsr.maps.fits import read_fits
from sunpy_magsr.validation import degraded_map

SIDE = 96  # pixels
LIMIT = 800  # Gauss
QUIET_LIMIT = 60  # Gauss
PENUMBRA = 500  # Gauss, of the smoothed strength
MARGIN = 64  # input pixels around a crop
BLUR, NOISE = 2.2, 12.0  # arcsec, Gauss: MDI as simulated


def find_windows(truth, count, *, least, most, penumbrae):
    """Corners of the windows with the most of what is looked for, among those whose mean strength is within limits."""
    field = np.where(np.isfinite(truth), truth, 0)
    strength = scipy.ndimage.uniform_filter(np.abs(field), SIDE)
    wanted = np.hypot(*np.gradient(field))
    if penumbrae:
        around = scipy.ndimage.gaussian_filter(np.abs(field), 4)
        wanted = wanted * (around > PENUMBRA)
    amount = scipy.ndimage.uniform_filter(wanted, SIDE)
    whole = scipy.ndimage.minimum_filter(np.isfinite(truth), SIDE + 8, mode="constant")
    score = np.where(whole & (strength > least) & (strength < most), amount, -1)
    corners = []
    for _ in range(count):
        y, x = np.unravel_index(np.argmax(score), score.shape)
        score[max(0, y - SIDE) : y + SIDE, max(0, x - SIDE) : x + SIDE] = -1
        corners.append([int(place - SIDE // 2) // 4 * 4 for place in (y, x)])
    return corners


def draw_crop(smap, corner):
    """The input as MDI, a sample from averaged HMI, one from the simulated MDI frame, and HMI, in one window."""
    images = []
    for blur, noise in ((0, 0), (BLUR, NOISE)):
        truth, low = degraded_map(smap, blur=blur, noise=noise, seed=1)
        start = [max(place // 4 - MARGIN, 0) for place in corner]
        stop = [place // 4 + SIDE // 4 + MARGIN for place in corner]
        part = low.submap(start[::-1] * u.pix, top_right=(np.array(stop[::-1]) - 1) * u.pix)
        sample = sunpy_magsr.superresolve(part, plate_scale=None).data
        window = tuple(
            slice(place - 4 * first, place - 4 * first + SIDE) for place, first in zip(corner, start, strict=True)
        )
        images += [np.kron(part.data, np.ones((4, 4)))[window], sample[window]]
    window = tuple(slice(place, place + SIDE) for place in corner)
    return [images[2], images[1], images[3], truth[window]]


def main():
    """Choose the crops, super-resolve them and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    disks = sorted((options.parts / "validation").glob("*.fits"))
    regions = sorted((options.parts / "validation" / "regions").glob("*magnetogram.fits"))
    wanted = [(path, 1, 60, 1e4, None) for path in regions]
    wanted += [(disks[0], 2, 60, 1e4, None), (disks[0], 2, 8, 30, "center"), (disks[0], 2, 4, 60, "limb")]
    wanted += [(disks[1], 1, 0, 8, "center"), (disks[1], 1, 0, 8, "limb")]
    columns = []
    for path, count, least, most, where in wanted:
        smap = read_fits(path)
        truth, _ = degraded_map(smap)
        if where:
            rows, cells = np.indices(truth.shape)
            radius = smap.rsun_obs.value / smap.scale[0].value
            distance = np.hypot(cells - smap.meta["crpix1"] + 1, rows - smap.meta["crpix2"] + 1) / radius
            truth = np.where(
                distance < 0.5 if where == "center" else (distance > 0.85) & (distance < 0.96), truth, np.nan
            )
        columns += [
            draw_crop(smap, corner)
            for corner in find_windows(truth, count, least=least, most=most, penumbrae=not where)
        ]
    names = [
        f"MDI, simulated ({BLUR} arcsec, {NOISE:.0f} G)",
        "sample from HMI averaged 4 x 4",
        "sample from simulated MDI",
        "HMI",
    ]
    gap, label = 4, 18
    width, height = len(columns) * (SIDE + gap) - gap, 4 * (SIDE + label)
    figure = plt.figure(figsize=(width / 100, height / 100), dpi=100)
    for row, name in enumerate(names):
        top = height - row * (SIDE + label)
        figure.text(2 / width, (top - label / 2) / height, name, fontsize=8, va="center")
        for number, column in enumerate(columns):
            limit = LIMIT if np.abs(column[3]).mean() > 30 else QUIET_LIMIT
            box = (number * (SIDE + gap) / width, (top - label - SIDE) / height, SIDE / width, SIDE / height)
            axes = figure.add_axes(box, frameon=False, xticks=[], yticks=[])
            axes.imshow(column[row], cmap="gray", vmin=-limit, vmax=limit, origin="lower", interpolation="none")
    figure.savefig(options.output, dpi=100)


if __name__ == "__main__":
    main()
