"""What is to be made of an archive: one TOML file."""

import dataclasses
import hashlib
import json
import os
from pathlib import Path

import astropy.units as u

from sunpy_magsr import consistency
from sunpy_magsr.backends.registry import model_card, model_folders
from sunpy_magsr.catalog import bundled_folder
from sunpy_magsr.configuration import apply_override, build, read_toml
from sunpy_magsr.io import check_precision
from sunpy_magsr.options import check_bad_pixels, check_noise_lifetime, check_options, check_plate_scale
from sunpy_magsr.prep.products import COMPONENTS

__all__ = ["ArchiveModel", "ArchiveOutput", "Cluster", "Input", "Plan", "load_plan", "model_identity"]

_NONE = "none"


@dataclasses.dataclass
class Input:
    """
    Frames: FITS files in ``folder`` that fit ``pattern``, or those in it that the text file ``manifest`` names, one in a line.

    ``component`` is that of the field, where neither the headers nor the names say it.
    """

    folder: str = ""
    pattern: str = "**/*.fits"
    manifest: str = ""
    component: str = ""


@dataclasses.dataclass
class ArchiveModel:
    """
    How frames are super-resolved: the options of `sunpy_magsr.superresolve`, with quantities as text.

    ``plate_scale`` may be ``"native"``, ``noise_lifetime`` ``"none"``; ``steps = 0`` and empty texts leave a choice to the
    model.
    """

    name: str = "default"
    n_samples: int = 1
    seed: int = 0
    plate_scale: str = "0.5 arcsec / pix"
    steps: int = 0
    consistency: str = ""
    calibrate: str = ""
    bad_pixels: str = "mask"
    noise_lifetime: str = "1 h"


@dataclasses.dataclass
class ArchiveOutput:
    """
    What is kept of each frame.

    The first ``samples`` members, the ``mean`` with its standard deviation, ``quantiles`` of the members, and the whole
    ``ensemble`` with flags and calibration but without members, the last three for several members only. ``precision``
    is the step to which values are rounded in compressed files, or ``"none"``.
    """

    folder: str = "superresolved"
    samples: int = 1
    mean: bool = True
    quantiles: list = dataclasses.field(default_factory=list)
    ensemble: bool = False
    precision: str = "0.5 G"


@dataclasses.dataclass
class Cluster:
    """
    Who does the work.

    ``workers`` processes on this machine (0: one for every two cores) with ``threads`` each (0: what that leaves); or those
    of the running Dask scheduler at the address ``scheduler``; or of a cluster of the class ``kind`` (such as
    ``"dask_jobqueue.SLURMCluster"`` or ``"dask_cuda.LocalCUDACluster"``), which Dask's own configuration describes and
    which is scaled to ``workers`` if that is not 0. ``memory`` is the limit of a worker of this machine. A frame that
    ends its worker is tried ``attempts`` times.
    """

    workers: int = 0
    threads: int = 0
    memory: str = "auto"
    scheduler: str = ""
    kind: str = ""
    device: str = ""
    batch_size: int = 0
    attempts: int = 3


@dataclasses.dataclass
class Plan:
    """A whole archive; paths are absolute."""

    input: Input = dataclasses.field(default_factory=Input)
    model: ArchiveModel = dataclasses.field(default_factory=ArchiveModel)
    output: ArchiveOutput = dataclasses.field(default_factory=ArchiveOutput)
    cluster: Cluster = dataclasses.field(default_factory=Cluster)

    @property
    def ledger(self):
        """Where the ledger is."""
        return Path(self.output.folder) / "ledger.sqlite"

    def settings(self):
        """Everything that results depend on beside the frames, for JSON; ``"digest"`` is that of all the rest."""
        facts = {"model": dataclasses.asdict(self.model), "output": dataclasses.asdict(self.output)}
        del facts["output"]["folder"]
        facts |= {"component": self.input.component, "weights": model_identity(self.model.name)}
        # the same wherever the folder of a model is
        parts = [Path(part).name if Path(part).is_absolute() else part for part in self.model.name.split("+")]
        told = {**facts, "model": {**facts["model"], "name": "+".join(parts)}}
        return {**facts, "digest": hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()}

    def options(self):
        """The options of `sunpy_magsr.superresolve` that the plan asks for."""
        return options_of(self.settings())

    def frames(self):
        """
        The frames by name.

        Returns
        -------
        `dict` of `pathlib.Path`
            A name is the path of the file below the folder. Results that are below it are no frames.

        Raises
        ------
        ValueError
            If there is none, one is not in the folder, or two have the same results.
        """
        folder, results = Path(self.input.folder), Path(self.output.folder)
        if self.input.manifest:
            lines = Path(self.input.manifest).read_text(encoding="utf-8").splitlines()
            paths = [folder / line.strip() for line in lines if line.strip() and not line.startswith("#")]
        else:
            paths = sorted(folder.glob(self.input.pattern))
            if results.is_relative_to(folder):
                paths = [path for path in paths if not path.is_relative_to(results)]
        if not paths:
            where = self.input.manifest or f"{folder} that fits {self.input.pattern!r}"
            msg = f"input must have at least one frame, got none in {where}."
            raise ValueError(msg)
        frames, found = {}, {}
        for path in map(Path, map(os.path.normpath, paths)):
            if not path.is_relative_to(folder):
                msg = f"input.manifest must name files in input.folder, {folder}, got {path}."
                raise ValueError(msg)
            name = path.relative_to(folder).as_posix()
            if found.setdefault(stem_of(name), name) != name:
                msg = f"input must have frames of different names, got {found[stem_of(name)]} and {name}."
                raise ValueError(msg)
            frames[name] = path
        return frames


def options_of(settings):
    """The options of `sunpy_magsr.superresolve` in what `Plan.settings` gave."""
    model = settings["model"]
    native, lifetime = model["plate_scale"] == "native", model["noise_lifetime"]
    return {
        "model": model["name"],
        "n_samples": model["n_samples"],
        "seed": model["seed"],
        "plate_scale": None if native else quantity("model.plate_scale", model["plate_scale"], u.arcsec / u.pix),
        "steps": model["steps"] or None,
        "consistency": model["consistency"] or None,
        "calibrate": model["calibrate"] or None,
        "bad_pixels": model["bad_pixels"],
        "component": settings["component"] or None,
        "noise_lifetime": None if lifetime == _NONE else quantity("model.noise_lifetime", lifetime, u.s),
    }


def precision_of(settings):
    """Step of the rounding in what `Plan.settings` gave, or `None`."""
    text = settings["output"]["precision"]
    return None if text == _NONE else quantity("output.precision", text, u.G)


def quantity(name, text, unit):
    """A Quantity that a plan gives as text."""
    try:
        value = u.Quantity(text)
    except (TypeError, ValueError):
        value = None
    if value is None or not value.isscalar or not value.unit.is_equivalent(unit):
        msg = f"{name} must be a number with a unit like {unit}, got {text!r}."
        raise ValueError(msg)
    return value


def stem_of(name):
    """What results of a frame are called: its name without the ending."""
    for ending in (".gz", ".fz", ".fits", ".fit", ".fts"):
        name = name.removesuffix(ending)
    return name


def model_identity(name):
    """
    Digest of the cards of a model and of all its adapters, in which those of the weights are.

    Parameters
    ----------
    name : `str`
        As for `sunpy_magsr.superresolve`.

    Returns
    -------
    `str`
    """
    digest = hashlib.sha256()
    if name == model_card(name).name == "bicubic":
        return name
    for folder in model_folders(name):
        for path in sorted(folder.rglob("card.json")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def load_plan(path, overrides=()):
    """
    Read a plan.

    Parameters
    ----------
    path : `str` or `pathlib.Path`
        A TOML file with the tables ``input``, ``model``, ``output`` and ``cluster``. Paths in it are relative to its folder.
    overrides : sequence of `str`
        ``"section.key=value"``.

    Returns
    -------
    `Plan`

    Raises
    ------
    ValueError
        If it has an unknown key or a value that is not allowed.
    """
    path = Path(path)
    tree = read_toml(path)
    for override in overrides:
        apply_override(tree, override)
    plan = build(Plan, tree, what=f"the plan {path.name}")
    base = path.absolute().parent
    if not plan.input.folder:
        msg = f"input.folder must be the folder of the frames, got none in {path.name}."
        raise ValueError(msg)
    for section, key in ((plan.input, "folder"), (plan.input, "manifest"), (plan.output, "folder")):
        if getattr(section, key):
            setattr(section, key, os.path.normpath(base / Path(getattr(section, key)).expanduser()))
    plan.model.name = _beside(base, plan.model.name)
    if not Path(plan.input.folder).is_dir():
        msg = f"input.folder must be a folder, got {plan.input.folder}."
        raise ValueError(msg)
    if plan.output.folder == plan.input.folder:
        msg = f"output.folder must be another folder than input.folder, got {plan.output.folder} for both."
        raise ValueError(msg)
    _check(plan)
    return plan


def _beside(base, name):
    """The name of a model, in which folders beside the plan are absolute."""
    model, plus, adapter = ("", "", name) if (base / name).is_dir() else name.rpartition("+")
    if not plus:
        model, adapter = adapter, ""
    if model and bundled_folder(model) is None and (base / model).is_dir():
        model = os.path.normpath(base / model)
    if "/" in adapter and (base / adapter).is_dir():  # without a slash it is one of the model's own
        adapter = os.path.normpath(base / adapter)
    return f"{model}{plus}{adapter}"


def _check(plan):
    options, card = plan.options(), model_card(plan.model.name)
    check_options(n_samples=plan.model.n_samples, seed=plan.model.seed, steps=options["steps"], batch_size=None)
    check_plate_scale(options["plate_scale"])
    check_bad_pixels(plan.model.bad_pixels)
    check_precision(precision_of(plan.settings()))
    consistency.check(options["consistency"], card)
    _check_lifetime(options["noise_lifetime"], card)
    if plan.model.calibrate not in ("", "hmi"):
        msg = f"model.calibrate must be '' or 'hmi', got {plan.model.calibrate!r}."
        raise ValueError(msg)
    if plan.input.component not in ("", *COMPONENTS):
        msg = f"input.component must be '' or one of {', '.join(COMPONENTS)}, got {plan.input.component!r}."
        raise ValueError(msg)
    if plan.model.n_samples > 1 and card.is_deterministic:
        msg = f"model.n_samples must be 1 for the deterministic model {plan.model.name!r}, got {plan.model.n_samples}."
        raise ValueError(msg)
    if not 0 <= plan.output.samples <= plan.model.n_samples:
        msg = f"output.samples must be 0 to model.n_samples = {plan.model.n_samples}, got {plan.output.samples}."
        raise ValueError(msg)
    if not all(isinstance(q, int | float) and 0 <= q <= 1 for q in plan.output.quantiles):
        msg = f"output.quantiles must be from 0 to 1, got {plan.output.quantiles}."
        raise ValueError(msg)
    several = plan.model.n_samples > 1 and (plan.output.mean or plan.output.quantiles or plan.output.ensemble)
    if not plan.output.samples and not several:
        msg = (
            "output must keep samples, or of several samples the mean, quantiles or the ensemble, got nothing of these."
        )
        raise ValueError(msg)
    if plan.cluster.scheduler and plan.cluster.kind:
        msg = f"cluster must have a scheduler or a kind, got both: {plan.cluster.scheduler} and {plan.cluster.kind}."
        raise ValueError(msg)
    for key in ("workers", "threads", "batch_size"):
        if getattr(plan.cluster, key) < 0:
            msg = f"cluster.{key} must be 0 or more, got {getattr(plan.cluster, key)}."
            raise ValueError(msg)
    if plan.cluster.attempts < 1:
        msg = f"cluster.attempts must be 1 or more, got {plan.cluster.attempts}."
        raise ValueError(msg)


def _check_lifetime(value, card):
    try:
        check_noise_lifetime(value, card)
    except ValueError as error:
        msg = f"model.{error} In a plan, 'none' stands for None."
        raise ValueError(msg) from error
