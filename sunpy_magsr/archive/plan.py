"""What is to be made of an archive: one TOML file."""

import dataclasses
import hashlib
import json
import os
from pathlib import Path

from sunpy_magsr.archive.options import check_plan, model_identity, options_of
from sunpy_magsr.catalog import bundled_folder
from sunpy_magsr.configuration import apply_override, build, read_toml
from sunpy_magsr.prep.files import stem_of

__all__ = ["ArchiveModel", "ArchiveOutput", "Cluster", "Input", "Plan", "load_plan"]


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
    check_plan(plan)
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
