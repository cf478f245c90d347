"""
The whole chain from the archive to the judged model, on synthetic twins behind a local server of JSOC's protocol.

``python benchmarks/pairs_chain.py`` makes twins (``examples/synthetic_sun.py``) whose Suns hold patches that HMI observed, those
of the test of regions that no model was trained on, serves them with every fault that archives have, and runs
``magsr-train fetch``, ``align``, ``prepare``, ``finetune``, ``export`` and ``magsr evaluate --low-resolution``. It prints how
the fine-tuned adapter does beside the base without one and with its bundled one, and measured rates.

Options: ``--folder DIR`` (kept; a second start resumes), ``--steps 600``, ``--data`` of HMI's patches, ``--counts 12 2 4``.
"""

import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "pairs"))

sys.path.append(str(Path(__file__).parents[1] / "examples"))
from jsoc_server import JsocServer, record_of, running

from sunpy_magsr.cli.main import main as magsr
from sunpy_magsr.cli.train import main as train

DATA = Path(os.environ.get("MAGSR_DATA", Path(__file__).parents[2] / "shared" / "data")) / "hmi"
RECIPES = Path(__file__).parents[1] / "sunpy_magsr" / "training" / "recipes"
FARTHER = 2  # 512 x 512 pixels of MDI, of the same sharpness
MONTHS = ("2010-05", "2010-06", "2010-07", "2010-08", "2010-09", "2010-10", "2010-11", "2010-12", "2011-01", "2011-02")
SHOWN = ("crps", "rmse_mean", "flux_50", "flux_100", "area", "spread_skill", "input_scale_crps", "input_scale_flux_50")


def patches_of(folder):
    """Line-of-sight patches of HMI in Gauss, on pixels of 0.03 degrees."""
    from sunpy_magsr.maps.fits import read_fits

    paths = sorted(folder.glob("hmi.sharp_cea_720s.*.magnetogram.fits"))
    fields = [np.nan_to_num(read_fits(path).data).astype(np.float32) for path in paths]
    return [field for field in fields if min(field.shape) > 150]


def dates_of(counts):
    """Times of observation: training, validation, test."""
    training = [f"{MONTHS[one % len(MONTHS)]}-{3 + 9 * (one // len(MONTHS)):02d}T12:48:00" for one in range(counts[0])]
    validation = [f"2011-03-{8 + 7 * one:02d}T06:24:00" for one in range(counts[1])]
    return [*training, *validation, *(f"2011-04-{3 + 2 * one:02d}T04:48:00" for one in range(counts[2]))]


def make_archive(folder, counts, data):
    """Files of twins; one pair of the training is upside down."""
    from synthetic_sun import STEP, Errors, make_twins, synthetic_surface

    from sunpy_magsr.maps.fits import write_compressed

    patches = {name: patches_of(data / name) for name in ("train", "validation")}
    for number, date in enumerate(dates_of(counts)):
        paths = [folder / f"{instrument}.{date[:10]}.fits" for instrument in ("mdi", "hmi")]
        if all(path.is_file() for path in paths):
            continue
        rng = np.random.default_rng([7, number])
        known = patches["validation" if date.startswith("2011-04") else "train"]
        chosen = [known[one] for one in rng.integers(len(known), size=14)]
        options = {"step": FARTHER * STEP, "regions": 0, "longitude": rng.uniform(0, 360), "patches": chosen}
        angle, size = rng.uniform(0, 2 * np.pi), 5 * np.sqrt(rng.uniform())
        errors = Errors(
            shift=(size * np.cos(angle), size * np.sin(angle)),
            roll=rng.uniform(-0.3, 0.3),
            delay=rng.uniform(-300, 300),
            gain=rng.normal(1.43, 0.06),
            psf_fwhm=rng.uniform(2.0, 3.3),
            noise=11.0 if rng.uniform() < 0.7 else 22.5,
        )
        twins = make_twins(
            synthetic_surface(100 + number, **options), date, errors=errors, farther=FARTHER, seed=number
        )
        write_compressed(twins.mdi[:: 1 if number else -1], twins.mdi_header, paths[0])
        write_compressed(twins.hmi, twins.hmi_header, paths[1])


def serve(folder):
    """The archive with its faults; a record is listed that does not exist."""
    series = {"mdi.fd_M_96m_lev182": "mdi", "hmi.M_720s": "hmi"}
    jsoc = JsocServer(
        {name: [record_of(path) for path in sorted(folder.glob(f"{short}.*"))] for name, short in series.items()}
    )
    jsoc.dropped = jsoc.unavailable = jsoc.garbled = 1
    jsoc.broken_off = jsoc.short = 2
    jsoc.no_file = {jsoc.series["hmi.M_720s"][1]["T_REC"]}
    return jsoc


@contextlib.contextmanager
def timed(name, seconds):
    """Seconds of a step."""
    start = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - start
    print(f"-- {name}: {seconds[name]:.0f} s", flush=True)


def averaged(data):
    """What the base makes of averaged HMI of a region that no model was trained on."""
    from sunpy_magsr.maps.fits import read_fits
    from sunpy_magsr.sampling import load_backend
    from sunpy_magsr.validation.regions import degraded_region

    path = sorted((data / "validation").glob("*.magnetogram.fits"))[0]
    region = degraded_region(read_fits(path), name=path.name)
    backend = load_backend("default", instrument="HMI")
    machine = {"steps": None, "device": None, "batch_size": None, "progress": False}
    return next(iter(backend.samples(region.low, n_samples=1, seed=0, **machine)))


def main():
    """Run the chain and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--folder")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--counts", type=int, nargs=3, default=[12, 2, 4])
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    folder = Path(options.folder or tempfile.mkdtemp(prefix="pairs-chain-"))
    before = averaged(options.data)
    archive, pairs, seconds = folder / "archive", folder / "pairs", {}
    archive.mkdir(parents=True, exist_ok=True)
    with timed("twins", seconds):
        make_archive(archive, options.counts, options.data)
    span = ["--start", "2010-05-01", "--end", "2011-05-01", "--email", "me@example.org", "--wait", "0.05"]
    jsoc = serve(archive)
    with timed("fetch", seconds), running(jsoc) as url:
        code = train(["fetch", *span, "--server", url, "-o", str(pairs)])
    print(
        f"exit code {code}; served whole: {sum(jsoc.served.values())}, at most {max(jsoc.served.values(), default=0)} times"
    )
    with timed("align", seconds):
        train(["align", str(pairs)])
    for name in ("pairs.toml", "pairs_card.toml"):
        shutil.copy(RECIPES / name, folder / name)
    recipe, sets = str(folder / "pairs.toml"), ["--set", f"device={options.device}"]
    sets += ["--set", f"finetune.steps={options.steps}", "--set", "finetune.validate_every=200"]
    for stage in ("prepare", "finetune"):
        with timed(stage, seconds):
            if train([stage, recipe, *sets]):
                return 1
    adapter = folder / "pairs-adapter"
    if train(["export", recipe, *sets, "--card", str(folder / "pairs_card.toml"), "-o", str(adapter)]):
        return 1
    models = ["ldm-res", "default", f"default+{adapter}"]
    paths = ["--data", str(pairs / "aligned/hmi/2011/04"), "--low-resolution", str(pairs / "mdi/2011/04")]
    with timed("evaluate", seconds):
        magsr(
            [
                "evaluate",
                *paths,
                "--models",
                ",".join(models),
                "--samples",
                str(options.samples),
                "-o",
                str(folder / "judged"),
            ]
        )
    pooled = json.loads((folder / "judged" / "evaluation.json").read_text())["pooled"]
    print(f"{'':24}" + "".join(f"{name[-20:]:>24}" for name in models))
    for key in SHOWN:
        cells = [pooled[name].get(key, {}) for name in models]
        print(f"{key:24}" + "".join(f"{cell.get('mean', np.nan):24.3f}" for cell in cells))
    found = json.loads((folder / "judged" / "evaluation.json").read_text())["regions"]
    flux = ("input_scale_flux_50", "input_scale_flux_100")
    errors = [np.mean([[abs(row[key]) for key in flux] for row in found[name].values()], axis=0) for name in models]
    for key, cells in zip(flux, np.transpose(errors), strict=True):
        print(f"{'|' + key + '|':24}" + "".join(f"{cell:24.3f}" for cell in cells))
    crps = [pooled[name]["input_scale_crps"]["mean"] for name in models]
    better = crps[2] < crps[0] and (errors[2] < errors[0]).all()
    unharmed = np.array_equal(before, averaged(options.data))
    print(f"averaged HMI with the adapter off: {'the same to the bit' if unharmed else 'CHANGED'}")
    print(f"better than the base without an adapter in CRPS and flux: {better}; {folder}")
    return int(not (better and unharmed) or max(jsoc.served.values(), default=0) > 1)


if __name__ == "__main__":
    sys.exit(main())
