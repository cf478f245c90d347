"""Which models there are, and what their cards say."""

import dataclasses
import json
from importlib import resources
from pathlib import Path

from astropy.table import Table

__all__ = ["ModelCard", "list_models"]

_CARD = "card.json"


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """
    Facts about a model, read from ``card.json`` in its folder.

    Attributes
    ----------
    name : `str`
        What users call it.
    kind : `str`
        ``"interpolation"``, ``"regression"`` or ``"diffusion"``.
    summary : `str`
        One sentence.
    factor : `int`
        Output pixels along one input pixel.
    steps : `int`
        Sampling steps; 0 where nothing is sampled.
    halo : `int`
        Input pixels from the edge of a cutout within which its answer differs from the whole frame's.
    consistency : `str`
        ``"exact"`` or ``"noise"``.
    calibration : `str`
        Scale of the output: ``"none"`` is the input instrument's.
    instruments : `list` of `str`
        Trained for these; empty for any.
    plate_scale_range : `dict`
        Lowest and highest plate scale per ``"arcsec"`` and ``"deg"``.
    noise : `dict`
        Pixel noise in Gauss given to the output, for ``"los"`` and ``"radial"`` input.
    license, revision, sha256 : `str`
        Of the weights.
    training, validation, limits : `dict` or `list`
        What it was trained on, how it scored, what it must not be used for.
    where : `str`
        ``"bundled"``, ``"built in"`` or a folder.
    """

    name: str
    kind: str
    summary: str = ""
    factor: int = 4
    steps: int = 0
    halo: int = 0
    consistency: str = "exact"
    calibration: str = "none"
    instruments: list = dataclasses.field(default_factory=list)
    plate_scale_range: dict = dataclasses.field(default_factory=dict)
    noise: dict = dataclasses.field(default_factory=dict)
    license: str = "BSD-3-Clause"
    revision: str = ""
    sha256: str = ""
    training: dict = dataclasses.field(default_factory=dict)
    validation: dict = dataclasses.field(default_factory=dict)
    limits: list = dataclasses.field(default_factory=list)
    where: str = "built in"

    @property
    def is_deterministic(self):
        """Whether every sample would be the same."""
        return self.kind != "diffusion"

    @classmethod
    def read(cls, folder, *, where=None):
        """Read the card of a model folder."""
        path = Path(folder) / _CARD
        if not path.is_file():
            msg = f"model must be a folder with a {_CARD}, got {str(folder)!r}."
            raise ValueError(msg)
        return cls(**json.loads(path.read_text()), where=where or str(folder))

    def write(self, folder):
        """Write the card into a model folder."""
        facts = dataclasses.asdict(self)
        del facts["where"]
        (Path(folder) / _CARD).write_text(json.dumps(facts, indent=2) + "\n")


BICUBIC = ModelCard(
    name="bicubic",
    kind="interpolation",
    summary="Bicubic interpolation with the input's block means restored; adds no structure.",
    revision="1",
)
ALIASES = {"ldm-res": "default"}


def bundled_folder(name):
    """Folder of a bundled model, or `None`."""
    folder = Path(str(resources.files("sunpy_magsr") / "data" / "models" / ALIASES.get(name, name)))
    return folder if (folder / _CARD).is_file() else None


def bundled_cards():
    """Cards of the models that come with the package, the default first."""
    root = Path(str(resources.files("sunpy_magsr") / "data" / "models"))
    folders = sorted((path.parent for path in root.glob(f"*/{_CARD}")), key=lambda path: (path.name != "default", path))
    return [*(ModelCard.read(folder, where="bundled") for folder in folders), BICUBIC]


def list_models():
    """
    The models that come with the package.

    Returns
    -------
    `astropy.table.Table`
        Columns ``name``, ``kind``, ``size`` (MB), ``license``, ``revision``, ``where`` and ``summary``.

    Examples
    --------
    >>> import sunpy_magsr
    >>> print(sunpy_magsr.list_models()["name", "kind"])
      name       kind
    ------- -------------
    default     diffusion
    bicubic interpolation
    """
    table = Table(
        names=["name", "kind", "size", "license", "revision", "where", "summary"],
        dtype=[str, str, float, str, str, str, str],
    )
    for card in bundled_cards():
        folder = bundled_folder(card.name)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6 if folder else 0.0
        table.add_row([card.name, card.kind, size, card.license, card.revision, card.where, card.summary])
    table["size"].unit = "Mbyte"
    table["size"].format = ".1f"
    return table
