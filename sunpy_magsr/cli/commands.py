"""What the commands of ``magsr`` do."""

import dataclasses
import json
import logging
import sys
import traceback
import warnings
from pathlib import Path

import astropy.units as u
from tqdm import tqdm

import sunpy_magsr
from sunpy_magsr._files import stem_of
from sunpy_magsr._options import read_option
from sunpy_magsr.cli.arguments import output_folder, read_settings
from sunpy_magsr.cli.messages import in_the_command, named_warnings
from sunpy_magsr.exceptions import reason
from sunpy_magsr.inference.job import Job
from sunpy_magsr.maps.fits import open_input, read_fits, write_fits
from sunpy_magsr.maps.movie import write_movie
from sunpy_magsr.sampling import load_backend, model_card


def movie(options):
    """Make a movie of files, which are read one after the other."""
    logging.getLogger("sunpy").setLevel(logging.ERROR)
    frames = (read_fits(name, name="FILE") for name in tqdm(options.files, disable=None, unit="frame"))
    how = {"limit": options.limit * u.G, "frame_rate": options.frame_rate, "size": options.size}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = write_movie(frames, options.output, overwrite=options.overwrite, **how)
    sys.stdout.write(f"{path}\n")
    return 0


_SUFFIX = ".magsr.fits"


def demo(options):
    """Super-resolve the MDI cutout that comes with the package, and draw the result."""
    from sunpy_magsr.cli.picture import draw
    from sunpy_magsr.data import mdi_cutout

    folder = output_folder(options)
    mdi = mdi_cutout()
    with named_warnings("mdi_20110401.fits"):
        result = sunpy_magsr.superresolve_ensemble(
            mdi, model=options.model, **vars(read_settings(options, progress=True))
        )
    sample, mean = result.sample(0), result.mean()
    products = {
        "input": write_fits(mdi, folder / "mdi_20110401.fits", overwrite=True),
        "one sample": write_fits(sample, folder / "mdi_20110401.sample.fits", overwrite=True),
        "mean and uncertainty": write_fits(mean, folder / "mdi_20110401.mean.fits", overwrite=True),
        "picture": draw(mdi, sample, mean, folder / "mdi_20110401.png"),
    }
    for what, path in products.items():
        _say(f"{what}: {path}")
    return 0


def superresolve(options):
    """Super-resolve files, except those whose results exist already."""
    logging.getLogger("sunpy").setLevel(logging.ERROR)  # the command says what matters itself
    targets = _targets(options)
    settings = read_settings(options, progress=True)
    with named_warnings(options.model):  # A wrong model or option is reported before any file is read.
        settings.for_model(load_backend(options.model, progress=True).card)
    precision = None if options.precision is None else options.precision * u.G
    if precision is not None:
        read_option(precision, u.G, "--precision", zero=False)
    files = {"overwrite": options.overwrite, "precision": precision}
    work = list(zip(options.files, targets, strict=True))
    bar = tqdm(work, disable=True if len(work) == 1 else None, unit="file")
    failed = sum(not _try_file(name, target, options.model, settings, **files) for name, target in bar)
    if failed:
        sys.stderr.write(f"magsr: {failed} of {len(work)} files failed.\n")
    return 1 if failed else 0


def _targets(options):
    """The files of the results, in the order of the inputs."""
    folder = output_folder(options)
    targets = [folder / (_stem(Path(name)) + _SUFFIX) for name in options.files]
    twice = {target for target in targets if targets.count(target) > 1}
    if twice:
        msg = f"FILE must have different names, got two for {min(twice)}."
        raise ValueError(msg)
    return targets


def _try_file(name, *work, **files):
    """Super-resolve one file, and return whether that went well."""
    try:
        with named_warnings(name):
            _one_file(name, *work, **files)
    except (ValueError, TypeError, OSError, RuntimeError, MemoryError) as error:
        sys.stderr.write(f"magsr: {name}: {in_the_command(reason(error))}\n")
        return False
    except Exception:  # noqa: BLE001  a fault of ours shall not keep the other files from being done
        sys.stderr.write(
            f"magsr: {name}: failed in a way that it should not; please report this:\n{traceback.format_exc()}"
        )
        return False
    return True


def _one_file(name, target, model, settings, *, overwrite, precision):
    smap, component = open_input(name, name="FILE")
    settings = dataclasses.replace(settings, component=settings.component or component)
    if overwrite or not target.exists():
        result = sunpy_magsr.superresolve(smap, model=model, **vars(settings))
        try:
            write_fits(result, target.absolute(), overwrite=overwrite, precision=precision)
        except FileExistsError:  # another process was faster
            pass
        else:
            _say(str(target))
            return
    job = Job.open(smap, model, settings)
    header, step = read_fits(target).meta, None if precision is None else precision.to_value(u.G)
    if not job.output.describes(header) or header.get("magsrrnd") != step:
        msg = f"{target} exists and was made of another input or with other settings; use --overwrite to replace it."
        raise ValueError(msg)
    _say(f"{target}: already done")


def models(options):
    """List the models, or print one card."""
    if options.name is None:
        _say("\n".join(sunpy_magsr.list_models().pformat(max_lines=-1, max_width=-1)))
        return 0
    with named_warnings(options.name):
        card = model_card(options.name)
    facts = {key: value for key, value in vars(card).items() if value not in ("", [], {})}
    _say(json.dumps(facts, indent=2))
    return 0


def _stem(path):
    name = stem_of(path.name).lstrip(".")
    if not name:
        msg = f"FILE must have a name before its ending, got {path.name!r}."
        raise ValueError(msg)
    return name


def _say(text):
    sys.stdout.write(text + "\n")
