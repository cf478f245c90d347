"""The search for a model by its name, its folder or its Hub id, and its loading."""

import contextlib
import dataclasses
import functools
import re
from pathlib import Path

from sunpy_magsr.sampling.backends import BicubicBackend
from sunpy_magsr.store.card import (
    ALIASES,
    BICUBIC,
    ModelCard,
    adapted_card,
    adapter_folders,
    bundled_folder,
    list_models,
)

_HUB_ID = re.compile(r"(?!\.{1,2}/)[\w.-]+/[\w.-]+(@[\w./-]+)?", re.ASCII)


@dataclasses.dataclass(frozen=True)
class _Source:
    """The folder of a model or an adapter, and its card; two are equal if the same would be loaded from them."""

    folder: Path
    card: ModelCard = dataclasses.field(hash=False)

    @classmethod
    def read(cls, folder, where):
        return cls(Path(folder), ModelCard.read(folder, where=where))


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
    return _load(*_sources(model, instrument, progress=progress))


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
    card, *adapter = [source.card for source in _sources(model)]
    return adapted_card(card, *adapter) if adapter else card


def model_folders(model):
    """Find the folders of a model and of the adapter that is named with it."""
    return [source.folder for source in _sources(model)]


def _sources(model, instrument=None, *, progress=False):
    """Find a model and, after it, its adapter if it gets one."""
    name, adapter = str(model), None
    if "+" in name and not _is_folder(name):
        model, _, adapter = name.rpartition("+")
    source = _Source.read(*model_folder(model, progress=progress))
    own = adapter_folders(source.folder)
    if adapter is None and name not in ALIASES:
        adapter = source.card.adapters.get(instrument)
        if adapter is not None and adapter not in own:
            msg = f"model {source.card.where!r} has no adapter {adapter!r}, which its card names for {instrument}."
            raise ValueError(msg)
    if adapter is None:
        return [source]
    found = (own[adapter], source.card.where) if adapter in own else _elsewhere(adapter, progress=progress)
    if found is None:
        known = "".join(f"{one}, " for one in own) or "it has none, "
        msg = f"adapter must be one of the model's ({known}a folder, or a Hub id 'org/name'), got {adapter!r}."
        raise ValueError(msg)
    return [source, _Source.read(*found)]


def model_folder(model, *, progress=False):
    """Find the folder of a model and its place for the user, and fetch it if it is on a Hub."""
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


def _elsewhere(model, *, progress):
    """Find a folder that the user names, or a model on a Hub."""
    name = str(model)
    if _is_folder(name):
        return Path(name).resolve(), name
    if isinstance(model, str) and _HUB_ID.fullmatch(name):
        from sunpy_magsr.store.hub import download

        return download(name, progress=progress), name
    return None


def _is_folder(name):
    with contextlib.suppress(OSError, ValueError):  # of names that no file system takes
        return bool(name) and Path(name).is_dir()
    return False


def _load(source, adapter=None):
    """Check that weights, cards and adapter belong together, and load the model unless it is in memory."""
    card = source.card
    _check_digest(source)
    if card.kind not in ("diffusion", "regression", "published"):
        msg = f"model {card.name!r} is of a kind that is no model or that this version does not know: {card.kind!r}."
        raise ValueError(msg)
    if adapter is not None:
        own = adapter.card
        _check_digest(adapter)
        if own.kind != "adapter" or card.kind != "diffusion" or own.base_sha256 != card.sha256:
            msg = (
                f"adapter must be one for the weights of model {card.name!r} (SHA-256 {card.sha256[:12]}...), got "
                f"{own.name!r} of kind {own.kind!r} for {own.base_sha256[:12] or 'none'}..."
            )
            raise ValueError(msg)
    return _build(source, adapter)


def _check_digest(source):
    from sunpy_magsr.store.components import weights_digest

    card, digest = source.card, weights_digest(source.folder)
    if digest != card.sha256:
        msg = f"model {card.name!r} has weights with SHA-256 {digest}, and its card says {card.sha256 or 'none'}."
        raise ValueError(msg)


@functools.lru_cache(maxsize=8)
def _build(source, adapter):
    from sunpy_magsr.sampling.learned import DiffusionBackend, RegressionBackend
    from sunpy_magsr.sampling.published import PublishedBackend
    from sunpy_magsr.store.components import load_components, load_network

    folder, card = source.folder, source.card
    if card.kind == "regression":
        return RegressionBackend(load_network(folder), card)
    if card.kind == "published":
        return PublishedBackend.load(folder, card)
    if adapter is None:
        return DiffusionBackend(*load_components(folder), card)
    return DiffusionBackend(*load_components(folder, adapter=adapter.folder), adapted_card(card, adapter.card))
