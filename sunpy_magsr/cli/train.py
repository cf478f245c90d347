"""The arguments of ``magsr-train``, with the help and the examples of each command."""

import argparse
import importlib
import sys
import tomllib
from pathlib import Path

from sunpy_magsr.cli.arguments import new_command, shown_examples
from sunpy_magsr.cli.messages import exit_code, parse
from sunpy_magsr.training.config import load_config

_EXAMPLES = """
  magsr-train prepare recipe.toml --set data.root=hmi
      Make the store of training data of a folder of FITS files.
  magsr-train autoencoder recipe.toml
      Train the first stage; after an interruption the same command resumes.
  magsr-train export recipe.toml --card card.toml -o model
      Put the finished run into a folder that superresolve(model="model") takes.
"""
_STAGE_HELP = {
    "prepare": "turn folders of FITS files into the store that all stages read",
    "autoencoder": "train the autoencoder",
    "diffusion": "train the denoiser on the autoencoder's latents",
    "scoring": "train the sampler's few steps and the decoder on scores of their samples",
    "baseline": "train a rival: the network of [regression], or the diffusion model of [diffusion]",
    "finetune": "train an adapter for another instrument's input",
    "calibrate": "fit the factors of a model's intervals, and write them into its card",
    "export": "put a finished run and its card into a model folder",
}
_STAGE = """
  magsr-train {name} recipe.toml{more}
      Do it as the recipe says.
  magsr-train {name} recipe.toml --set {changed}{more}
      Change one value of the recipe for this run.
"""
_CHANGED = {
    "prepare": "data.root=hmi",
    "baseline": "regression.steps=1000",
    "calibrate": "calibrate.n_samples=16",
    "export": "output=other-run",
}
_FETCH = """
  magsr-train fetch --start 2010-05-01 --end 2010-06-01 --cadence 1day -o pairs
      Find and download one pair for each day.
  magsr-train fetch --start 2010-05-01 --end 2010-06-01 --dry-run -o pairs
      Only say how many there are.
"""
_ALIGN = """
  magsr-train align pairs
      Write the aligned frames into pairs/aligned.
"""
_PUSH = """
  magsr-train push model team/magsr --revision v1
      Publish the folder as the branch v1 of the repository team/magsr.
"""
_PIN = """
  magsr-train pin team/magsr@v1 --name ours >> catalogue.toml
      Let users of that catalogue call the model "ours", and have exactly it.
"""


def parser():
    """Make the parser of the command line."""
    top = argparse.ArgumentParser(
        prog="magsr-train", description="Train models for sunpy_magsr.", **shown_examples(_EXAMPLES)
    )
    commands = top.add_subparsers(dest="stage", required=True, metavar="STAGE")
    for name, what in _STAGE_HELP.items():
        _stage(commands, name, what)
    for add in (_add_fetch, _add_align, _add_push, _add_pin):
        add(commands)
    return top


def _stage(commands, name, what):
    more = " --card card.toml -o model" if name == "export" else ""
    examples = _STAGE.format(name=name, changed=_CHANGED.get(name, f"{name}.steps=1000"), more=more)
    stage = new_command(commands, name, what, examples)
    stage.add_argument("config", metavar="CONFIG.toml", help="the recipe: a TOML file")
    stage.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="section.key=value",
        help="change a value of the recipe",
    )
    if name == "export":
        stage.add_argument("--card", required=True, metavar="CARD.toml", help="facts for the model's card")
        stage.add_argument("-o", "--output", required=True, metavar="DIR", help="the model folder")
        stage.add_argument("--half", action="store_true", help="store the weights in half precision")
        stage.add_argument("--evaluation", metavar="DIR", help="output of `magsr evaluate` for these weights")


def _add_fetch(commands):
    fetch = new_command(commands, "fetch", "find pairs of MDI and HMI full disks at JSOC, and download them", _FETCH)
    fetch.add_argument("--start", required=True, metavar="TIME", help="first time, such as 2010-05-01 (TAI)")
    fetch.add_argument("--end", required=True, metavar="TIME", help="time before which the last pair must be")
    for name, default, what in (
        ("--cadence", "96min", "one pair of each such time, such as 1day"),
        ("--tolerance", "6min", "largest time between the two frames of a pair"),
    ):
        fetch.add_argument(name, default=default, metavar="TIME", help=f"{what} (default: %(default)s)")
    fetch.add_argument("--email", help="address registered at JSOC (default: the environment variable JSOC_EMAIL)")
    fetch.add_argument("--server", metavar="URL", help="another server of JSOC's protocol")
    fetch.add_argument(
        "--workers", type=int, default=4, metavar="N", help="downloads at the same time (default: %(default)s)"
    )
    fetch.add_argument(
        "--wait", type=float, default=2.0, metavar="S", help="seconds before a second attempt (default: %(default)s)"
    )
    fetch.add_argument("--verify", action="store_true", help="compare the hashes of the files that are there")
    fetch.add_argument("--dry-run", action="store_true", help="only say what there is")
    fetch.add_argument("-o", "--output", required=True, metavar="DIR", help="the folder of pairs")


def _add_align(commands):
    align = new_command(commands, "align", "bring the HMI frames of a folder of pairs onto MDI's pixels", _ALIGN)
    align.add_argument("folder", metavar="DIR", help="from `magsr-train fetch`")
    align.add_argument("-o", "--output", metavar="DIR", help="the folder of results (default: DIR/aligned)")
    align.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes, each of 2.1 GiB (default: %(default)s)"
    )
    align.add_argument("--no-pictures", action="store_true", help="draw none")


def _add_push(commands):
    push = new_command(commands, "push", "publish a model folder on a Hub (HF_ENDPOINT, HF_TOKEN)", _PUSH)
    push.add_argument("folder", metavar="FOLDER", help="the model folder")
    push.add_argument("repo_id", metavar="ORG/NAME", help="the repository")
    push.add_argument("--revision", metavar="BRANCH", help="the branch, made if it is not there")
    push.add_argument("--private", action="store_true", help="make the repository private if it is new")


def _add_pin(commands):
    what = "print a catalogue's entry for what is at a revision of a Hub's repository now"
    pin = new_command(commands, "pin", what, _PIN)
    pin.add_argument("model_id", metavar="ORG/NAME@REVISION", help="repository and revision")
    pin.add_argument("--name", required=True, metavar="NAME", help="what users shall call the model")


#: Module, and the function that does it.
_TASKS = {"prepare": ("data.prepare", "prepare_store"), "calibrate": ("calibrate", "calibrate_model")}
#: Module, and what makes of a configuration a ``Stage``.
_STAGES = {
    "autoencoder": ("stages.autoencoder", "AutoencoderStage"),
    "diffusion": ("stages.diffusion", "DiffusionStage"),
    "scoring": ("stages.scoring", "ScoringStage"),
    "baseline": ("stages.baseline", "baseline_stage"),
    "finetune": ("stages.finetune", "FinetuneStage"),
}
_WRONG = (ValueError, TypeError, OSError, ImportError)
_FAILED = (FloatingPointError, RuntimeError, AssertionError)
_FLAGS = {"overrides": "--set"}
_STOPPED = "the same command resumes from the last checkpoint."


def main(arguments=None):
    """Run one stage; a stage that was stopped resumes from its last checkpoint."""
    options = parse(parser(), arguments)
    ends = {"wrong": _WRONG, "failed": _FAILED, "stopped": _STOPPED, "flags": _FLAGS}
    return exit_code("magsr-train", lambda: _done(options), **ends)


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
    from sunpy_magsr.pairs.fetch import fetch_pairs

    taken = ("start", "end", "cadence", "tolerance", "email", "server", "workers", "wait", "verify", "dry_run")
    found = fetch_pairs(options.output, **{name: getattr(options, name) for name in taken})
    return _said(found.summary(), found.failed)


def _align(options):
    from sunpy_magsr.pairs.batch import align_folder
    from sunpy_magsr.pairs.downloads import pairs_of

    output = Path(options.output or Path(options.folder) / "aligned")
    found = align_folder(pairs_of(options.folder), output, workers=options.workers, pictures=not options.no_pictures)
    return _said(found.summary(), found.refused)


def _said(summary, failed):
    """The summary, after a line for each failure; with failures the command ends with 1."""
    for name, why in failed.items():
        sys.stderr.write(f"magsr-train: {name}: {why}\n")
    return summary, 1 if failed else 0


def _push(options):
    from sunpy_magsr.training.push import push_model

    return push_model(options.folder, options.repo_id, revision=options.revision, private=options.private)


def _pin(options):
    from sunpy_magsr.training.push import catalogue_entry

    return catalogue_entry(options.model_id, options.name).rstrip()


def _run(options):
    config = load_config(options.config, options.overrides)
    if options.stage == "export":
        from sunpy_magsr.training.publish import export_model

        card = tomllib.loads(Path(options.card).read_text())
        return export_model(config.output, options.output, card=card, half=options.half, evaluation=options.evaluation)
    module, name = (_TASKS | _STAGES)[options.stage]
    made = getattr(importlib.import_module(f"sunpy_magsr.training.{module}"), name)(config)
    return made.train() if options.stage in _STAGES else made
