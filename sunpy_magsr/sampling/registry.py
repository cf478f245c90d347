"""The search for a model by its name, its folder or its Hub id, and its loading."""

import contextlib
import functools
import re
from pathlib import Path

from sunpy_magsr.sampling.backends import BicubicBackend
from sunpy_magsr.store.card import (
    ALIASES,
    BICUBIC,
    CARD,
    ModelCard,
    adapted_card,
    adapter_folders,
    bundled_folder,
    list_models,
)
from sunpy_magsr.store.hub import catalogue

_HUB_ID = re.compile(r"(?!\.{1,2}/)[\w.-]+/[\w.-]+(@[\w./-]+)?", re.ASCII)


def load_backend(model, *, instrument=None, progress=False):
    """
    Load a model.

    Parameters
    ----------
    model : `str`, `pathlib.Path` or ``Backend``
        The model: a name from `sunpy_magsr.list_models`, a folder, or a Hub id ``"org/name"`` or
        ``"org/name@revision"``. An adapter may follow after a plus sign, also as a name, a folder or a Hub id:
        ``"default+mdi"``, ``"default+org/name"``. A model that is loaded already is returned as it is.
    instrument : `str`, optional
        The instrument of the input, such as ``"MDI"``. If no adapter is named, the model gets the adapter that its card
        names for this instrument.
    progress : `bool`
        Whether to show a progress bar on a terminal while a model is fetched from a Hub. Defaults to `False`.

    Returns
    -------
    ``Backend``
        The model, whose ``samples`` draws fields.

    Raises
    ------
    ValueError
        If there is no model of this name, if a folder is not that of a model, or if an adapter is for another model.
    OSError
        If a model cannot be fetched from a Hub; see ``sunpy_magsr.store.hub.download``.
    """
    if hasattr(model, "samples") and hasattr(model, "card"):
        return model
    name = str(model)
    if name == BICUBIC.name:
        return BicubicBackend(BICUBIC)
    return _load(*_parts(model, instrument, progress=progress))


def model_card(model):
    """
    Read the card of a model without loading its weights.

    Parameters
    ----------
    model : `str` or `pathlib.Path`
        The name, the folder or the Hub id of the model, as for `load_backend`.

    Returns
    -------
    `~sunpy_magsr.store.ModelCard`
        The card. If an adapter is named, it is the card of the model with this adapter.

    Raises
    ------
    ValueError
        If there is no such model or adapter.
    OSError
        If a model cannot be fetched from a Hub. ``sunpy_magsr.store.hub.download`` lists the reasons, each of which has
        its own exception.
    """
    if str(model) == BICUBIC.name:
        return BICUBIC
    folder, where, *adapter = _parts(model)
    card = ModelCard.read(folder, where=where)
    return adapted_card(card, ModelCard.read(adapter[0], where=adapter[1])) if adapter else card


def model_folders(model):
    """Find the folders of a model and of the adapter that is named with it."""
    return [Path(folder) for folder in _parts(model)[::2]]


def _parts(model, instrument=None, *, progress=False):
    """The folder of a model and its place for the user, and the same for its adapter if it gets one."""
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
    """Find the folder of a model, and fetch it if it is on a Hub."""
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
    """The folder of an adapter, and its place for the user."""
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
        from sunpy_magsr.store.hub import download

        return download(name, progress=progress), name
    return None


def _is_folder(name):
    with contextlib.suppress(OSError, ValueError):  # of names that no file system takes
        return bool(name) and Path(name).is_dir()
    return False


def _read_card(folder, where):
    """The card of a model folder, after its SHA-256 has been compared with that of the weights."""
    from sunpy_magsr.store.components import weights_digest

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
    """The text of a model's card, with the SHA-256 of its weights; a model in the cache is found by it."""
    return (Path(folder) / CARD).read_text(encoding="utf-8")


@functools.lru_cache(maxsize=8)
def _cached(folder, where, _text, adapter=None, adapter_where=None, _adapter_text=None):
    card = ModelCard.read(folder, where=where)
    if adapter is None:
        return _LOADERS[card.kind](folder, card)
    return _load_diffusion(folder, adapted_card(card, ModelCard.read(adapter, where=adapter_where)), adapter)


def _load_diffusion(folder, card, adapter=None):
    from sunpy_magsr.sampling.learned import DiffusionBackend
    from sunpy_magsr.store.components import load_components

    return DiffusionBackend(*load_components(folder, adapter=adapter), card)


def _load_published(folder, card):
    from sunpy_magsr.sampling.published import PublishedBackend

    return PublishedBackend.load(folder, card)


def _load_regression(folder, card):
    from sunpy_magsr.sampling.learned import RegressionBackend
    from sunpy_magsr.store.components import load_network

    return RegressionBackend(load_network(folder), card)


_LOADERS = {"diffusion": _load_diffusion, "regression": _load_regression, "published": _load_published}
