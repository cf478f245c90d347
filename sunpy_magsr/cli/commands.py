"""What the commands do."""

import json
import logging
import sys
from pathlib import Path

import astropy.units as u
import sunpy.map
from tqdm import tqdm

import sunpy_magsr
from sunpy_magsr.backends import load_backend
from sunpy_magsr.catalog import BICUBIC, ModelCard, bundled_folder
from sunpy_magsr.cli.main import one_line
from sunpy_magsr.io import read_fits, write_fits

__all__ = ["demo", "models", "superresolve"]

_SUFFIX = ".magsr.fits"


def demo(options):
    """Super-resolve the synthetic sample and draw it."""
    from sunpy_magsr.cli.picture import draw
    from sunpy_magsr.data import sample_map

    folder = Path(options.output)
    mdi = sample_map()
    result = sunpy_magsr.superresolve_ensemble(mdi, n_samples=options.samples, **_sampling(options))
    mean = result.mean()
    products = {
        "input": write_fits(mdi, folder / "sample_mdi.fits", overwrite=True),
        "one sample": write_fits(result.sample(0), folder / "sample_mdi.sample.fits", overwrite=True),
        "mean and uncertainty": write_fits(mean, folder / "sample_mdi.mean.fits", overwrite=True),
        "picture": draw(mdi, result.sample(0), mean, folder / "sample_mdi.png"),
    }
    for what, path in products.items():
        _say(f"{what}: {path}")
    return 0


def superresolve(options):
    """Super-resolve files, passing over those that are done."""
    _quiet()
    folder = Path(options.output)
    plate_scale = _plate_scale(options.plate_scale)
    targets = [folder / (_stem(Path(name)) + _SUFFIX) for name in options.files]
    twice = {target for target in targets if targets.count(target) > 1}
    if twice:
        msg = f"FILE must have different names, got two for {min(twice)}."
        raise ValueError(msg)
    wanted = {"magsrsed": options.seed, "magsrns": options.samples, "magsrcal": options.calibrate or "none"}
    failed = 0
    work = list(zip(options.files, targets, strict=True))
    for name, target in tqdm(work, disable=True if len(work) == 1 else None, unit="file"):
        try:
            if target.exists() and not options.overwrite:
                _check_done(target, {**wanted, "magsrmod": load_backend(options.model).card.name})
                _say(f"{target}: already done")
                continue
            result = sunpy_magsr.superresolve(
                _open(name),
                n_samples=options.samples,
                plate_scale=plate_scale,
                calibrate=options.calibrate,
                **_sampling(options),
            )
            _say(str(write_fits(result, target, overwrite=options.overwrite)))
        except (ValueError, TypeError, OSError, RuntimeError, MemoryError) as error:
            failed += 1
            sys.stderr.write(f"magsr: {name}: {one_line(error)}\n")
    if failed:
        sys.stderr.write(f"magsr: {failed} of {len(work)} files failed.\n")
    return 1 if failed else 0


def models(options):
    """List the models, or print one card."""
    if options.name is None:
        _say("\n".join(sunpy_magsr.list_models().pformat(max_lines=-1, max_width=-1)))
        return 0
    folder = bundled_folder(options.name)
    if options.name == BICUBIC.name:
        card = BICUBIC
    elif folder is not None or Path(options.name).is_dir():
        card = ModelCard.read(folder or options.name)
    else:
        known = ", ".join(sunpy_magsr.list_models()["name"])
        msg = f"NAME must be one of {known} or a model folder, got {options.name!r}."
        raise ValueError(msg)
    facts = {key: value for key, value in vars(card).items() if value not in ("", [], {})}
    _say(json.dumps(facts, indent=2))
    return 0


def _sampling(options):
    return {
        "model": options.model,
        "seed": options.seed,
        "steps": options.steps,
        "device": options.device,
        "progress": True,
    }


def _plate_scale(text):
    if text == "native":
        return None
    try:
        return float(text) * u.arcsec / u.pix
    except ValueError:
        msg = f"--plate-scale must be a number of arcsec/pix or 'native', got {text!r}."
        raise ValueError(msg) from None


def _stem(path):
    name = path.name
    for ending in (".gz", ".fz", ".fits", ".fit", ".fts"):
        name = name.removesuffix(ending)
    return name


def _open(name):
    if not Path(name).is_file():
        msg = "FILE must be a FITS file, got a path that is none."
        raise ValueError(msg)
    try:
        found = sunpy.map.Map(name)
    except Exception as error:
        msg = f"FILE must be one that sunpy.map.Map reads: {one_line(error)}"
        raise ValueError(msg) from error
    if isinstance(found, list):
        msg = f"FILE must hold one map, got {len(found)}."
        raise ValueError(msg)
    return found


def _check_done(target, wanted):
    """Raise if the file that is there was made otherwise."""
    meta = read_fits(target).meta
    for card, value in wanted.items():
        if meta.get(card) != value:
            msg = f"{target} exists with {card.upper()} = {meta.get(card)}, not {value}; use --overwrite to redo it."
            raise ValueError(msg)


def _quiet():
    """Leave sunpy's log to libraries: the command says what matters itself."""
    logging.getLogger("sunpy").setLevel(logging.ERROR)


def _say(text):
    sys.stdout.write(text + "\n")
