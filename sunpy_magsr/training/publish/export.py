"""The last stage: a model folder with its card."""

import dataclasses
import json
import shutil
import tempfile
from pathlib import Path

from safetensors.torch import load_file, save_file

from sunpy_magsr.catalog import ADAPTERS, ModelCard
from sunpy_magsr.models.pipeline import PARTS, weights_digest
from sunpy_magsr.training.check import check_folder, load_exported, write_check
from sunpy_magsr.training.publish.measured import measured
from sunpy_magsr.training.publish.readme import readme
from sunpy_magsr.training.stages.finetune import BASE
from sunpy_magsr.training.stages.scoring import finished

__all__ = ["export_model"]


def export_model(run, destination, *, card, half=False, evaluation=None):
    """
    Put the parts of a finished run, a card and a stored answer into one folder, and load it in another process.

    Parameters
    ----------
    run : `str` or `pathlib.Path`
        Output folder of the run, with ``autoencoder``, ``denoiser`` and ``scheduler``, or ``network``, or ``adapter``.
    destination : `str` or `pathlib.Path`
        The model folder; a model folder that is there is replaced as a whole.
    card : `dict`
        Facts for the `~sunpy_magsr.catalog.ModelCard`; the digest of the weights is added, and for an adapter what it
        was trained on. Facts of a diffusion model may hold those of an ``adapter`` of the same run, which is then put
        into the folder, for input of its instruments.
    half : `bool`
        Whether to store the weights in half precision; they are computed with in float32 all the same.
    evaluation : `str` or `pathlib.Path`, optional
        Output folder of ``magsr evaluate`` for these weights; its numbers replace those of the card.

    Returns
    -------
    `pathlib.Path`
        The model folder.

    Raises
    ------
    ValueError
        If a part is missing, the card is wrong, ``destination`` is a folder that is no model, or ``evaluation`` is of
        other weights.
    RuntimeError
        If the folder does not give its stored answer again; what was at ``destination`` stays.
    """
    run, destination = Path(run).resolve(), Path(destination).resolve()
    if destination.exists() and not (destination / "card.json").is_file():
        msg = f"destination must be a new folder or a model folder, got {destination}."
        raise ValueError(msg)
    card, adapter = _cards(card, run)
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=f".{destination.name}.") as place:
        model = Path(place) / "model"
        card = _fill(model, run, card, half)
        if adapter is not None:
            folder = model / ADAPTERS / adapter.name
            _fill(folder, run, dataclasses.replace(adapter, base_sha256=card.sha256), half)
            _finish(folder)
        if evaluation is not None:
            validation = measured(evaluation, card=load_exported(model).card)
            dataclasses.replace(card, validation=validation).write(model)
        _finish(model)
        old = destination.with_name(destination.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        if destination.exists():
            destination.replace(old)
        model.replace(destination)
    shutil.rmtree(old, ignore_errors=True)
    return destination


def _cards(facts, run):
    """The card of a model and that of the adapter in it, or `None`; what the run says of an adapter's base is in it."""
    facts = dict(facts)
    own = facts.pop("adapter", None)
    card, adapter = ModelCard.of(facts), None
    if card.kind not in PARTS:
        msg = f"card must have a kind of {', '.join(PARTS)}, got {card.kind!r}."
        raise ValueError(msg)
    if own is not None:
        adapter = ModelCard.of({**own, "kind": "adapter"})
        card = dataclasses.replace(card, adapters=dict.fromkeys(adapter.instruments, adapter.name))
    for part in (*PARTS[card.kind], *(PARTS["adapter"] if adapter else ())):
        if not finished(run, part).is_dir():
            msg = f"run must hold a finished {part}, and {run} does not; train that stage first."
            raise ValueError(msg)
    if card.kind == "adapter":
        card = dataclasses.replace(card, **json.loads((run / "adapter" / BASE).read_text()))
    return card, adapter


def _fill(folder, run, card, half):
    """Copy the parts of a model and write its card with their digest, which is returned."""
    for part in PARTS[card.kind]:
        shutil.copytree(finished(run, part), folder / part, ignore=shutil.ignore_patterns("README.md", BASE))
    _tidy(folder, half)
    card = dataclasses.replace(card, sha256=weights_digest(folder))
    card.write(folder)
    return card


def _finish(folder):
    """Describe a model for people, store its answer, and see whether another process gives the same."""
    (folder / "README.md").write_text(readme(ModelCard.read(folder)))
    write_check(folder)
    check_folder(folder)


def _tidy(model, half):
    """Make weights readable for all, halve them if asked, and forget where they came from."""
    for path in model.rglob("*.safetensors"):
        if half:
            save_file({name: tensor.half() for name, tensor in load_file(path).items()}, path, {"format": "pt"})
        path.chmod(0o644)  # safetensors writes files that only their owner can read
    for path in model.rglob("*config.json"):
        config = json.loads(path.read_text())
        for name in ("_name_or_path", "base_model_name_or_path"):
            config.pop(name, None)  # where the part was loaded from on the machine that trained
        path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
