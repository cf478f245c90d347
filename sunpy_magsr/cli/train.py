"""The commands of ``magsr-train``."""

import argparse
import importlib
import sys
from pathlib import Path

from sunpy_magsr._options import read_toml
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
_STAGE = """
  magsr-train {name} recipe.toml{more}
      Do it as the recipe says.
  magsr-train {name} recipe.toml --set {changed}{more}
      Change one value of the recipe for this run.
"""
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
# Commands that take a recipe.
_HELP = {
    "prepare": "turn folders of FITS files into the store that all stages read",
    "autoencoder": "train the autoencoder",
    "diffusion": "train the denoiser on the autoencoder's latents",
    "scoring": "train the sampler's few steps and the decoder on scores of their samples",
    "baseline": "train a rival: the network of [regression], or the diffusion model of [diffusion]",
    "finetune": "train an adapter for another instrument's input",
    "calibrate": "fit the factors of a model's intervals, and write them into its card",
    "export": "put a finished run and its card into a model folder",
}
# An example of a value to change, if it is not the number of steps of the section of this name.
_CHANGED = {
    "prepare": "data.root=hmi",
    "baseline": "regression.steps=1000",
    "calibrate": "calibrate.n_samples=16",
    "export": "output=other-run",
}
# The function of the training that takes the configuration; those of the stages give a `Stage`.
_FUNCTIONS = {
    "prepare": "data.prepare.prepare_store",
    "autoencoder": "stages.autoencoder.AutoencoderStage",
    "diffusion": "stages.diffusion.DiffusionStage",
    "scoring": "stages.scoring.ScoringStage",
    "baseline": "stages.baseline.baseline_stage",
    "finetune": "stages.finetune.FinetuneStage",
    "calibrate": "calibrate.calibrate_model",
}
_WRONG = (ValueError, TypeError, OSError, ImportError)
_FAILED = (FloatingPointError, RuntimeError, AssertionError)
_FLAGS = {"overrides": "--set"}
_STOPPED = "the same command resumes from the last checkpoint."


def parser():
    """Make the parser of the command line."""
    description = "Train models for sunpy_magsr."
    top = argparse.ArgumentParser(prog="magsr-train", description=description, **shown_examples(_EXAMPLES))
    commands = top.add_subparsers(dest="stage", required=True, metavar="STAGE")
    for name, what in _HELP.items():
        changed = _CHANGED.get(name, f"{name}.steps=1000")
        more = " --card card.toml -o model" if name == "export" else ""
        command = new_command(commands, name, what, _STAGE.format(name=name, changed=changed, more=more))
        command.add_argument("config", metavar="CONFIG.toml", help="the recipe: a TOML file")
        options = {"default": [], "dest": "overrides", "metavar": "section.key=value"}
        command.add_argument("--set", action="append", help="change a value of the recipe", **options)
        command.set_defaults(run=_run)
    _add_export(commands.choices["export"])
    for add in (_add_fetch, _add_align, _add_push):
        add(commands)
    return top


def _add_export(export):
    export.set_defaults(run=_export)
    export.add_argument("--card", required=True, metavar="CARD.toml", help="facts for the model's card")
    export.add_argument("-o", "--output", required=True, metavar="DIR", help="the model folder")
    export.add_argument("--half", action="store_true", help="store the weights in half precision")
    export.add_argument("--evaluation", metavar="DIR", help="output of `magsr evaluate` for these weights")


def _add_fetch(commands):
    fetch = new_command(commands, "fetch", "find pairs of MDI and HMI full disks at JSOC, and download them", _FETCH)
    fetch.set_defaults(run=_fetch)
    fetch.add_argument("--start", required=True, metavar="TIME", help="first time, such as 2010-05-01 (TAI)")
    fetch.add_argument("--end", required=True, metavar="TIME", help="time before which the last pair must be")
    for name, metavar, default, what in (
        ("--cadence", "TIME", "96min", "one pair of each such time, such as 1day"),
        ("--tolerance", "TIME", "6min", "largest time between the two frames of a pair"),
        ("--workers", "N", 4, "downloads at the same time"),
        ("--wait", "S", 2.0, "seconds before a second attempt"),
    ):
        options = {"type": type(default), "default": default, "metavar": metavar}
        fetch.add_argument(name, help=f"{what} (default: %(default)s)", **options)
    fetch.add_argument("--email", help="address registered at JSOC (default: the environment variable JSOC_EMAIL)")
    fetch.add_argument("--server", metavar="URL", help="another server of JSOC's protocol")
    fetch.add_argument("--verify", action="store_true", help="compare the hashes of the files that are there")
    fetch.add_argument("--dry-run", action="store_true", help="only say what there is")
    fetch.add_argument("-o", "--output", required=True, metavar="DIR", help="the folder of pairs")


def _add_align(commands):
    align = new_command(commands, "align", "bring the HMI frames of a folder of pairs onto MDI's pixels", _ALIGN)
    align.set_defaults(run=_align)
    align.add_argument("folder", metavar="DIR", help="from `magsr-train fetch`")
    align.add_argument("-o", "--output", metavar="DIR", help="the folder of results (default: DIR/aligned)")
    memory = "processes, each of 2.1 GiB (default: %(default)s)"
    align.add_argument("--workers", type=int, default=1, metavar="N", help=memory)
    align.add_argument("--no-pictures", action="store_true", help="draw none")


def _add_push(commands):
    push = new_command(commands, "push", "publish a model folder on a Hub (HF_ENDPOINT, HF_TOKEN)", _PUSH)
    push.set_defaults(run=_push)
    push.add_argument("folder", metavar="FOLDER", help="the model folder")
    push.add_argument("repo_id", metavar="ORG/NAME", help="the repository")
    push.add_argument("--revision", metavar="BRANCH", help="the branch, made if it is not there")
    push.add_argument("--private", action="store_true", help="make the repository private if it is new")


def main(arguments=None):
    """Run one stage; a stage that was stopped resumes from its last checkpoint."""
    options = parse(parser(), arguments)
    ends = {"wrong": _WRONG, "failed": _FAILED, "stopped": _STOPPED, "flags": _FLAGS}
    return exit_code("magsr-train", lambda: _print_result(options), **ends)


def _print_result(options):
    """Do what is asked for, print what came of it after a line for each failure, and return the exit code."""
    try:
        result = options.run(options)
    except ImportError as error:
        msg = f"{error}; training needs `pip install sunpy-magsr[train]`."
        raise ImportError(msg) from error
    text, failed = result if isinstance(result, tuple) else (result, {})
    for name, why in failed.items():
        sys.stderr.write(f"magsr-train: {name}: {why}\n")
    sys.stdout.write(f"{text}\n")
    return 1 if failed else 0


def _run(options):
    module, _, name = _FUNCTIONS[options.stage].rpartition(".")
    function = getattr(importlib.import_module(f"sunpy_magsr.training.{module}"), name)
    result = function(load_config(options.config, options.overrides))
    return result.train() if module.startswith("stages") else result


def _export(options):
    from sunpy_magsr.training.publish import export_model

    run, card = load_config(options.config, options.overrides).output, read_toml(options.card)
    return export_model(run, options.output, card=card, half=options.half, evaluation=options.evaluation)


def _fetch(options):
    from sunpy_magsr.pairs.fetch import fetch_pairs

    taken = ("start", "end", "cadence", "tolerance", "email", "server", "workers", "wait", "verify", "dry_run")
    found = fetch_pairs(options.output, **{name: getattr(options, name) for name in taken})
    return found.summary(), found.failed


def _align(options):
    from sunpy_magsr.pairs.batch import align_folder
    from sunpy_magsr.pairs.fetch import pairs_of

    output = Path(options.output or Path(options.folder) / "aligned")
    found = align_folder(pairs_of(options.folder), output, workers=options.workers, pictures=not options.no_pictures)
    return found.summary(), found.refused


def _push(options):
    from sunpy_magsr.training.publish import push_model

    return push_model(options.folder, options.repo_id, revision=options.revision, private=options.private)
