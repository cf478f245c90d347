"""The ``magsr-train`` command."""

import importlib
import sys
import tomllib
from pathlib import Path

from sunpy_magsr.cli.messages import exit_code, parse
from sunpy_magsr.training.arguments import parser
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
_WORDS = {"overrides must": "--set must"}
_STOPPED = "the same command resumes from the last checkpoint."


def main(arguments=None):
    """
    Run one stage; a stage that was stopped resumes from its last checkpoint.

    Parameters
    ----------
    arguments : `list` of `str`, optional
        The command line's by default.

    Returns
    -------
    `int`
        0: done; 1: training failed, or some of the pairs; 2: wrong usage.
    """
    options = parse(parser(), arguments)
    ends = {"wrong": _WRONG, "failed": _FAILED, "stopped": _STOPPED, "words": _WORDS}
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
    from sunpy_magsr.training.publish.pin import catalogue_entry

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
