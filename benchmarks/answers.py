"""
Hashes of what the main ways through the package give: the same before and after a change that must not change results.

Only public names and commands are used, on the cutouts of the repository, so that the script survives a redesign::

    python benchmarks/answers.py > before.txt
    python benchmarks/answers.py | diff before.txt -
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # the order of sums depends on the number of threads

import astropy.units as u
import numpy as np
import sunpy.map
from astropy.io import fits
from safetensors.numpy import load_file

import sunpy_magsr
from sunpy_magsr import metrics, spectral
from sunpy_magsr.data import mdi_cutout

DATA = Path(__file__).parents[1] / "tests" / "data"
BIN = Path(sys.executable).parent
VERSION = ("MAGSRVER", "DATE", "CHECKSUM", "DATASUM", "CREATOR")
RECIPE = """
output = "run"
[data]
root = "{root}"
validation_harps = [13866]
[autoencoder]
{stage}
model = {{ latent_channels = 4, encoder_channels = 8, decoder_channels = 8, encoder_blocks = 1, decoder_blocks = 1 }}
[diffusion]
{stage}
model = {{ channels = 16, condition_blocks = 1, denoiser_blocks = 1 }}
[scoring]
{stage}
sampling_steps = 2
[regression]
network = "Enhance"
{stage}
model = {{ channels = 8 }}
[finetune]
{stage}
base = "trained"
rank = 2
decoder_rank = 2
members = 2
"""
STAGE = """steps = 3
patch = 32
batch_size = 2
warmup = 1
checkpoint_every = 2
log_every = 1
validation_samples = 0"""


def tell(name, *values):
    """Print the name and a hash of arrays, texts and numbers."""
    digest = hashlib.sha256()
    for value in values:
        digest.update(np.ascontiguousarray(value).tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    print(f"{digest.hexdigest()[:16]}  {name}", flush=True)


def cards(header):
    """The cards of a result, except for those that name the version."""
    return sorted((key, str(value)) for key, value in dict(header).items() if key.upper() not in (*VERSION, "HISTORY"))


def run(*command, cwd):
    """Run a command of the package and return what it prints."""
    done = subprocess.run(
        [BIN / command[0], *map(str, command[1:])], cwd=cwd, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


def maps():
    """Every model on MDI; options; an ensemble and what is derived from it."""
    mdi = mdi_cutout().submap([40, 40] * u.pix, width=71 * u.pix, height=63 * u.pix)
    sharp = sunpy.map.Map(DATA / "hmi_sharp_cea_20250817.fits")
    for model in ("default", "ldm-res", "ldm", "ddpm", "enhance", "progressive", "bicubic"):
        result = sunpy_magsr.superresolve(mdi, model=model, seed=3)
        tell(f"superresolve {model}", result.data, cards(result.meta))
    options = {
        "n_samples": {"n_samples": 4},
        "independent": {"n_samples": 3, "independent": True},
        "plate_scale": {"plate_scale": 0.7 * u.arcsec / u.pix},
        "native": {"plate_scale": None},
        "hmi": {"calibrate": "hmi"},
        "psf_fwhm": {"psf_fwhm": [2.4, 0.3] * u.arcsec},
        "noise_lifetime": {"noise_lifetime": 2 * u.hour},
        "exact": {"consistency": "exact"},
        "keep": {"bad_pixels": "keep"},
    }
    for name, option in options.items():
        result = sunpy_magsr.superresolve(mdi, **option)
        tell(f"superresolve {name}", result.data, cards(result.meta))
    tell("superresolve smarp", sunpy_magsr.superresolve(sunpy.map.Map(DATA / "mdi_smarp_20100714.fits")).data)
    ensemble = sunpy_magsr.superresolve_ensemble(mdi, n_samples=4, seed=42)
    low, high = ensemble.interval(0.9)
    tell("ensemble", ensemble.mean().data, ensemble.std().data, ensemble.median().data, ensemble.sample(3).data)
    tell("interval", low.data, high.data)
    tell("propagate", str(ensemble.propagate(metrics.unsigned_flux)))
    result = sunpy_magsr.superresolve(mdi)
    spectrum = spectral.power_spectrum(result)
    tell("power_spectrum", np.asarray(spectrum.value), str(spectrum))
    tell("metrics", str(metrics.unsigned_flux(result)), str(metrics.active_region_area(result)))
    tell("agreement", str(metrics.forward_agreement(sunpy_magsr.superresolve(mdi, plate_scale=None), mdi)))
    tell("sharp", str(metrics.sharp_parameters(sharp)))


def evaluations(folder):
    """The tables of ``magsr evaluate``."""
    data = folder / "hmi"
    data.mkdir()
    for path in DATA.glob("hmi_*.fits"):
        (data / path.name).symlink_to(path)
    code, _ = run(
        "magsr", "evaluate", "--data", data, "--models", "default,bicubic", "--samples", 2, "-o", "table", cwd=folder
    )
    tell(f"evaluate {code}", *[path.read_text() for path in sorted((folder / "table").glob("*.csv"))])


def training(folder):
    """The weights of a few steps of each stage."""
    source = folder / "train"
    source.mkdir()
    for index, path in enumerate(sorted(DATA.glob("hmi_*.fits"))):
        with fits.open(path) as hdus:
            hdus[-1].header["HARPNUM"] = 13866 if index == 1 else 100 + index
            hdus[-1].header["QUALITY"] = 0
            hdus.writeto(source / path.name)
    (folder / "run.toml").write_text(RECIPE.format(root=source, stage=STAGE))
    for stage in ("prepare", "autoencoder", "diffusion", "scoring", "baseline", "finetune"):
        code, _ = run("magsr-train", stage, "run.toml", cwd=folder)
        tell(f"magsr-train {stage}: exit code", code)
    for path in sorted((folder / "run").rglob("*.safetensors")):
        tensors = load_file(path)
        tell(f"weights {path.relative_to(folder / 'run')}", *[tensors[name] for name in sorted(tensors)])


def commands(folder):
    """Files of ``magsr superresolve``."""
    mdi = folder / "mdi.fits"
    mdi_cutout().submap([40, 40] * u.pix, width=41 * u.pix, height=43 * u.pix).save(mdi)
    code, _ = run("magsr", "superresolve", mdi, "-o", "results", "--samples", 2, cwd=folder)
    for path in sorted((folder / "results").glob("*.fits")):
        with fits.open(path) as hdus:
            tell(
                f"file {path.name} {code}",
                *[part for hdu in hdus for part in (np.asarray(hdu.data), cards(hdu.header))],
            )


def main():
    """Print all hashes."""
    warnings.filterwarnings("ignore")
    maps()
    for part in (commands, evaluations, training):
        with tempfile.TemporaryDirectory() as folder:
            part(Path(folder))


if __name__ == "__main__":
    main()
