"""What a worker does with one frame."""

import json
import logging
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from sunpy_magsr.archive.options import options_of, precision_of
from sunpy_magsr.archive.quality import frame_quality
from sunpy_magsr.exceptions import MagsrUserWarning
from sunpy_magsr.io import write_fits
from sunpy_magsr.job import Job
from sunpy_magsr.prep.exposure import observation_time
from sunpy_magsr.prep.files import file_digest, open_magnetogram, reason, stem_of
from sunpy_magsr.prep.products import product_of
from sunpy_magsr.uncertainty.ensemble import Ensemble
from sunpy_magsr.uncertainty.members import keep_members

__all__ = ["work_on_frame"]


def work_on_frame(task: dict[str, Any]) -> dict[str, Any]:
    """
    Super-resolve one frame, write the results that the plan keeps, and measure its quality.

    It never raises an exception: a frame that fails has the state ``"failed"``, and ``reason`` says why.

    Parameters
    ----------
    task : `dict`
        ``name`` and ``path`` of the frame; ``folder`` of the results; ``settings``, from
        `~sunpy_magsr.archive.plan.Plan.settings`; ``machine``, with ``device``, ``batch_size`` and ``threads``; and
        ``known``, the SHA-256 of the file from which the results that exist were made, or ``""``.

    Returns
    -------
    `dict`
        Columns of the `~sunpy_magsr.archive.ledger.Ledger` by name.
    """
    started = time.perf_counter()
    logging.getLogger("sunpy").setLevel(logging.ERROR)
    record = {"name": task["name"], "state": "failed", "reason": "", "outputs": "[]"}
    try:
        record["sha256"] = file_digest(task["path"])
        if task["known"] == record["sha256"]:
            return {"name": task["name"], "state": "same"}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            record |= _superresolved(task)
        told = [reason(one.message) for one in caught if isinstance(one.message, MagsrUserWarning)]
        record |= {"state": "done", "warnings": " ".join(told)}
    except (ValueError, TypeError, OSError, RuntimeError, MemoryError) as error:
        record["reason"] = reason(error)
    except Exception:  # noqa: BLE001  a fault of ours shall not keep the other frames from being done
        record["reason"] = f"failed in a way that it should not; please report this: {traceback.format_exc()}"
    record |= {"seconds": time.perf_counter() - started, "memory": _memory()}
    return record


def _superresolved(task):
    job = _opened(task)
    members, moments, native = _drawn(job, task["settings"]["model"]["n_samples"])
    ensemble = None if moments is None else Ensemble(members, job.output.map, job.facts(), moments=moments)
    written = _write(job, members, ensemble, task)
    quality = frame_quality(job, native, members[0], None if moments is None else moments.std)
    return {
        "date": observation_time(job.smap).isot,
        "model": job.backend.card.name,
        "revision": job.backend.card.revision,
        "outputs": json.dumps(written),
        **{
            key: None if isinstance(value, float) and not np.isfinite(value) else value
            for key, value in quality.items()
        },
    }


def _opened(task):
    """The `~sunpy_magsr.job.Job` of a frame."""
    machine, options = task["machine"], options_of(task["settings"])
    path = Path(task["path"])
    smap = open_magnetogram(path)
    product = product_of(smap, name=path.name)
    if product.refused:
        msg = f"the file must be {product.refused}."
        raise ValueError(msg)
    options["component"] = options["component"] or product.component or None
    job = Job.open(
        smap,
        **options,
        device=machine["device"] or None,
        batch_size=machine["batch_size"] or None,
        progress=False,
        kept=options["n_samples"],
    )
    _set_threads(machine["threads"])  # of PyTorch, which is there now if the model needs it
    return job


def _drawn(job, count):
    """The members, their moments (`None` for a single member), and the first member on the model's own grid."""
    valid, first = job.output.valid, []

    def fields():
        for number, native in enumerate(job.native_fields()):
            field = job.finished(native, number, valid=valid)
            if not first:
                first.append(native)
            yield field

    if count == 1:
        return [next(fields())], None, first[0]
    members, moments = keep_members(fields(), count, is_paired=job.settings["is_paired"])
    return members, moments, first[0]


def _write(job, members, ensemble, task):
    """Write what the plan keeps; returns names below the folder and sizes."""
    folder, kept = Path(task["folder"]), task["settings"]["output"]
    options = {"precision": precision_of(task["settings"]), "overwrite": True}
    stem = stem_of(task["name"])
    products = {}
    statistic = "sample" if ensemble is None else "sample {}"
    for number in range(kept["samples"]):
        products[f"sample{number}.magsr"] = job.output.map(np.array(members[number]), statistic.format(number))
    if ensemble is not None and kept["mean"]:
        products["mean.magsr"] = ensemble.mean()
    for q in kept["quantiles"] if ensemble is not None else ():
        products[f"quantile{q:g}.magsr"] = ensemble.quantile(q)
    written = [write_fits(smap, folder / f"{stem}.{name}.fits", **options) for name, smap in products.items()]
    if ensemble is not None and kept["ensemble"]:
        written.append(ensemble.save(folder / f"{stem}.ensemble.fits", **options))
    return [[path.relative_to(folder).as_posix(), path.stat().st_size] for path in written]


def _set_threads(count):
    if count and "torch" in sys.modules:
        import torch

        if torch.get_num_threads() != count:
            torch.set_num_threads(count)


def _memory():
    """Largest memory of this process so far in MiB."""
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return psutil.Process().memory_info().peak_wset / 2**20
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
