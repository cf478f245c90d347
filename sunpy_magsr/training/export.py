"""The last stage: a model folder with its card."""

import dataclasses
import shutil
from pathlib import Path

from sunpy_magsr.catalog import ModelCard
from sunpy_magsr.models.pipeline import weights_digest

__all__ = ["export_model"]


def export_model(run, destination, *, card):
    """
    Put the parts of a finished run and a card into one folder.

    Parameters
    ----------
    run : `str` or `pathlib.Path`
        Output folder of the run, with ``autoencoder``, ``denoiser`` and ``scheduler``.
    destination : `str` or `pathlib.Path`
        The model folder; replaced as a whole.
    card : `dict`
        Facts for the `~sunpy_magsr.catalog.ModelCard`; the digest of the weights is added.

    Returns
    -------
    `pathlib.Path`
        The model folder.

    Raises
    ------
    ValueError
        If a part is missing.
    """
    run, destination = Path(run), Path(destination)
    for part in ("autoencoder", "denoiser", "scheduler"):
        if not (run / part).is_dir():
            msg = f"run must hold a finished {part}, and {run} does not; train that stage first."
            raise ValueError(msg)
    temporary = destination.with_name(destination.name + ".partial")
    shutil.rmtree(temporary, ignore_errors=True)
    for part in ("autoencoder", "denoiser", "scheduler"):
        shutil.copytree(run / part, temporary / part)
    known = {field.name for field in dataclasses.fields(ModelCard)}
    unknown = set(card) - known
    if unknown:
        msg = f"card has unknown keys {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}."
        raise ValueError(msg)
    ModelCard(**{**card, "sha256": weights_digest(temporary)}).write(temporary)
    shutil.rmtree(destination, ignore_errors=True)
    temporary.replace(destination)
    return destination

