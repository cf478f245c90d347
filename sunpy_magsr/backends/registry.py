"""From a model's name, folder or Hub id to its backend."""

import functools
import re
from pathlib import Path

from sunpy_magsr.backends.interpolation import BicubicBackend
from sunpy_magsr.catalog import ALIASES, BICUBIC, ModelCard, bundled_cards, bundled_folder

__all__ = ["load_backend"]

_HUB_ID = re.compile(r"^[\w.-]+/[\w.-]+(@[\w./-]+)?$")


def load_backend(model):
    """
    Load a model.

    Parameters
    ----------
    model : `str`, `pathlib.Path` or `~sunpy_magsr.backends.base.Backend`
        A name from `sunpy_magsr.list_models`, a folder, a Hub id ``"org/name"`` or ``"org/name@revision"``, or a
        loaded model.

    Returns
    -------
    `~sunpy_magsr.backends.base.Backend`
        Ready to sample.

    Raises
    ------
    ValueError
        For an unknown name.
    """
    if hasattr(model, "samples") and hasattr(model, "card"):
        return model
    name = str(model)
    if name == BICUBIC.name:
        return BicubicBackend(BICUBIC)
    folder = bundled_folder(model)
    if folder is not None:
        return _load_folder(folder, "bundled")
    if Path(name).is_dir():
        return _load_folder(Path(name).resolve(), name)
    if isinstance(model, str) and _HUB_ID.match(name):
        from sunpy_magsr.models.hub import download

        return _load_folder(download(name), name)
    known = ", ".join([*(card.name for card in bundled_cards()), *ALIASES])
    msg = f"model must be one of {known}, a folder, or a Hub id 'org/name', got {name!r}."
    raise ValueError(msg)


def _load_folder(folder, where):
    from sunpy_magsr.models.pipeline import weights_digest

    card = ModelCard.read(folder, where=where)
    if card.kind != "diffusion":
        msg = f"model {card.name!r} is of a kind this version does not know: {card.kind!r}."
        raise ValueError(msg)
    digest = weights_digest(folder)
    if digest != card.sha256:
        msg = f"model {card.name!r} has weights with SHA-256 {digest}, and its card says {card.sha256 or 'none'}."
        raise ValueError(msg)
    return _load_diffusion(folder, where, digest)


@functools.lru_cache(maxsize=2)
def _load_diffusion(folder, where, _digest):
    from sunpy_magsr.backends.diffusion import DiffusionBackend
    from sunpy_magsr.models.pipeline import load_components

    return DiffusionBackend(*load_components(folder), ModelCard.read(folder, where=where))
