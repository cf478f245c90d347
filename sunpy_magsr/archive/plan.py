"""The plan of an archive: a TOML file that says which frames are super-resolved, how, and by which workers."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sunpy_magsr.archive.options import check_plan, model_identity, options_of
from sunpy_magsr.archive.selection import select_frames
from sunpy_magsr.configuration import apply_override, build, read_toml
from sunpy_magsr.models.bundled import bundled_folder

__all__ = ["ArchiveModel", "ArchiveOutput", "Cluster", "Input", "Plan", "load_plan"]


#: Number that grows when the same options give other results, so that a plan never mixes the two: frames that an earlier
#: method has done are done again. 2: antithetic pairs.
_METHOD = 2


@dataclasses.dataclass
class Input:
    """
    The frames of a plan: the table ``[input]``.

    Parameters
    ----------
    folder : `str`
        The folder of the FITS files. A plan must have one.
    pattern : `str`
        The pattern that a file in the folder must match to be a frame. Defaults to ``"**/*.fits"``, all FITS files in
        the folder and in the folders below it.
    manifest : `str`
        A text file that names one file of the folder in each line, instead of a pattern. Defaults to none.
    component : `str`
        The component of the magnetic field (``"los"``, ``"br"``, ``"bp"`` or ``"bt"``), for files whose headers and
        names do not say it. Defaults to none.
    """

    folder: str = ""
    pattern: str = "**/*.fits"
    manifest: str = ""
    component: str = ""


@dataclasses.dataclass
class ArchiveModel:
    """
    How the frames of a plan are super-resolved: the table ``[model]``.

    These are the options of `sunpy_magsr.superresolve`, with quantities as text.

    Parameters
    ----------
    name : `str`
        The model: a name, a Hub id or a folder, which may lie beside the plan. Defaults to ``"default"``.
    n_samples : `int`
        How many samples are drawn of each frame. Defaults to 1.
    seed : `int`
        The seed of the random numbers. Defaults to 0.
    plate_scale : `str`
        The plate scale of the results, or ``"native"`` for pixels exactly four times smaller than the input's.
        Defaults to ``"0.5 arcsec / pix"``.
    steps : `int`
        The number of sampling steps. Defaults to 0, the number of the model.
    consistency : `str`
        How a result must agree with its input: ``"exact"``, ``"noise"``, or ``""`` (the default) for what the model's
        card says.
    calibrate : `str`
        ``"hmi"`` to put MDI's results on HMI's scale. Defaults to ``""``.
    bad_pixels : `str`
        ``"mask"`` (the default) or ``"keep"``.
    noise_lifetime : `str`
        How long the structure that the model adds stays with a place on the Sun, or ``"none"``. Defaults to ``"1 h"``.
    independent : `bool`
        Whether samples are independent instead of antithetic pairs. Defaults to `False`.
    psf_fwhm : `str`
        The width of the point-spread function of all frames, such as ``"1.8 arcsec"``, or ``"none"`` (the default).
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
    independent: bool = False
    psf_fwhm: str = "none"


@dataclasses.dataclass
class ArchiveOutput:
    """
    What is kept of each frame of a plan: the table ``[output]``.

    Parameters
    ----------
    folder : `str`
        The folder of the results. Defaults to ``"superresolved"``.
    samples : `int`
        How many of the samples are kept. Defaults to 1.
    mean : `bool`
        Whether the mean of the samples is kept, with their standard deviation. Defaults to `True`. It matters for more
        than one sample only, like the next two.
    quantiles : `list` of `float`
        Which quantiles of the samples are kept, each from 0 to 1. Defaults to none.
    ensemble : `bool`
        Whether a file is kept that `sunpy_magsr.uncertainty.Ensemble` reads, with intervals, flags and calibrations but
        without the samples. Defaults to `False`.
    precision : `str`
        The step to which the values in the files are rounded, or ``"none"``. Defaults to ``"0.5 G"``.
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
    The worker processes of a plan: the table ``[cluster]``.

    Without ``scheduler`` and ``kind``, the workers are processes on this machine.

    Parameters
    ----------
    workers : `int`
        The number of workers. Defaults to 0: one for every two cores of this machine, or as many as a cluster of
        ``kind`` starts by itself.
    threads : `int`
        The threads of PyTorch in each task. Defaults to 0: on this machine, the cores divided by the workers;
        elsewhere, what the worker has.
    memory : `str`
        The memory of a worker on this machine, such as ``"4 GiB"``. Defaults to ``"auto"``, an equal share of the
        machine's memory for each worker.
    scheduler : `str`
        The address of a Dask scheduler that runs already, such as ``"tcp://login1:8786"``. Defaults to none.
    kind : `str`
        The class of a Dask cluster that is started for the plan, such as ``"dask_jobqueue.SLURMCluster"`` or
        ``"dask_cuda.LocalCUDACluster"``. Dask's own configuration files describe it. Defaults to none.
    device : `str`
        The torch device, such as ``"cuda"``. Defaults to a CUDA device if the worker has one, else the CPU.
    batch_size : `int`
        How many tiles are computed at once. Defaults to 0: 1 on a CPU, 16 on a GPU.
    attempts : `int`
        How often a frame is tried whose worker ends during the work. Defaults to 3.
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
    """
    The plan of an archive, as `load_plan` reads it.

    Parameters
    ----------
    input : `Input`
        The frames.
    model : `ArchiveModel`
        How they are super-resolved.
    output : `ArchiveOutput`
        What is kept of each frame.
    cluster : `Cluster`
        The worker processes.
    """

    input: Input = dataclasses.field(default_factory=Input)
    model: ArchiveModel = dataclasses.field(default_factory=ArchiveModel)
    output: ArchiveOutput = dataclasses.field(default_factory=ArchiveOutput)
    cluster: Cluster = dataclasses.field(default_factory=Cluster)

    @property
    def ledger(self) -> Path:
        """The file of the ledger, in the folder of the results."""
        return Path(self.output.folder) / "ledger.sqlite"

    def settings(self) -> dict[str, Any]:
        """
        Collect all settings that the results depend on.

        Returns
        -------
        `dict`
            The tables ``"model"`` and ``"output"`` (without its folder), the ``"component"`` of the input, a digest of
            the ``"weights"`` of the model, the number of the ``"method"``, and ``"digest"``, the SHA-256 of all of these.
            JSON can hold it.
        """
        facts: dict[str, Any] = {"model": dataclasses.asdict(self.model), "output": dataclasses.asdict(self.output)}
        del facts["output"]["folder"]
        facts |= {"component": self.input.component, "weights": model_identity(self.model.name), "method": _METHOD}
        # the same wherever the folder of a model is
        parts = [Path(part).name if Path(part).is_absolute() else part for part in self.model.name.split("+")]
        told = {**facts, "model": {**facts["model"], "name": "+".join(parts)}}
        return {**facts, "digest": hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()}

    def options(self) -> dict[str, Any]:
        """
        Translate the plan into arguments of `sunpy_magsr.superresolve`.

        Returns
        -------
        `dict`
            The arguments by name.
        """
        return options_of(self.settings())

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
        return select_frames(self.input, Path(self.output.folder))


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
    """The name of a model, where the name of a folder beside the plan is replaced by its absolute path."""
    model, plus, adapter = ("", "", name) if (base / name).is_dir() else name.rpartition("+")
    if not plus:
        model, adapter = adapter, ""
    if model and bundled_folder(model) is None and (base / model).is_dir():
        model = os.path.normpath(base / model)
    if "/" in adapter and (base / adapter).is_dir():  # without a slash it is one of the model's own
        adapter = os.path.normpath(base / adapter)
    return f"{model}{plus}{adapter}"
