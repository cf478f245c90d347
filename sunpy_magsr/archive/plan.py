"""Plans of an archive: the frames, the settings, what is kept, and the workers."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

import astropy.units as u

from sunpy_magsr._files import stem_of
from sunpy_magsr._options import apply_override, build, read_option, read_quantity, read_toml
from sunpy_magsr.inference.settings import Settings
from sunpy_magsr.sampling.registry import model_card, model_folders
from sunpy_magsr.store.card import bundled_folder

#: Number that grows when the same settings give other results, so that a plan never mixes the two: frames that an earlier
#: method has done are done again. 2: antithetic pairs.
_METHOD = 2
#: Settings that do not change the results.
_MACHINE = ("device", "batch_size", "progress")


@dataclasses.dataclass
class Input:
    """The frames of a plan: the table ``[input]``."""

    folder: str = ""
    pattern: str = "**/*.fits"  # of the files in the folder and below it that are frames
    manifest: str = ""  # instead of a pattern, a text file with the name of a file of the folder in each line
    component: str = ""  # of the field, for files whose headers and names do not say it

    def frames(self, results: Path) -> dict[str, Path]:
        """Find the frames; see `sunpy_magsr.archive.Plan.frames`."""
        folder = Path(self.folder)
        frames: dict[str, Path] = {}
        found: dict[str, str] = {}
        for path in map(Path, map(os.path.normpath, self._files(folder, results))):
            if not path.is_relative_to(folder):
                msg = f"input.manifest must name files in input.folder, {folder}, got {path}."
                raise ValueError(msg)
            name = path.relative_to(folder).as_posix()
            if found.setdefault(stem_of(name), name) != name:
                msg = f"input must have frames of different names, got {found[stem_of(name)]} and {name}."
                raise ValueError(msg)
            frames[name] = path
        if not frames:
            where = self.manifest or f"{folder} that fits {self.pattern!r}"
            msg = f"input must have at least one frame, got none in {where}."
            raise ValueError(msg)
        return frames

    def _files(self, folder, results):
        if not self.manifest:
            is_within = results.is_relative_to(folder)
            return sorted(
                path for path in folder.glob(self.pattern) if not (is_within and path.is_relative_to(results))
            )
        if not Path(self.manifest).is_file():
            msg = f"input.manifest must be a text file, and there is none at {self.manifest}."
            raise FileNotFoundError(msg)
        lines = Path(self.manifest).read_text(encoding="utf-8").splitlines()
        return [folder / line.strip() for line in lines if line.strip() and not line.startswith("#")]


@dataclasses.dataclass
class Output:
    """What is kept of each frame of a plan: the table ``[output]``. Of a single sample, ``samples`` alone matters."""

    folder: str = "superresolved"
    samples: int = 1  # how many are kept
    mean: bool = True  # with the standard deviation
    quantiles: list = dataclasses.field(default_factory=list)
    ensemble: bool = False  # a file for `sunpy_magsr.uncertainty.Ensemble`, without the samples
    precision: str = "0.5 G"  # the step to which values are rounded, or "none"

    @property
    def step(self) -> u.Quantity | None:
        """The step to which values are rounded."""
        return None if self.precision == "none" else read_quantity(self.precision, u.G, "output.precision")

    def check(self, n_samples: int) -> None:
        """Check the values, which depend on the number of samples."""
        if self.step is not None:
            read_option(self.step, u.G, "output.precision", zero=False)
        if not 0 <= self.samples <= n_samples:
            msg = f"output.samples must be 0 to model.n_samples = {n_samples}, got {self.samples}."
            raise ValueError(msg)
        if not all(isinstance(q, int | float) and 0 <= q <= 1 for q in self.quantiles):
            msg = f"output.quantiles must be from 0 to 1, got {self.quantiles}."
            raise ValueError(msg)
        if not self.samples and not (n_samples > 1 and (self.mean or self.quantiles or self.ensemble)):
            msg = "output must keep samples, or the mean, quantiles or ensemble of several, got nothing of these."
            raise ValueError(msg)


@dataclasses.dataclass
class Cluster:
    """The worker processes of a plan: the table ``[cluster]``. By default they are processes on this machine."""

    workers: int = 0  # 0: one for every two cores, or as many as a cluster of this kind starts by itself
    threads: int = 0  # of PyTorch in each task; 0: the cores divided by the workers, or what the worker has
    memory: str = "auto"  # of a worker on this machine; "auto": an equal share
    scheduler: str = ""  # address of a Dask scheduler that runs already
    kind: str = ""  # class of a Dask cluster that is started for the plan, such as "dask_jobqueue.SLURMCluster"
    device: str = ""
    batch_size: int = 0
    attempts: int = 3  # of a frame whose worker ends during the work

    def __post_init__(self) -> None:
        if not re.fullmatch(r"auto|[\d.e]+ ?([kMGTP]?i?B)?", self.memory):
            msg = f"memory must be 'auto' or a size such as '4 GiB', got {self.memory!r}."
            raise ValueError(msg)
        if self.scheduler and self.kind:
            msg = f"scheduler must be '' beside a kind, got both: {self.scheduler} and {self.kind}."
            raise ValueError(msg)
        for key, least in {"workers": 0, "threads": 0, "batch_size": 0, "attempts": 1}.items():
            if getattr(self, key) < least:
                msg = f"{key} must be {least} or more, got {getattr(self, key)}."
                raise ValueError(msg)


@dataclasses.dataclass
class Plan:
    """
    The plan of an archive, as `load_plan` reads it.

    Parameters
    ----------
    model : `str`
        The model: a name, a Hub id or a folder.
    input : ``Input``
        The frames.
    output : ``Output``
        What is kept of each frame.
    cluster : ``Cluster``
        The worker processes.

    Attributes
    ----------
    settings : ``Settings``
        The options of `sunpy_magsr.superresolve`.
    """

    model: str = "default"
    input: Input = dataclasses.field(default_factory=Input)
    output: Output = dataclasses.field(default_factory=Output)
    cluster: Cluster = dataclasses.field(default_factory=Cluster)
    settings: Settings = dataclasses.field(default_factory=Settings, init=False)

    @property
    def ledger(self) -> Path:
        """The file of the ledger, in the folder of the results."""
        return Path(self.output.folder) / "ledger.sqlite"

    def digest(self) -> str:
        """
        Compute a hash of all that the results depend on.

        Returns
        -------
        `str`
            The SHA-256 of the settings, the weights of the model, and what is kept.
        """
        settings = {name: str(value) for name, value in vars(self.settings).items() if name not in _MACHINE}
        output = {name: value for name, value in vars(self.output).items() if name != "folder"}
        # the same wherever the folder of a model is
        name = [Path(part).name if Path(part).is_absolute() else part for part in self.model.split("+")]
        facts = [name, _model_identity(self.model), _METHOD, settings, output]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def frames(self) -> dict[str, Path]:
        """
        Find the frames.

        Returns
        -------
        `dict` of `pathlib.Path`
            The file of each frame by its name, which is its path relative to the folder of the input. If the folder of
            the results lies in the folder of the input, the files in it are not frames.

        Raises
        ------
        FileNotFoundError
            If there is no manifest of the name that the plan gives.
        ValueError
            If there is no frame, if a frame is not in the folder of the input, or if the results of two frames would
            have the same name.
        """
        return self.input.frames(Path(self.output.folder))


def _model_identity(name):
    """A digest of the cards of a model and its adapters, which hold the SHA-256 of the weights."""
    if name == model_card(name).name == "bicubic":
        return name
    digest = hashlib.sha256()
    for folder in model_folders(name):
        for path in sorted(folder.rglob("card.json")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def load_plan(path: str | Path, overrides: Iterable[str] = ()) -> Plan:
    """
    Read and check the plan of an archive.

    Parameters
    ----------
    path : `str` or `pathlib.Path`
        A TOML file with the tables ``input``, ``model``, ``output`` and ``cluster``. Paths in it are relative to the
        folder of the file.
    overrides : iterable of `str`
        Values that replace those of the file, each as ``"table.key=value"`` with the value in TOML syntax. Defaults to
        none.

    Returns
    -------
    `Plan`
        The plan, with absolute paths.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the plan has an unknown key or a value that is not allowed. The message names the key.
    """
    path = Path(path)
    tree = read_toml(path)
    for override in overrides:
        apply_override(tree, override)
    what, base = f"the plan {path.name}", path.absolute().parent
    table = {"name": "default", "noise_lifetime": "1 h", **tree.pop("model", {})}
    plan = build(Plan, {**tree, "model": _beside(base, table.pop("name"))}, what=what)
    _place(plan, base, what)
    plan.settings = dataclasses.replace(
        build(Settings, table, what=what, prefix="model."),
        component=plan.input.component or None,
        device=plan.cluster.device or None,
        batch_size=plan.cluster.batch_size or None,
    )
    plan.settings.for_model(model_card(plan.model))  # checks them
    plan.output.check(plan.settings.n_samples)
    return plan


def _place(plan, base, what):
    """Make the folders of a plan absolute."""
    if not plan.input.folder:
        msg = f"input.folder must be the folder of the frames, got none in {what}."
        raise ValueError(msg)
    for section, key in ((plan.input, "folder"), (plan.input, "manifest"), (plan.output, "folder")):
        if getattr(section, key):
            setattr(section, key, os.path.normpath(base / Path(getattr(section, key)).expanduser()))
    if not Path(plan.input.folder).is_dir():
        msg = f"input.folder must be a folder, got {plan.input.folder}."
        raise ValueError(msg)
    if plan.output.folder == plan.input.folder:
        msg = f"output.folder must be another folder than input.folder, got {plan.output.folder} for both."
        raise ValueError(msg)


def _beside(base, name):
    """The name of a model, where the name of a folder beside the plan is replaced by its absolute path."""
    model, plus, adapter = ("", "", name) if (base / name).is_dir() else name.rpartition("+")
    if not plus:
        model, adapter = adapter, ""
    if model and bundled_folder(model) is None and (base / model).is_dir():
        model = os.path.normpath(base / model)
    if "/" in adapter and (base / adapter).is_dir():  # without a slash it is one of the model's own
        adapter = os.path.normpath(base / adapter)
    return f"{model}{plus}{adapter}"
