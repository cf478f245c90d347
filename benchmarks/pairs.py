"""
Alignment of MDI and HMI, judged by synthetic twins whose errors are known.

``python benchmarks/pairs.py`` makes full-disk frames of synthetic Suns (``examples/synthetic_sun.py``) with a wrong pointing, roll
and plate scale, another gain, blur, noise and time, aligns them, and compares every pixel's place with the true one. The
geometry of the twins is written out apart from the WCS libraries that the alignment uses. Then pairs that must be refused.

Options: ``--good 50`` pairs, ``--farther 2`` for a Sun that is so many times farther away (disks of a quarter of the pixels,
with as sharp features, which is harder and faster), ``--only-good``, ``--jobs 2`` processes, ``--picture DIR`` for the
diagnostic pictures.
"""

import argparse
import concurrent.futures
import dataclasses
import multiprocessing
import sys
import time
import warnings
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "examples"))

ASKED = {"misplaced (MDI pixels)": 0.1, "gain (%)": 1.0}
PER_SURFACE = 5
BAD = ("hour later", "hour earlier", "36 minutes", "upside down", "mirrored", "polarity", "other day", "gain of 3")
DAMAGE = ("zeros", "noise", "moved", "constant")


def random_errors(rng):
    """Errors of a frame that the archive may hold."""
    from synthetic_sun import Errors

    angle, size = rng.uniform(0, 2 * np.pi), 5 * np.sqrt(rng.uniform())
    return Errors(
        shift=(size * np.cos(angle), size * np.sin(angle)),
        roll=rng.uniform(-0.3, 0.3),
        stretch=rng.uniform(-1e-3, 1e-3),
        delay=rng.uniform(-360, 360),
        gain=rng.uniform(1.2, 1.6),
        psf_fwhm=rng.uniform(1.2, 3.3),
        noise=rng.choice([11.0, 22.5]),
        hmi_noise=rng.uniform(4, 8),
    )


def surface_of(number, farther):
    """A Sun: quiet ones and active ones."""
    from synthetic_sun import STEP, synthetic_surface

    longitude = float(np.random.default_rng(number).uniform(0, 360))
    return synthetic_surface(number, longitude=longitude, step=farther * STEP, regions=2 * (number % 4) // farther)


def twins_of(surface, seed, errors, farther):
    """One pair of it."""
    from synthetic_sun import make_twins

    rng = np.random.default_rng([seed, 2])
    options = {"parallax": (rng.uniform(-0.25, 0.25), rng.uniform(-0.1, 0.1))}
    options["rolls"] = (rng.choice([0.0, 3.1, 180.0]), rng.uniform(179.9, 180.1))
    return make_twins(surface, "2010-08-30T17:36:00", errors=errors, seed=seed, farther=farther, **options)


def maps_of(twins):
    """As a user opens them."""
    import sunpy.map

    return sunpy.map.Map(twins.mdi, twins.mdi_header), sunpy.map.Map(twins.hmi, twins.hmi_header)


def judged(twins, picture, name):
    """Numbers of a pair that was aligned, and why it was refused."""
    from sunpy_magsr.pairs.align import align_pair
    from sunpy_magsr.pairs.batch import draw_pair
    from sunpy_magsr.pairs.geometry import map_pixels
    from sunpy_magsr.pairs.quality import RefusedPairError

    low, high = maps_of(twins)
    start = time.perf_counter()
    refused = ""
    try:
        pair = align_pair(low, high)
    except RefusedPairError as error:
        pair, refused = error.pair, str(error)
    except ValueError as error:
        return {"refused": str(error)}
    seconds = time.perf_counter() - start
    if picture:
        draw_pair(pair, Path(picture) / f"{name.replace(' ', '_')}.png", title=name, refused=refused)
    y, x = np.mgrid[: low.data.shape[0] : 4, : low.data.shape[1] : 4].astype(float)
    true = twins.place(4 * x + 1.5, 4 * y + 1.5)
    disk = pair.displacement.disk
    inner = np.hypot(*disk.at(y, x)) < 0.9
    found = map_pixels(low, high).at(*(np.stack([y, x]) - pair.displacement.at(y, x)))
    ratio = 1.986 / 0.5042  # pixels of HMI in one of MDI
    misplaced = np.hypot(found[0] - true[1], found[1] - true[0])[inner] / ratio
    return {
        "refused": refused,
        "misplaced": float(np.sqrt(np.mean(misplaced**2))),
        "worst": float(misplaced.max()),
        "gain (%)": 100 * (pair.quality.gain / twins.errors.gain - 1),
        "blur": pair.quality.psf_fwhm - twins.errors.psf_fwhm,
        "seconds": seconds,
        **dataclasses.asdict(pair.quality),
    }


def good(job):
    """Pairs of one Sun that are to be kept."""
    number, count, picture, farther = job
    warnings.simplefilter("ignore")
    surface, rows = surface_of(number, farther), []
    for one in range(count):
        seed = 1000 * number + one
        errors = random_errors(np.random.default_rng(seed))
        rows.append({"name": f"pair {seed}", "errors": errors})
        rows[-1] |= judged(twins_of(surface, seed, errors, farther), picture, rows[-1]["name"])
    return rows


def bad(job):
    """A pair that is to be refused."""
    number, name, picture, farther = job
    from synthetic_sun import Errors

    warnings.simplefilter("ignore")
    surface, errors = surface_of(number, farther), random_errors(np.random.default_rng(5000 + number))
    clock = {"hour later": 3600.0, "hour earlier": -3600.0, "36 minutes": 2160.0}.get(name, 0.0)
    errors = dataclasses.replace(errors, delay=errors.delay + clock, clock=clock)
    if name == "gain of 3":
        errors = dataclasses.replace(errors, gain=3.0)
    twins = twins_of(surface, 5000 + number, errors, farther)
    mdi, hmi = twins.mdi.copy(), twins.hmi.copy()
    if name == "upside down":
        mdi = mdi[::-1, ::-1]
    elif name == "mirrored":
        mdi = mdi[:, ::-1]
    elif name == "polarity":
        mdi = -mdi
    elif name == "other day":
        mdi = twins_of(surface_of(number + 1, farther), 1, Errors(), farther).mdi
    elif " " in name and name.split(" ")[0] in DAMAGE:
        kind, where = name.split(" ")
        field, size = (mdi, 48) if where == "MDI" else (hmi, 192)
        y, x = (int(field.shape[0] * place) for place in (0.436, 0.525))
        part = (slice(y, y + size), slice(x, x + size))
        noise = 100 * np.random.default_rng(0).standard_normal((size, size))
        moved = field[y - size : y, x - size : x].copy()
        field[part] = {"zeros": 0.0, "noise": noise, "moved": moved, "constant": 37.0}[kind]
    twins = dataclasses.replace(twins, mdi=mdi, hmi=hmi)
    return {"name": name, **judged(twins, picture, f"bad {name}")}


def main():
    """Print the tables; exit with 1 if something is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--good", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--farther", type=int, default=1)
    parser.add_argument("--only-good", action="store_true")
    parser.add_argument("--picture")
    options = parser.parse_args()
    jobs = [
        (number, min(PER_SURFACE, options.good - start), options.picture, options.farther)
        for number, start in enumerate(range(0, options.good, PER_SURFACE))
    ]
    names = [] if options.only_good else [*BAD, *(f"{kind} {where}" for kind in DAMAGE for where in ("MDI", "HMI"))]
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(options.jobs, mp_context=context) as pool:
        wrong = pool.map(
            bad, [(20 + place % 4, name, options.picture, options.farther) for place, name in enumerate(names)]
        )
        rows = [row for part in pool.map(good, jobs) for row in part]
        wrong = list(wrong)
    keys = ("misplaced", "worst", "gain (%)", "blur", "clock", "likeness", "seconds")
    print(f"{'pair':12}" + "".join(f"{key:>11}" for key in keys))
    for row in rows:
        print(f"{row['name']:12}" + "".join(f"{row.get(key, np.nan):11.3f}" for key in keys) + f"  {row['refused']}")
    print()
    for row in wrong:
        print(f"{row['name']:14} {'refused: ' + row['refused'] if row['refused'] else 'KEPT'}")
    worst = {
        "misplaced (MDI pixels)": max(row.get("misplaced", np.inf) for row in rows),
        "gain (%)": max(abs(row.get("gain (%)", np.inf)) for row in rows),
    }
    refused, kept = sum(bool(row["refused"]) for row in rows), sum(not row["refused"] for row in wrong)
    seconds = np.median([row["seconds"] for row in rows if "seconds" in row])
    print()
    for what, value in worst.items():
        print(f"{what}: at most {value:.3f} of {len(rows)} pairs, {ASKED[what]:g} asked")
    print(
        f"refused though good: {refused} of {len(rows)}; kept though bad: {kept} of {len(wrong)}; {seconds:.0f} s a pair"
    )
    return int(refused > 0 or kept > 0 or any(value > ASKED[what] for what, value in worst.items()))


if __name__ == "__main__":
    sys.exit(main())
