"""Arguments of ``magsr`` and what each command calls."""

import argparse
import contextlib
import importlib
import signal
import sys
import threading

from sunpy_magsr.cli.messages import one_line
from sunpy_magsr.cli.streams import lasting_streams
from sunpy_magsr.version import version

__all__ = ["main"]

_MODULES = {"archive": "archive", "evaluate": "evaluation", "movie": "movie"}


def _parser():
    parser = argparse.ArgumentParser(prog="magsr", description="Super-resolution of solar magnetograms.")
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="super-resolve a synthetic sample, write a FITS file and a picture")
    demo.add_argument("-o", "--output", default="magsr_demo", metavar="DIR", help="default: %(default)s")
    _sampling(demo, samples=8)

    files = commands.add_parser("superresolve", help="super-resolve magnetograms in FITS files")
    files.add_argument("files", nargs="+", metavar="FILE")
    files.add_argument("-o", "--output", required=True, metavar="DIR")
    files.add_argument("--overwrite", action="store_true", help="redo files that are done")
    files.add_argument(
        "--plate-scale",
        default="0.5",
        metavar="ARCSEC",
        help="of the output in arcsec/pix, or 'native' for exactly x4 the input's grid (default: %(default)s)",
    )
    files.add_argument(
        "--psf-fwhm",
        type=float,
        metavar="ARCSEC",
        help="width of the instrument's point-spread function, if it is known",
    )
    files.add_argument("--keep-bad-pixels", action="store_true", help="take hits and dead pixels for measurements")
    files.add_argument(
        "--component",
        choices=["los", "br", "bp", "bt"],
        help="of the field, if neither the header nor the file's name says it",
    )
    files.add_argument(
        "--noise-lifetime",
        type=float,
        metavar="HOURS",
        help="for frames of a movie: how long made-up structure stays with a place on the Sun, such as 1, or inf",
    )
    files.add_argument(
        "--precision", type=float, metavar="GAUSS", help="compress the files, with values rounded to steps of this size"
    )
    files.add_argument("--calibrate", choices=["hmi"], help="put an MDI result on HMI's scale")
    _sampling(files, samples=1)

    evaluate = commands.add_parser(
        "evaluate", help="measure models on HMI magnetograms averaged down, or on true pairs"
    )
    source = evaluate.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", metavar="DIR", help="HMI FITS files: SHARP patches or full disks")
    source.add_argument("--pairs", metavar="DIR", help="true pairs as images on one grid, listed in DIR/pairs.toml")
    evaluate.add_argument("--paired", metavar="LR_DIR", help="low-resolution partners, instead of averaging down")
    evaluate.add_argument("--models", metavar="A,B,C", help="names, folders or Hub ids (default: all names)")
    evaluate.add_argument("--component", default="los", choices=["los", "br", "bp", "bt"], help="default: %(default)s")
    evaluate.add_argument("-o", "--output", default="magsr_evaluation", metavar="DIR", help="default: %(default)s")
    evaluate.add_argument("--samples", type=int, default=8, metavar="N", help="default: %(default)s")
    evaluate.add_argument("--seed", type=int, default=0, metavar="S", help="default: %(default)s")
    evaluate.add_argument("--device", metavar="D", help="torch device (default: CUDA if there is one, else the CPU)")

    _archive(commands)
    _movie(commands)

    models = commands.add_parser("models", help="list the models, or show one model's card")
    models.add_argument("name", nargs="?")
    return parser


def _archive(commands):
    archive = commands.add_parser("archive", help="super-resolve thousands of frames as a plan says, on many processes")
    actions = archive.add_subparsers(dest="action", required=True, metavar="ACTION")
    for action, text in (
        ("run", "work off the plan; what is done already is passed over"),
        ("status", "how far it is, how fast, and what failed"),
        ("report", "draw the quality of all frames over time, and list what to look at"),
        ("pack", "put one product of all frames that are done into one Zarr store"),
    ):
        parts = actions.add_parser(action, help=text)
        parts.add_argument("plan", metavar="PLAN.toml")
        parts.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a value of the plan")
        if action == "run":
            parts.add_argument("--retry-failed", action="store_true", help="try again what failed")
        if action == "report":
            parts.add_argument("-o", "--output", metavar="DIR", help="default: report, in the folder of the results")
        if action == "pack":
            parts.add_argument("--product", required=True, metavar="NAME", help="such as sample0, mean or quantile0.9")
            parts.add_argument("-o", "--output", required=True, metavar="CUBE.zarr")
            parts.add_argument("--overwrite", action="store_true", help="replace a store that is there")


def _movie(commands):
    movie = commands.add_parser("movie", help="make a movie of FITS files")
    movie.add_argument("files", nargs="+", metavar="FILE", help="in the order of the movie")
    movie.add_argument("-o", "--output", required=True, metavar="MOVIE", help="a file *.mp4 or *.gif")
    movie.add_argument(
        "--limit", type=float, default=500, metavar="GAUSS", help="black and white (default: %(default)s)"
    )
    movie.add_argument(
        "--frame-rate", type=float, default=8, metavar="N", help="frames a second (default: %(default)s)"
    )
    movie.add_argument(
        "--size", type=int, default=1080, metavar="PIXELS", help="longer side at most (default: %(default)s)"
    )
    movie.add_argument("--overwrite", action="store_true", help="replace a movie that is there")


def _sampling(parser, *, samples):
    parser.add_argument("--samples", type=int, default=samples, metavar="N", help="default: %(default)s")
    parser.add_argument("--model", default="default", metavar="M", help="name, folder or Hub id (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default: %(default)s")
    parser.add_argument("--steps", type=int, metavar="K", help="sampling steps (default: the model's)")
    parser.add_argument("--device", metavar="D", help="torch device (default: CUDA if there is one, else the CPU)")


def main(arguments=None):
    """
    Run the command.

    Parameters
    ----------
    arguments : `list` of `str`, optional
        The command line's by default.

    Returns
    -------
    `int`
        0: done; 1: some files failed; 2: wrong usage.
    """
    options = _parser().parse_args(arguments)
    with lasting_streams(), _ended_by_sigterm():
        return _run(options)


@contextlib.contextmanager
def _ended_by_sigterm():
    """Let what a scheduler sends before it kills end the command as Ctrl-C does, with nothing half done left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(options):
    try:
        module = importlib.import_module(f"sunpy_magsr.cli.{_MODULES.get(options.command, 'commands')}")
        return getattr(module, options.command)(options)
    except (ValueError, TypeError, FileExistsError, FileNotFoundError, NotADirectoryError, PermissionError) as error:
        sys.stderr.write(f"magsr: error: {one_line(error)}\n")
        return 2
    except (RuntimeError, MemoryError, OSError, ImportError) as error:
        sys.stderr.write(f"magsr: failed: {one_line(error)}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("magsr: stopped; finished files are kept, run the same command again to go on.\n")
        return 130
