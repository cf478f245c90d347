"""Which models there are, and what their cards say."""

import dataclasses
import hashlib
import json
import re
from importlib import resources
from pathlib import Path

from astropy.table import Table

from sunpy_magsr.atomic import whole_file
from sunpy_magsr.models.folder import check_facts, commit_of, read_json
from sunpy_magsr.models.pins import catalogue

__all__ = ["ModelCard", "list_models"]

CARD = "card.json"
#: Sub-folder of a model folder that holds its adapters.
ADAPTERS = "adapters"


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """
    Facts about a model, read from ``card.json`` in its folder.

    Attributes
    ----------
    name : `str`
        What users call it.
    kind : `str`
        ``"interpolation"``, ``"regression"``, ``"diffusion"``, ``"published"`` for the architecture of the published
        method (`sunpy_magsr.backends.published`), or ``"adapter"`` for what makes of a diffusion model one for another
        instrument.
    summary : `str`
        One sentence.
    factor : `int`
        Output pixels along one input pixel.
    steps : `int`
        Sampling steps; 0 where nothing is sampled.
    fixed_steps : `bool`
        Whether it was trained to draw in that number of steps and no other.
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
    sigma_limit : `dict`
        Largest scale of the latent residual, likewise; an input unlike the training data asks for more and gets this.
    spread : `dict`
        Factors by which the predicted scale is multiplied where the input is ``"weak"`` and where it is ``"strong"``, and
        the ``"field"`` in Gauss between them; empty for none. See `sunpy_magsr.models.spread.spread_factor`.
    psf_fwhm : `float`
        Expected full width at half maximum of the input's point-spread function in its pixels; 0 where it does not
        matter.
    psf_fwhm_spread : `float`
        Its standard deviation from frame to frame, likewise.
    base : `str`
        Of an adapter: the model that it is for.
    base_sha256 : `str`
        Of an adapter: the weights that it was trained on.
    adapters : `dict`
        Of a base: by instrument, which of the adapters in its folder its input takes.
    trained : `dict`
        Input that the model was trained on: the strongest ``field`` in Gauss, the least ``mu``, and the ranges of ``noise``
        in Gauss and of ``psf_fwhm`` in pixels.
    intervals : `dict`
        Calibrations of an ensemble's intervals (`~sunpy_magsr.uncertainty.Calibration`), by component (``"los"``,
        ``"radial"``) and quantity (``"pixel"`` and those of `~sunpy_magsr.uncertainty.QUANTITIES`).
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
    fixed_steps: bool = False
    halo: int = 0
    consistency: str = "exact"
    calibration: str = "none"
    instruments: list = dataclasses.field(default_factory=list)
    plate_scale_range: dict = dataclasses.field(default_factory=dict)
    noise: dict = dataclasses.field(default_factory=dict)
    sigma_limit: dict = dataclasses.field(default_factory=dict)
    spread: dict = dataclasses.field(default_factory=dict)
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
    def is_deterministic(self):
        """Whether every sample would be the same."""
        return self.kind not in ("diffusion", "published")

    @classmethod
    def read(cls, folder, *, where=None):
        """
        Read the card of a model folder; the revision of one in a Hub's cache is the commit.

        Parameters
        ----------
        folder : `str` or `pathlib.Path`
            The folder.
        where : `str`, optional
            It is, in the user's words.

        Returns
        -------
        `ModelCard`

        Raises
        ------
        ValueError
            If there is none, or it says what no card may.
        """
        card = cls.of(read_json(folder, CARD))
        return dataclasses.replace(card, where=where or str(folder), revision=commit_of(folder) or card.revision)

    @classmethod
    def of(cls, facts):
        """Make a card of facts, or say what is wrong with them."""
        known = {field.name for field in dataclasses.fields(cls)} - {"where"}
        unknown = set(facts) - known
        missing = {"name", "kind"} - set(facts)
        if unknown or missing:
            msg = f"card must have name and kind and no other keys than {', '.join(sorted(known))}, got {', '.join(facts)}."
            raise ValueError(msg)
        check_facts(facts, "card", "card")
        card = cls(**facts)
        if card.kind == "diffusion" and (card.steps < 1 or not {"los", "radial"} <= set(card.noise)):
            msg = f"card of a diffusion model must have steps of at least 1 and noise for los and radial, got {facts}."
            raise ValueError(msg)
        return card

    def write(self, folder):
        """Write the card into a model folder."""
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
    halo=2,
)
ALIASES = {"ldm-res": "default"}


def _bundle():
    """Folders of the bundled models by name."""
    root = Path(str(resources.files("sunpy_magsr") / "data" / "models"))
    return {path.parent.name: path.parent for path in root.glob(f"*/{CARD}")}


def bundled_folder(name):
    """Folder of a bundled model, or `None`."""
    return _bundle().get(ALIASES.get(name, name))


def adapter_folders(folder):
    """Folders of the adapters that a model folder holds, by name."""
    return {path.parent.name: path.parent for path in sorted(Path(folder).glob(f"{ADAPTERS}/*/{CARD}"))}


def bundled_cards():
    """Cards of the models that come with the package as files, the default first."""
    names = sorted(_bundle(), key=lambda name: (name != "default", name))
    return [ModelCard.read(bundled_folder(name), where="bundled") for name in names]


def adapted_card(base, adapter):
    """
    Card of a model with an adapter.

    Parameters
    ----------
    base, adapter : `ModelCard`
        The two.

    Returns
    -------
    `ModelCard`
        What the adapter says of the result, what the base says of the network.
    """
    own = (
        *("summary", "consistency", "calibration", "instruments", "sigma_limit", "psf_fwhm"),
        *("psf_fwhm_spread", "spread", "intervals", "trained", "license", "revision"),
        *("training", "validation", "limits", "where"),
    )
    return dataclasses.replace(
        base,
        name=f"{base.name}+{adapter.name}",
        base_sha256=base.sha256,
        sha256=hashlib.sha256(f"{base.sha256}+{adapter.sha256}".encode()).hexdigest(),
        adapters={},
        steps=adapter.steps or base.steps,
        fixed_steps=adapter.fixed_steps if adapter.steps else base.fixed_steps,
        halo=adapter.halo or base.halo,
        **{key: getattr(adapter, key) for key in own},
    )


def list_models():
    """
    The models that come with the package, and those on a Hub that a catalogue pins.

    Returns
    -------
    `astropy.table.Table`
        Columns ``name``, ``kind``, ``size`` (MB), ``license``, ``revision``, ``where`` and ``summary``.

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
    table = Table(
        names=["name", "kind", "size", "license", "revision", "where", "summary"],
        dtype=[str, str, float, str, str, str, str],
    )
    for card, parts in _listed():
        files = (path for part in parts for path in (part, *part.rglob("*")) if path.is_file())
        size = sum(path.stat().st_size for path in files) / 1e6
        table.add_row([card.name, card.kind, size, card.license, card.revision, card.where, card.summary])
    for name, entry in catalogue().items():
        facts = [entry.get(key, "") for key in ("kind", "license", "summary")]
        where = f"{entry['id']}@{entry['revision']}"
        table.add_row([name, facts[0], entry.get("size", 0.0), facts[1], entry["commit"], where, facts[2]])
    table["size"].unit = "Mbyte"
    table["size"].format = ".1f"
    return table


def _listed():
    """Yield the cards of all models, each with the folders that it takes."""
    for card in bundled_cards():
        folder = bundled_folder(card.name)
        own = [path for path in folder.iterdir() if path.name != ADAPTERS]
        yield card, own
        for alias, name in ALIASES.items():
            if name == card.name:
                yield dataclasses.replace(card, name=alias, summary=f"{name} without an adapter."), own
        for path in adapter_folders(folder).values():
            yield adapted_card(card, ModelCard.read(path, where="bundled")), [*own, path]
    yield BICUBIC, []
