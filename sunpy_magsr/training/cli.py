"""The ``magsr-train`` command."""

import argparse
import importlib
import sys
import tomllib
from pathlib import Path

from sunpy_magsr.training.config import load_config

__all__ = ["main"]

#: Module and function of a stage.
_STAGES = {
    "prepare": ("prepare", "prepare_store"),
    "autoencoder": ("autoencoder", "train_autoencoder"),
    "diffusion": ("diffusion", "train_diffusion"),
    "scoring": ("scoring", "train_scoring"),
    "baseline": ("baseline", "train_baseline"),
    "finetune": ("finetune", "train_adapter"),
    "calibrate": ("calibrate", "calibrate_model"),
}


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
        0: done; 1: training failed; 2: wrong usage.
    """
    options = _parser().parse_args(arguments)
    try:
        done = {"push": _push, "pin": _pin}.get(options.stage, _run)(options)
    except (ValueError, TypeError, OSError) as error:
        sys.stderr.write(f"magsr-train: error: {' '.join(str(error).split())}\n")
        return 2
    except ImportError as error:
        sys.stderr.write(f"magsr-train: error: {error}; training needs `pip install sunpy-magsr[train]`.\n")
        return 2
    except (FloatingPointError, RuntimeError, AssertionError) as error:
        sys.stderr.write(f"magsr-train: failed: {' '.join(str(error).split())}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("magsr-train: stopped; the same command goes on from the last checkpoint.\n")
        return 130
    sys.stdout.write(f"{done}\n")
    return 0


def _push(options):
    from sunpy_magsr.training.push import push_model

    return push_model(options.folder, options.repo_id, revision=options.revision, private=options.private)


def _pin(options):
    from sunpy_magsr.models.pins import catalogue_entry

    return catalogue_entry(options.model_id, options.name).rstrip()


def _run(options):
    config = load_config(options.config, options.overrides)
    if options.stage == "export":
        from sunpy_magsr.training.export import export_model

        card = tomllib.loads(Path(options.card).read_text())
        return export_model(config.output, options.output, card=card, half=options.half, evaluation=options.evaluation)
    module, function = _STAGES[options.stage]
    return getattr(importlib.import_module(f"sunpy_magsr.training.{module}"), function)(config)
