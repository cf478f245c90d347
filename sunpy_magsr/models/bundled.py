"""Where the models that come with the package are, and where a model folder keeps its adapters."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

__all__ = ["ADAPTERS", "ALIASES", "CARD", "adapter_folders", "bundled_folder", "bundled_folders"]

#: The file of a model folder that holds the card.
CARD = "card.json"
#: Sub-folder of a model folder that holds its adapters.
ADAPTERS = "adapters"
#: Other names of bundled models, for their weights without an adapter.
ALIASES = {"ldm-res": "default"}


def bundled_folders() -> dict[str, Path]:
    """
    Find the models that come with the package as files.

    Returns
    -------
    `dict` of `pathlib.Path`
        Their folders by their names, with the default first.
    """
    root = Path(str(resources.files("sunpy_magsr") / "data" / "models"))
    folders = {path.parent.name: path.parent for path in root.glob(f"*/{CARD}")}
    return dict(sorted(folders.items(), key=lambda found: (found[0] != "default", found[0])))


def bundled_folder(name: str) -> Path | None:
    """
    Find the folder of a model that comes with the package.

    Parameters
    ----------
    name : `str`
        The name of the model.

    Returns
    -------
    `pathlib.Path` or `None`
        The folder; `None` if no such model comes with the package.
    """
    return bundled_folders().get(ALIASES.get(name, name))


def adapter_folders(folder: str | Path) -> dict[str, Path]:
    """
    Find the adapters in a model folder.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        The folder of the model.

    Returns
    -------
    `dict` of `pathlib.Path`
        The folders of the adapters by their names.
    """
    return {path.parent.name: path.parent for path in sorted(Path(folder).glob(f"{ADAPTERS}/*/{CARD}"))}
