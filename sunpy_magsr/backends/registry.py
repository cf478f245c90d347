"""From a model's name, folder or Hub id to its backend."""

import contextlib
import functools
import re
from pathlib import Path

from sunpy_magsr.backends.interpolation import BicubicBackend
from sunpy_magsr.catalog import (
    ALIASES,
    BICUBIC,
    CARD,
    ModelCard,
    adapted_card,
    adapter_folders,
    bundled_folder,
    list_models,
)
from sunpy_magsr.models.pins import catalogue

__all__ = ["load_backend", "model_card", "model_folder", "model_folders"]

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", re.ASCII)


def load_backend(model, *, instrument=None, progress=False):
    """
    Load a model.

    Parameters
    ----------
    model : `str`, `pathlib.Path` or `~sunpy_magsr.backends.base.Backend`
        A name from `sunpy_magsr.list_models`, a folder, a Hub id ``"org/name"`` or ``"org/name@revision"``, one of
        these and an adapter likewise (``"default+mdi"``, ``"default+org/name"``), or a loaded model.
    instrument : `str`, optional
        Of the input: a model loaded by its own name or folder takes the adapter that its card has for the instrument.
    progress : `bool`
        Show a progress bar on a terminal while a model is fetched.

    Returns
    -------
    `~sunpy_magsr.backends.base.Backend`
        Ready to sample.

    Raises
    ------
    ValueError
        For an unknown name, a folder that holds no model, or an adapter that does not belong to the model.
    OSError
        If a model cannot be fetched; see `sunpy_magsr.models.hub.download`.
    """
    if hasattr(model, "samples") and hasattr(model, "card"):
        return model
    name = str(model)
    if name == BICUBIC.name:
        return BicubicBackend(BICUBIC)
    return _load(*_parts(model, instrument, progress=progress))


def model_card(model):
    """
    Card of a model, without loading it.

    Parameters
    ----------
    model : `str` or `pathlib.Path`
        As for `load_backend`.

    Returns
    -------
    `~sunpy_magsr.catalog.ModelCard`
        That of the model with its adapter, if one is named.

    Raises
    ------
    ValueError
        For an unknown name.
    """
    if str(model) == BICUBIC.name:
        return BICUBIC
    folder, where, *adapter = _parts(model)
    card = ModelCard.read(folder, where=where)
    return adapted_card(card, ModelCard.read(adapter[0], where=adapter[1])) if adapter else card


def model_folders(model):
    """
    Where a model and its adapter are.

    Parameters
    ----------
    model : `str` or `pathlib.Path`
        As for `load_backend`.

    Returns
    -------
    `list` of `pathlib.Path`
        The folder of the model, and that of the adapter if one is named.

    Raises
    ------
    ValueError
        For an unknown name.
    """
    return [Path(folder) for folder in _parts(model)[::2]]


def _parts(model, instrument=None, *, progress=False):
    """Folder of a model and where it is, and of its adapter if there is one."""
    name = str(model)
    if "+" in name and not _is_folder(name):
        base, _, adapter = name.rpartition("+")
        folder, where = model_folder(base, progress=progress)
        return folder, where, *_adapter_of(folder, where, adapter, progress=progress)
    folder, where = model_folder(model, progress=progress)
    own = None if name in ALIASES else ModelCard.read(folder).adapters.get(instrument)
    if own is None:
        return folder, where
    if own not in adapter_folders(folder):
        msg = f"model {where!r} has no adapter {own!r}, which its card names for {instrument}."
        raise ValueError(msg)
    return folder, where, adapter_folders(folder)[own], where


def model_folder(model, *, progress=False):
    """
    Where a model is.

    Parameters
    ----------
    model : `str` or `pathlib.Path`
        As for `load_backend`, without an adapter.
    progress : `bool`
        Show a progress bar on a terminal while it is fetched.

    Returns
    -------
    folder : `pathlib.Path`
        A Hub's is downloaded.
    where : `str`
        The same in the user's words.

    Raises
    ------
    ValueError
        For an unknown name.
    OSError
        If it cannot be fetched.
    """
    name = str(model)
    folder = bundled_folder(name)
    if folder is not None:
        return folder, "bundled"
    found = _elsewhere(model, progress=progress)
    if found is None:
        known = ", ".join(list_models()["name"])
        msg = f"model must be one of {known}, a folder, or a Hub id 'org/name', got {name[:200]!r}."
        raise ValueError(msg)
    return found


def _adapter_of(base, where, name, *, progress):
    """Folder of an adapter, and where that is in the user's words."""
    own = adapter_folders(base)
    if name in own:
        return own[name], where
    found = _elsewhere(name, progress=progress)
    if found is None:
        known = "".join(f"{one}, " for one in own)
        msg = f"adapter must be one of the model's ({known or 'it has none, '}a folder, or a Hub id 'org/name'), got {name!r}."
        raise ValueError(msg)
    return found


def _elsewhere(model, *, progress):
    name = str(model)
    if _is_folder(name):
        return Path(name).resolve(), name
    if isinstance(model, str) and (name in catalogue() or _HUB_ID.fullmatch(name)):
        from sunpy_magsr.models.hub import download

        return download(name, progress=progress), name
    return None


def _is_folder(name):
    with contextlib.suppress(OSError, ValueError):  # of names that no file system takes
        return bool(name) and Path(name).is_dir()
    return False


def _read_card(folder, where):
    """The card of a folder whose weights are those that it names."""
    from sunpy_magsr.models.pipeline import weights_digest

    card = ModelCard.read(folder, where=where)
    digest = weights_digest(folder)
    if digest != card.sha256:
        msg = f"model {card.name!r} has weights with SHA-256 {digest}, and its card says {card.sha256 or 'none'}."
        raise ValueError(msg)
    return card


def _load(folder, where, adapter=None, adapter_where=None):
    card = _read_card(folder, where)
    if card.kind not in _LOADERS:
        msg = f"model {card.name!r} is of a kind that is no model or that this version does not know: {card.kind!r}."
        raise ValueError(msg)
    if adapter is None:
        return _cached(folder, where, _text(folder))
    own = _read_card(adapter, adapter_where)
    if own.kind != "adapter" or card.kind != "diffusion" or own.base_sha256 != card.sha256:
        msg = (
            f"adapter must be one for the weights of model {card.name!r} (SHA-256 {card.sha256[:12]}...), got "
            f"{own.name!r} of kind {own.kind!r} for {own.base_sha256[:12] or 'none'}..."
        )
        raise ValueError(msg)
    return _cached(folder, where, _text(folder), adapter, adapter_where, _text(adapter))


def _text(folder):
    """What a cached model is known by: its card, in which the digest of its weights is."""
    return (Path(folder) / CARD).read_text(encoding="utf-8")


@functools.lru_cache(maxsize=8)
def _cached(folder, where, _text, adapter=None, adapter_where=None, _adapter_text=None):
    card = ModelCard.read(folder, where=where)
    if adapter is None:
        return _LOADERS[card.kind](folder, card)
    return _load_diffusion(folder, adapted_card(card, ModelCard.read(adapter, where=adapter_where)), adapter)


def _load_diffusion(folder, card, adapter=None):
    from sunpy_magsr.backends.diffusion import DiffusionBackend
    from sunpy_magsr.models.pipeline import load_components

    return DiffusionBackend(*load_components(folder, adapter=adapter), card)


def _load_published(folder, card):
    from sunpy_magsr.backends.published import PublishedBackend

    return PublishedBackend.load(folder, card)


def _load_regression(folder, card):
    from sunpy_magsr.backends.regression import RegressionBackend
    from sunpy_magsr.models.pipeline import load_network

    return RegressionBackend(load_network(folder), card)


_LOADERS = {"diffusion": _load_diffusion, "regression": _load_regression, "published": _load_published}
