"""The last stage: a model folder with its card."""

import dataclasses
import json
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

from sunpy_magsr.catalog import ModelCard
from sunpy_magsr.models.pipeline import PARTS, weights_digest

__all__ = ["export_model"]


def export_model(run, destination, *, card, half=False):
    """
    Put the parts of a finished run and a card into one folder.

    Parameters
    ----------
    run : `str` or `pathlib.Path`
        Output folder of the run, with ``autoencoder``, ``denoiser`` and ``scheduler``, or ``network``.
    destination : `str` or `pathlib.Path`
        The model folder; a model folder that is there is replaced as a whole.
    card : `dict`
        Facts for the `~sunpy_magsr.catalog.ModelCard`; the digest of the weights is added.
    half : `bool`
        Whether to store the weights in half precision; they are computed with in float32 all the same.

    Returns
    -------
    `pathlib.Path`
        The model folder.

    Raises
    ------
    ValueError
        If a part is missing, the card is wrong, or ``destination`` is a folder that is no model.
    """
    run, destination = Path(run).resolve(), Path(destination).resolve()
    if destination.exists() and not (destination / "card.json").is_file():
        msg = f"destination must be a new folder or a model folder, got {destination}."
        raise ValueError(msg)
    card = ModelCard.of(card)
    if card.kind not in PARTS:
        msg = f"card must have a kind of {', '.join(PARTS)}, got {card.kind!r}."
        raise ValueError(msg)
    for part in PARTS[card.kind]:
        if not (run / part).is_dir():
            msg = f"run must hold a finished {part}, and {run} does not; train that stage first."
            raise ValueError(msg)
    temporary = destination.with_name(destination.name + ".partial")
    shutil.rmtree(temporary, ignore_errors=True)
    for part in PARTS[card.kind]:
        shutil.copytree(run / part, temporary / part)
    for path in temporary.rglob("*.safetensors"):
        if half:
            save_file({name: tensor.half() for name, tensor in load_file(path).items()}, path, {"format": "pt"})
        path.chmod(0o644)  # safetensors writes files that only their owner can read
    for path in temporary.rglob("config.json"):
        config = json.loads(path.read_text())
        config.pop("_name_or_path", None)  # where the part was loaded from on the machine that trained
        path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    dataclasses.replace(card, sha256=weights_digest(temporary)).write(temporary)
    old = destination.with_name(destination.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if destination.exists():
        destination.replace(old)
    temporary.replace(destination)
    shutil.rmtree(old, ignore_errors=True)
    return destination
