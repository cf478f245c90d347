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
    if card.kind not in _LOADERS:
        msg = f"model {card.name!r} is of a kind this version does not know: {card.kind!r}."
        raise ValueError(msg)
    digest = weights_digest(folder)
    if digest != card.sha256:
        msg = f"model {card.name!r} has weights with SHA-256 {digest}, and its card says {card.sha256 or 'none'}."
        raise ValueError(msg)
    return _load(folder, where, digest)


@functools.lru_cache(maxsize=8)
def _load(folder, where, _digest):
    card = ModelCard.read(folder, where=where)
    return _LOADERS[card.kind](folder, card)


def _load_diffusion(folder, card):
    from sunpy_magsr.backends.diffusion import DiffusionBackend
    from sunpy_magsr.models.pipeline import load_components

    return DiffusionBackend(*load_components(folder), card)


def _load_regression(folder, card):
    from sunpy_magsr.backends.regression import RegressionBackend
    from sunpy_magsr.models.pipeline import load_network

    return RegressionBackend(load_network(folder), card)


_LOADERS = {"diffusion": _load_diffusion, "regression": _load_regression}
