"""Plans of an archive: the frames, the options, the folder."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import astropy.units as u

from sunpy_magsr._options import apply_override, build, read_toml
from sunpy_magsr.inference.settings import (
    check_bad_pixels,
    check_noise_lifetime,
    check_options,
    check_plate_scale,
    told_blur,
)
from sunpy_magsr.maps.files import stem_of
from sunpy_magsr.maps.fits import check_precision
from sunpy_magsr.maps.header import COMPONENTS
from sunpy_magsr.sampling import consistency
from sunpy_magsr.sampling.registry import model_card, model_folders
from sunpy_magsr.store.card import bundled_folder


def select_frames(source: Input, results: Path) -> dict[str, Path]:
    """Find the frames of a plan; see `sunpy_magsr.archive.Plan.frames`."""
    folder = Path(source.folder)
    if source.manifest:
        if not Path(source.manifest).is_file():
            msg = f"input.manifest must be a text file, and there is none at {source.manifest}."
            raise FileNotFoundError(msg)
        lines = Path(source.manifest).read_text(encoding="utf-8").splitlines()
        paths = [folder / line.strip() for line in lines if line.strip() and not line.startswith("#")]
    else:
        paths = sorted(folder.glob(source.pattern))
        if results.is_relative_to(folder):
            paths = [path for path in paths if not path.is_relative_to(results)]
    if not paths:
        where = source.manifest or f"{folder} that fits {source.pattern!r}"
        msg = f"input must have at least one frame, got none in {where}."
        raise ValueError(msg)
    frames: dict[str, Path] = {}
    found: dict[str, str] = {}
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


_NONE = "none"


def options_of(settings: dict[str, Any]) -> dict[str, Any]:
    """Translate the settings of a plan into arguments of `sunpy_magsr.superresolve`."""
    model = settings["model"]
    native, lifetime, width = model["plate_scale"] == "native", model["noise_lifetime"], model["psf_fwhm"]
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
        "independent": model["independent"],
        "psf_fwhm": None if width == _NONE else quantity("model.psf_fwhm", width, u.arcsec),
    }


def precision_of(settings: dict[str, Any]) -> u.Quantity | None:
    """Find the step to which the values in the files of a plan are rounded."""
    text = settings["output"]["precision"]
    return None if text == _NONE else quantity("output.precision", text, u.G)


def quantity(name: str, text: str, unit: u.UnitBase) -> u.Quantity:
    """Read a quantity that a plan gives as text."""
    try:
        value = u.Quantity(text)
    except (TypeError, ValueError):
        value = None
    if value is None or not value.isscalar or not value.unit.is_equivalent(unit):
        msg = f"{name} must be a number with a unit like {unit}, got {text!r}."
        raise ValueError(msg)
    return value


def model_identity(name: str) -> str:
    """
    Compute a digest that changes when a model or one of its adapters changes.

    It is the SHA-256 of their cards, which hold the SHA-256 of the weights.
    """
    digest = hashlib.sha256()
    if name == model_card(name).name == "bicubic":
        return name
    for folder in model_folders(name):
        for path in sorted(folder.rglob("card.json")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def check_plan(plan: Plan) -> None:
    """Check the values of a plan, before any frame is opened."""
    options, card = plan.options(), model_card(plan.model.name)
    check_options(n_samples=plan.model.n_samples, seed=plan.model.seed, steps=options["steps"], batch_size=None)
    check_plate_scale(options["plate_scale"])
    check_bad_pixels(plan.model.bad_pixels)
    check_precision(precision_of(plan.settings()))
    consistency.check(options["consistency"], card)
    _check_lifetime(options["noise_lifetime"], card)
    if options["psf_fwhm"] is not None:
        told_blur(options["psf_fwhm"])
    if plan.model.calibrate not in ("", "hmi"):
        msg = f"model.calibrate must be '' or 'hmi', got {plan.model.calibrate!r}."
        raise ValueError(msg)
    if plan.input.component not in ("", *COMPONENTS):
        msg = f"input.component must be '' or one of {', '.join(COMPONENTS)}, got {plan.input.component!r}."
        raise ValueError(msg)
    if plan.model.n_samples > 1 and card.is_deterministic:
        msg = f"model.n_samples must be 1 for the deterministic model {plan.model.name!r}, got {plan.model.n_samples}."
        raise ValueError(msg)
    _check_output(plan.output, plan.model.n_samples)
    _check_cluster(plan.cluster)


def _check_output(output, n_samples):
    if not 0 <= output.samples <= n_samples:
        msg = f"output.samples must be 0 to model.n_samples = {n_samples}, got {output.samples}."
        raise ValueError(msg)
    if not all(isinstance(q, int | float) and 0 <= q <= 1 for q in output.quantiles):
        msg = f"output.quantiles must be from 0 to 1, got {output.quantiles}."
        raise ValueError(msg)
    several = n_samples > 1 and (output.mean or output.quantiles or output.ensemble)
    if not output.samples and not several:
        msg = (
            "output must keep samples, or of several samples the mean, quantiles or the ensemble, got nothing of these."
        )
        raise ValueError(msg)


def _check_cluster(cluster):
    if cluster.scheduler and cluster.kind:
        msg = f"cluster must have a scheduler or a kind, got both: {cluster.scheduler} and {cluster.kind}."
        raise ValueError(msg)
    for key in ("workers", "threads", "batch_size"):
        if getattr(cluster, key) < 0:
            msg = f"cluster.{key} must be 0 or more, got {getattr(cluster, key)}."
            raise ValueError(msg)
    if cluster.attempts < 1:
        msg = f"cluster.attempts must be 1 or more, got {cluster.attempts}."
        raise ValueError(msg)


def _check_lifetime(value, card):
    try:
        check_noise_lifetime(value, card)
    except ValueError as error:
        msg = f"model.{error} In a plan, 'none' stands for None."
        raise ValueError(msg) from error


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
