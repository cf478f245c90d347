"""Cards of models, and the bundled models."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astropy.table import Table

from sunpy_magsr._files import whole_file
from sunpy_magsr.store.folder import check_facts, commit_of, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


#: The file of a model folder that holds the card.
CARD = "card.json"
#: Sub-folder of a model folder that holds its adapters.
ADAPTERS = "adapters"
#: Other names of bundled models, for their weights without an adapter.
ALIASES = {"ldm-res": "default"}


def bundled_folders() -> dict[str, Path]:
    """Find the models that come with the package as files."""
    root = Path(str(resources.files("sunpy_magsr") / "data" / "models"))
    folders = {path.parent.name: path.parent for path in root.glob(f"*/{CARD}")}
    return dict(sorted(folders.items(), key=lambda found: (found[0] != "default", found[0])))


def bundled_folder(name: str) -> Path | None:
    """Find the folder of a model that comes with the package."""
    return bundled_folders().get(ALIASES.get(name, name))


def adapter_folders(folder: str | Path) -> dict[str, Path]:
    """Find the adapters in a model folder."""
    return {path.parent.name: path.parent for path in sorted(Path(folder).glob(f"{ADAPTERS}/*/{CARD}"))}


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """
    The facts about a model, from ``card.json`` in its folder.

    Parameters
    ----------
    name : `str`
        The name of the model.
    kind : `str`
        ``"interpolation"``, ``"regression"``, ``"diffusion"``, ``"published"`` for the architecture of the published
        method (``sunpy_magsr.sampling.published``), or ``"adapter"`` for weights that change a diffusion model into one
        for another instrument.
    summary : `str`
        One sentence about the model.
    factor : `int`
        The number of output pixels along one input pixel.
    steps : `int`
        The number of sampling steps; 0 if nothing is sampled.
    fixed_steps : `bool`
        Whether the model was trained for this number of steps only.
    halo : `int`
        The width of the margin of a cutout, in input pixels, in which the result differs from that of the whole frame.
    consistency : `str`
        How the result agrees with the input by default: ``"exact"`` or ``"noise"``.
    calibration : `str`
        The scale of the result: ``"none"`` for that of the instrument, or ``"hmi"``.
    instruments : `list` of `str`
        The instruments that the model was trained for; empty for any.
    plate_scale_range : `dict`
        The smallest and the largest plate scale of the input in ``"arcsec"`` and in ``"deg"`` per pixel.
    noise : `dict`
        The noise per pixel of the result in Gauss, for ``"los"`` and for ``"radial"`` input, and for the line of sight on a
        heliographic grid (``"los_cea"``), whose interpolation removes noise, if that is another.
    sigma_limit : `dict`
        The largest scale of the residual of the latent for ``"los"`` and for ``"radial"`` input. A larger prediction, for
        input that is unlike the training data, is replaced by it.
    spread : `dict`
        The arguments ``"weak"``, ``"strong"`` and ``"field"`` of ``sunpy_magsr.models.layers.spread_factor``; empty if
        the predicted scale is not corrected.
    spread_cea : `dict`
        The same for line-of-sight input on a heliographic grid, if it is another.
    psf_fwhm : `float`
        The expected width (FWHM) of the point-spread function in input pixels; 0 if it does not matter.
    psf_fwhm_spread : `float`
        The standard deviation of that width between frames.
    base : `str`
        The name of the model that an adapter is for; empty for a model.
    base_sha256 : `str`
        The SHA-256 of the weights that an adapter was trained for.
    adapters : `dict`
        The name of the adapter for input of each instrument, if the model has some in its folder.
    trained : `dict`
        The input that the model was trained on: the strongest ``"field"`` in Gauss, the smallest ``"mu"``, and the
        ranges of ``"noise"`` in Gauss and of ``"psf_fwhm"`` in pixels.
    intervals : `dict`
        The calibrations of the intervals of an ensemble (`~sunpy_magsr.uncertainty.Calibration`), by component
        (``"los"``, ``"radial"``) and quantity (``"pixel"`` and those of `~sunpy_magsr.uncertainty.QUANTITIES`).
    license, revision, sha256 : `str`
        The license, the revision and the SHA-256 of the weights.
    training, validation : `dict`
        The training data and options, and the scores of the model.
    limits : `list` of `str`
        What the model must not be used for.
    where : `str`
        The place of the model: ``"bundled"``, ``"built in"``, a folder or a Hub id.
    """

    name: str
    kind: str
    summary: str = ""
    factor: int = 4
    steps: int = 0
    fixed_steps: bool = False
    halo: int = 0
    consistency: str = "exact"
    calibration: str = "none"
    instruments: list = dataclasses.field(default_factory=list)
    plate_scale_range: dict = dataclasses.field(default_factory=dict)
    noise: dict = dataclasses.field(default_factory=dict)
    sigma_limit: dict = dataclasses.field(default_factory=dict)
    spread: dict = dataclasses.field(default_factory=dict)
    spread_cea: dict = dataclasses.field(default_factory=dict)
    psf_fwhm: float = 0.0
    psf_fwhm_spread: float = 0.0
    base: str = ""
    base_sha256: str = ""
    adapters: dict = dataclasses.field(default_factory=dict)
    trained: dict = dataclasses.field(default_factory=dict)
    intervals: dict = dataclasses.field(default_factory=dict)
    license: str = "BSD-3-Clause"
    revision: str = ""
    sha256: str = ""
    training: dict = dataclasses.field(default_factory=dict)
    validation: dict = dataclasses.field(default_factory=dict)
    limits: list = dataclasses.field(default_factory=list)
    where: str = "built in"

    @property
    def is_deterministic(self) -> bool:
        """Whether every sample would be the same."""
        return self.kind not in ("diffusion", "published")

    @classmethod
    def read(cls, folder: str | Path, *, where: str | None = None) -> ModelCard:
        """
        Read the card of a model folder.

        Parameters
        ----------
        folder : `str` or `pathlib.Path`
            The folder. If it is in the cache of a Hub, its commit becomes the revision of the card.
        where : `str`, optional
            The place of the model as it is shown to the user. Defaults to the folder.

        Returns
        -------
        `ModelCard`
            The card.

        Raises
        ------
        ValueError
            If the folder has no card, or a key or a value of the card is not allowed.
        """
        card = cls.of(read_json(folder, CARD))
        return dataclasses.replace(card, where=where or str(folder), revision=commit_of(folder) or card.revision)

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> ModelCard:
        """
        Make a card from the content of ``card.json``.

        Parameters
        ----------
        facts : `dict`
            The facts by name.

        Returns
        -------
        `ModelCard`
            The card with these facts.

        Raises
        ------
        ValueError
            If a key is unknown or missing, or if a value is out of bounds.
        """
        check_facts(facts, "card", "card")
        return cls(**facts)

    def write(self, folder: str | Path) -> None:
        """
        Write the card into a model folder.

        Parameters
        ----------
        folder : `str` or `pathlib.Path`
            The folder.
        """
        facts = dataclasses.asdict(self)
        del facts["where"]
        text = re.sub(r"\[[^\[\]{}\"]*\]", lambda numbers: " ".join(numbers[0].split()), json.dumps(facts, indent=2))
        with whole_file(Path(folder) / CARD) as stream:
            stream.write(f"{text}\n".encode())


BICUBIC = ModelCard(
    name="bicubic",
    kind="interpolation",
    summary="Bicubic interpolation with the input's block means restored; adds no structure.",
    revision="1",
    halo=10,
)


def adapted_card(base: ModelCard, adapter: ModelCard) -> ModelCard:
    """Make the card of a model with an adapter: what the adapter says, on the network of the base."""
    of_base = ("kind", "factor", "plate_scale_range", "noise", "spread_cea", "base")
    return dataclasses.replace(
        adapter,
        name=f"{base.name}+{adapter.name}",
        base_sha256=base.sha256,
        sha256=hashlib.sha256(f"{base.sha256}+{adapter.sha256}".encode()).hexdigest(),
        adapters={},
        steps=adapter.steps or base.steps,
        fixed_steps=adapter.fixed_steps if adapter.steps else base.fixed_steps,
        halo=adapter.halo or base.halo,
        **{key: getattr(base, key) for key in of_base},
    )


def list_models() -> Table:
    """
    List the models that come with the package.

    Returns
    -------
    `astropy.table.Table`
        One row for each model, with the columns ``name``, ``kind``, ``size`` (in MB), ``license``, ``revision``,
        ``where`` and ``summary``.

    Examples
    --------
    >>> import sunpy_magsr
    >>> print(sunpy_magsr.list_models()["name", "kind"])
        name         kind
    ----------- -------------
        default     diffusion
        ldm-res     diffusion
    default+mdi     diffusion
           ddpm     diffusion
        enhance    regression
            ldm     diffusion
    progressive    regression
        bicubic interpolation
    """
    rows = []
    for card, parts in _cards():
        files = (path for part in parts for path in (part, *part.rglob("*")) if path.is_file())
        size = sum(path.stat().st_size for path in files) / 1e6
        rows.append([card.name, card.kind, size, card.license, card.revision, card.where, card.summary])
    table = Table(rows=rows, names=["name", "kind", "size", "license", "revision", "where", "summary"])
    table["size"].unit = "Mbyte"
    table["size"].format = ".1f"
    return table


def _cards() -> Iterator[tuple[ModelCard, list[Path]]]:
    """Yield the cards of all models, each with its files and folders."""
    for folder in bundled_folders().values():
        card = ModelCard.read(folder, where="bundled")
        own = [path for path in folder.iterdir() if path.name != ADAPTERS]
        yield card, own
        for alias, name in ALIASES.items():
            if name == card.name:
                yield dataclasses.replace(card, name=alias, summary=f"{name} without an adapter."), own
        for path in adapter_folders(folder).values():
            yield adapted_card(card, ModelCard.read(path, where="bundled")), [*own, path]
    yield BICUBIC, []
