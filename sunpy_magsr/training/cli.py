"""The ``magsr-train`` command."""

import argparse
import importlib
import sys
import tomllib
from pathlib import Path

from sunpy_magsr.cli.messages import exit_code
from sunpy_magsr.training.config import load_config

__all__ = ["main"]

#: Module, and the function that does it.
_TASKS = {"prepare": ("data.prepare", "prepare_store"), "calibrate": ("publish.calibrate", "calibrate_model")}
#: Module, and what makes of a configuration a `~sunpy_magsr.training.stages.stage.Stage`.
_STAGES = {
    "autoencoder": ("stages.autoencoder", "AutoencoderStage"),
    "diffusion": ("stages.diffusion", "DiffusionStage"),
    "scoring": ("stages.scoring", "ScoringStage"),
    "baseline": ("stages.baseline", "baseline_stage"),
    "finetune": ("stages.finetune", "FinetuneStage"),
}
_WRONG = (ValueError, TypeError, OSError, ImportError)
_FAILED = (FloatingPointError, RuntimeError, AssertionError)
_STOPPED = "the same command goes on from the last checkpoint."


def _parser():
    parser = argparse.ArgumentParser(prog="magsr-train", description="Train models for sunpy_magsr.")
    stages = parser.add_subparsers(dest="stage", required=True, metavar="STAGE")
    for name, what in (
        ("prepare", "turn folders of FITS files into the store that all stages read"),
        ("autoencoder", "train the autoencoder"),
        ("diffusion", "train the denoiser on the autoencoder's latents"),
        ("scoring", "train the sampler's few steps and the decoder on scores of their samples"),
        ("baseline", "train a rival: the network of [regression], or the diffusion model of [diffusion]"),
        ("finetune", "train an adapter for another instrument's input"),
        ("calibrate", "fit the factors of a model's intervals, and write them into its card"),
        ("export", "put a finished run and its card into a model folder"),
    ):
        stage = stages.add_parser(name, help=what)
        stage.add_argument("config", metavar="CONFIG.toml")
        stage.add_argument("--set", action="append", default=[], dest="overrides", metavar="section.key=value")
        if name == "export":
            stage.add_argument("--card", required=True, metavar="CARD.toml", help="facts for the model's card")
            stage.add_argument("-o", "--output", required=True, metavar="DIR", help="the model folder")
            stage.add_argument("--half", action="store_true", help="store the weights in half precision")
            stage.add_argument("--evaluation", metavar="DIR", help="output of `magsr evaluate` for these weights")
    fetch = stages.add_parser("fetch", help="find pairs of MDI and HMI full disks at JSOC, and download them")
    fetch.add_argument("--start", required=True, metavar="TIME", help="such as 2010-05-01 (TAI)")
    fetch.add_argument("--end", required=True, metavar="TIME", help="not in it")
    fetch.add_argument(
        "--cadence", default="96min", metavar="TIME", help="one pair of each, such as 1day (default: all)"
    )
    fetch.add_argument(
        "--tolerance", default="6min", metavar="TIME", help="between the frames of a pair (default: 6min)"
    )
    fetch.add_argument("--email", help="registered at JSOC (default: the environment variable JSOC_EMAIL)")
    fetch.add_argument("--server", metavar="URL", help="another server of JSOC's protocol")
    fetch.add_argument("--workers", type=int, default=4, metavar="N", help="downloads at once (default: 4)")
    fetch.add_argument(
        "--wait", type=float, default=2.0, metavar="S", help="seconds before a second attempt (default: 2)"
    )
    fetch.add_argument("--verify", action="store_true", help="compare the hashes of the files that are there")
    fetch.add_argument("--dry-run", action="store_true", help="only say what there is")
    fetch.add_argument("-o", "--output", required=True, metavar="DIR", help="the folder of pairs")
    align = stages.add_parser("align", help="bring the HMI frames of a folder of pairs onto MDI's pixels")
    align.add_argument("folder", metavar="DIR", help="from `magsr-train fetch`")
    align.add_argument("-o", "--output", metavar="DIR", help="the folder of results (default: DIR/aligned)")
    align.add_argument("--workers", type=int, default=1, metavar="N", help="processes of 2.1 GiB (default: 1)")
    align.add_argument("--no-pictures", action="store_true", help="draw none")
    push = stages.add_parser("push", help="publish a model folder on a Hub (HF_ENDPOINT, HF_TOKEN)")
    push.add_argument("folder", metavar="FOLDER")
    push.add_argument("repo_id", metavar="ORG/NAME")
    push.add_argument("--revision", metavar="BRANCH", help="made if it is not there")
    push.add_argument("--private", action="store_true", help="for a repository that is made")
    pin = stages.add_parser("pin", help="print a catalogue's entry for what is at a revision of a Hub's repository now")
    pin.add_argument("model_id", metavar="ORG/NAME@REVISION")
    pin.add_argument("--name", required=True, metavar="NAME", help="what users shall call it")
    return parser


def main(arguments=None):
    """
    Run one stage; a stage that was stopped goes on from its last checkpoint.

    Parameters
    ----------
    arguments : `list` of `str`, optional
        The command line's by default.

    Returns
    -------
    `int`
        0: done; 1: training failed, or some of the pairs; 2: wrong usage.
    """
    options = _parser().parse_args(arguments)
    return exit_code("magsr-train", lambda: _done(options), wrong=_WRONG, failed=_FAILED, stopped=_STOPPED)


def _done(options):
    """Do what is asked for, say what came of it, and return the exit code."""
    try:
        done = {"push": _push, "pin": _pin, "fetch": _fetch, "align": _align}.get(options.stage, _run)(options)
    except ImportError as error:
        msg = f"{error}; training needs `pip install sunpy-magsr[train]`."
        raise ImportError(msg) from error
    done, code = done if isinstance(done, tuple) else (done, 0)
    sys.stdout.write(f"{done}\n")
    return code


def _fetch(options):
    from sunpy_magsr.pairing.fetch import fetch_pairs

    taken = ("start", "end", "cadence", "tolerance", "email", "server", "workers", "wait", "verify", "dry_run")
    found = fetch_pairs(options.output, **{name: getattr(options, name) for name in taken})
    return _said(found.summary(), found.failed)


def _align(options):
    from sunpy_magsr.pairing.batch import align_folder
    from sunpy_magsr.pairing.manifest import pairs_of

    output = Path(options.output or Path(options.folder) / "aligned")
    found = align_folder(pairs_of(options.folder), output, workers=options.workers, pictures=not options.no_pictures)
    return _said(found.summary(), found.refused)


def _said(summary, failed):
    """The summary, after a line for each failure; with failures the command ends with 1."""
    for name, why in failed.items():
        sys.stderr.write(f"magsr-train: {name}: {why}\n")
    return summary, 1 if failed else 0


def _push(options):
    from sunpy_magsr.training.publish.push import push_model

    return push_model(options.folder, options.repo_id, revision=options.revision, private=options.private)


def _pin(options):
    from sunpy_magsr.models.pins import catalogue_entry

    return catalogue_entry(options.model_id, options.name).rstrip()


def _run(options):
    config = load_config(options.config, options.overrides)
    if options.stage == "export":
        from sunpy_magsr.training.publish.export import export_model

        card = tomllib.loads(Path(options.card).read_text())
        return export_model(config.output, options.output, card=card, half=options.half, evaluation=options.evaluation)
    module, name = (_TASKS | _STAGES)[options.stage]
    made = getattr(importlib.import_module(f"sunpy_magsr.training.{module}"), name)(config)
    return made.train() if options.stage in _STAGES else made
