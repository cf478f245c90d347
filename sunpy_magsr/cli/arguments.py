"""The arguments of ``magsr``, with the help and the examples of each command."""

import argparse
import dataclasses
from pathlib import Path

from sunpy_magsr._options import build
from sunpy_magsr.inference.settings import Settings
from sunpy_magsr.version import version

_EXAMPLES = """
  magsr demo
      Super-resolve the MDI cutout that comes with the package.
  magsr superresolve mdi/*.fits -o results
      Super-resolve every MDI file of a folder.
  magsr superresolve --help
      Show the options of a command.
"""
_DEMO = """
  magsr demo
      Write the input, one sample, the mean of 8 samples with its uncertainty
      and a picture into the folder magsr_demo.
  magsr demo -o demo --samples 4 --seed 1
      Draw 4 other samples and write into the folder demo.
"""
_SUPERRESOLVE = """
  magsr superresolve mdi.fits -o results
      Draw one sample at 0.5 arcsec/pix and write results/mdi.magsr.fits.
  magsr superresolve mdi/*.fits -o results --samples 8
      Write the mean of 8 samples and their standard deviation for each file.
  magsr superresolve mdi/*.fits -o frames --noise-lifetime 1 --precision 0.5
      Make the compressed frames of a movie.
"""
_EVALUATE = """
  magsr evaluate --data hmi -o evaluation --models default,bicubic
      Average the HMI files of a folder down, and compare what two models make
      of them with the files themselves.
  magsr evaluate --data hmi --low-resolution mdi -o comparison
      Take the MDI file that is nearest in time as the input instead.
  magsr evaluate --data hmi --blur 2 --noise 12 --results other=results
      See the HMI files as an instrument like MDI would, and judge results of
      other code beside all models.
  magsr evaluate --pairs pairs -o judged
      Take the pairs of images that pairs/pairs.toml lists.
"""
_ARCHIVE = """
  magsr archive run plan.toml --set cluster.workers=4
      Super-resolve all frames of the plan. After an interruption the same
      command resumes with the frames that are not done.
  magsr archive status plan.toml
      Say how many frames are done, how fast the work is, and what failed.
  magsr archive report plan.toml
      Draw the quality of all frames over time.
  magsr archive pack plan.toml --product mean -o mean.zarr
      Put the means of all frames into one Zarr store.
"""
_MOVIE = """
  magsr movie frames/*.fits -o region.mp4
      Draw one frame for each file.
  magsr movie frames/*.fits -o region.gif --limit 1000 --frame-rate 4 --size 640
      Make a small animated GIF, for sunspots: 1000 G is white, -1000 G black.
"""
_MODELS = """
  magsr models
      List the models with their sizes and licenses.
  magsr models default+mdi
      Show the card of one model: its training, validation and limits.
"""


def parser():
    """Make the parser of the command line."""
    top = argparse.ArgumentParser(
        prog="magsr",
        description="Super-resolution of solar magnetograms.",
        **shown_examples(_EXAMPLES),
    )
    top.add_argument("--version", action="version", version=version)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (_demo, _superresolve, _evaluate, _archive, _movie, _models):
        add(commands)
    return top


def shown_examples(examples):
    """Return the options of a parser that shows examples line by line below its options."""
    return {"epilog": f"examples:{examples}", "formatter_class": argparse.RawDescriptionHelpFormatter}


def new_command(commands, name, summary, examples=None):
    """Add a command with its line in the list of commands and its examples, and return its parser."""
    shown = shown_examples(examples) if examples else {}
    return commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", **shown)


def output_folder(options):
    """Read the folder for the results from the options of a command."""
    folder = Path(options.output)
    if folder.exists() and not folder.is_dir():
        msg = f"-o must be a folder, got the file {folder}."
        raise ValueError(msg)
    return folder


def add_settings(command, *names, **defaults):
    """Add options of a super-resolution, as the fields of `Settings` describe them."""
    for field in dataclasses.fields(Settings):
        if field.name not in names:
            continue
        argument = field.metadata["argument"] | {"default": defaults.get(field.name)}
        if argument.get("type") is int and field.default is not None:
            argument["default"] = defaults.get(field.name, field.default)
            argument["help"] += " (default: %(default)s)"
        command.add_argument(field.metadata["flag"], dest=field.name, **argument)


def read_settings(options, **others):
    """Read the `Settings` that the options of a command give."""
    given = {field.name: getattr(options, field.name, None) for field in dataclasses.fields(Settings)}
    given = {name: value for name, value in given.items() if value is not None}
    return build(Settings, given | others, what="the command")


def _model(command):
    command.add_argument(
        "--model", default="default", metavar="M", help="name, folder or Hub id of a model (default: %(default)s)"
    )


def _output(command, default=None, what="the folder for the results", metavar="DIR"):
    shown = what if default is None else f"{what} (default: %(default)s)"
    command.add_argument("-o", "--output", required=default is None, default=default, metavar=metavar, help=shown)


def _demo(commands):
    demo = new_command(commands, "demo", "super-resolve a real MDI cutout, write three FITS files and a picture", _DEMO)
    _output(demo, "magsr_demo")
    _model(demo)
    add_settings(demo, "n_samples", "seed", "steps", "device", n_samples=8)


def _superresolve(commands):
    files = new_command(commands, "superresolve", "super-resolve magnetograms in FITS files", _SUPERRESOLVE)
    files.add_argument("files", nargs="+", metavar="FILE", help="FITS file; of several images the first is used")
    _output(files)
    files.add_argument("--overwrite", action="store_true", help="do files again that are done")
    files.add_argument(
        "--precision", type=float, metavar="GAUSS", help="compress the files, with values rounded to steps of this size"
    )
    _model(files)
    add_settings(files, *(field.name for field in dataclasses.fields(Settings) if field.metadata.get("flag")))


def _evaluate(commands):
    summary = "measure models on HMI magnetograms averaged down, or on true pairs"
    evaluate = new_command(commands, "evaluate", summary, _EVALUATE)
    source = evaluate.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", metavar="DIR", help="folder of HMI FITS files: SHARP patches or full disks")
    source.add_argument("--pairs", metavar="DIR", help="pairs of images without coordinates, as papers publish them")
    evaluate.add_argument(
        "--low-resolution",
        metavar="DIR",
        help="input: the file that is nearest in time, instead of the HMI file averaged down",
    )
    evaluate.add_argument("--models", metavar="A,B,C", help="names, folders or Hub ids (default: all names)")
    evaluate.add_argument(
        "--blur",
        type=float,
        default=0,
        metavar="ARCSEC",
        help="blur the input by a Gaussian of this FWHM (default: none)",
    )
    evaluate.add_argument(
        "--noise", type=float, default=0, metavar="GAUSS", help="add white noise to the input (default: none)"
    )
    evaluate.add_argument(
        "--results",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="judge results of other code too: FITS files with the names of those in --data, or of MDI's in --pairs (repeatable)",
    )
    evaluate.add_argument(
        "--two-samples",
        action="store_true",
        help="train a network that tells samples from the truth (a minute a model)",
    )
    _output(evaluate, "magsr_evaluation")
    add_settings(evaluate, "n_samples", "seed", "component", "device", n_samples=8, component="los")


def _archive(commands):
    summary = "super-resolve thousands of frames as a plan says, on many processes"
    actions = new_command(commands, "archive", summary, _ARCHIVE).add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    run = new_command(actions, "run", "process the plan; finished frames are skipped")
    run.add_argument("--retry-failed", action="store_true", help="try the frames again that have failed")
    status = new_command(actions, "status", "say how far the plan is, how fast, and what failed")
    summary = "draw the quality of all frames over time, and list what to look at"
    report = new_command(actions, "report", summary)
    report.add_argument(
        "-o", "--output", metavar="DIR", help="folder for the report (default: report, in the folder of the results)"
    )
    pack = new_command(actions, "pack", "put one product of all frames that are done into one Zarr store")
    pack.add_argument("--product", required=True, metavar="NAME", help="such as sample0, mean or quantile0.9")
    _output(pack, what="the store", metavar="CUBE.zarr")
    pack.add_argument("--overwrite", action="store_true", help="replace a store that is there")
    for action in (run, status, report, pack):
        action.add_argument("plan", metavar="PLAN.toml", help="the plan: a TOML file")
        action.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", help="change a value of the plan"
        )


def _movie(commands):
    movie = new_command(commands, "movie", "make a movie of FITS files", _MOVIE)
    movie.add_argument("files", nargs="+", metavar="FILE", help="frames in the order of the movie")
    _output(movie, what="the movie, a file *.mp4 or *.gif", metavar="MOVIE")
    movie.add_argument(
        "--limit", type=float, default=500, metavar="GAUSS", help="field that is white or black (default: %(default)s)"
    )
    movie.add_argument(
        "--frame-rate", type=float, default=8, metavar="N", help="frames a second (default: %(default)s)"
    )
    movie.add_argument(
        "--size",
        type=int,
        default=1080,
        metavar="PIXELS",
        help="pixels of the picture along the longer side at most (default: %(default)s)",
    )
    movie.add_argument("--overwrite", action="store_true", help="replace a movie that is there")


def _models(commands):
    models = new_command(commands, "models", "list the models, or show one model's card", _MODELS)
    models.add_argument("name", nargs="?", help="name, folder or Hub id of the model whose card is shown")
