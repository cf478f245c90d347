"""One frame of an archive: its results and their quality."""

from __future__ import annotations

import dataclasses
import json
import logging
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import scipy.ndimage
from astropy.stats import mad_std

from sunpy_magsr._files import file_digest, stem_of
from sunpy_magsr.exceptions import MagsrUserWarning, reason
from sunpy_magsr.inference.job import Job
from sunpy_magsr.inference.remarks import outside_training
from sunpy_magsr.instrument import degrade, instrument_of
from sunpy_magsr.instrument.response import fit_gain
from sunpy_magsr.maps.disk import limb_cosine
from sunpy_magsr.maps.field import pixel_areas, read_field
from sunpy_magsr.maps.fits import open_input, write_fits
from sunpy_magsr.maps.header import observation_time
from sunpy_magsr.uncertainty.ensemble import Ensemble
from sunpy_magsr.uncertainty.members import keep_members

#: The numbers that are measured of each frame: their units, and the least standard deviation that a report reckons with.
QUALITY = {
    "chi_squared": ("", 0.02),  # of the input against what the instrument would have seen of the first sample
    "noise": ("G", 0.1),  # of an input pixel, median
    "blur": ("arcsec", 0.1),  # FWHM of the point-spread function, as it was measured on the frame or given by the plan
    "blur_error": ("arcsec", 0.1),  # its standard error
    "gain": ("", 0.005),  # what the input reads for 1 G of the first sample
    "bad_pixels": ("pix", 1.0),
    "outside": ("", 1e-3),  # share of the measured pixels that are unlike what the model was trained on
    "quiet_sigma_in": ("G", 0.1),  # robust standard deviation where the field is weak, of the input
    "quiet_sigma_out": ("G", 0.1),  # the same of the first sample
    "spread": ("G", 0.1),  # standard deviation between the members, median
    "net_flux_in": ("Mx", 1e18),
    "net_flux_out": ("Mx", 1e18),
    "unsigned_flux_in": ("Mx", 1e18),  # above 100 G, of the input
    "unsigned_flux_out": ("Mx", 1e18),  # above 100 G, of the first sample
}
_THRESHOLD = 100.0  # Gauss
_QUIET_FIELD = 30.0  # Gauss, of the mean over 3 x 3 pixels
_WINDOW = 256  # input pixels, in which the blur is fitted
_WIDTHS = 5


def frame_quality(job: Job, native: np.ndarray, sample: np.ndarray, std: np.ndarray | None = None) -> dict[str, float]:
    """Measure the quality of one frame."""
    magnetogram: Any = job.magnetogram
    backend: Any = job.backend
    card = backend.card
    low, valid = magnetogram.data, magnetogram.valid
    instrument = instrument_of(magnetogram, card)
    gain, chi_squared = _fit(magnetogram, native, card.factor, instrument)
    blur = magnetogram.blur
    quiet = valid & (np.abs(scipy.ndimage.uniform_filter(low, 3)) < _QUIET_FIELD)
    fine = quiet.repeat(card.factor, 0).repeat(card.factor, 1)
    area = np.where(valid, _areas(job.smap), 0)
    fine_area = job.output.on_grid(area) / np.prod(job.output.ratio)
    found = {
        "chi_squared": chi_squared,
        "noise": float(np.median(instrument.noise[valid])),
        "blur": np.nan if blur is None else blur.fwhm,
        "blur_error": np.nan if blur is None else blur.error,
        "gain": gain,
        "bad_pixels": job.bad_pixels,
        "outside": float(outside_training(magnetogram, limb_cosine(job.smap), card)[valid].mean()),
        "quiet_sigma_in": _robust(low[quiet]),
        "quiet_sigma_out": _robust(native[fine]),
        "spread": np.nan if std is None else float(np.nanmedian(std)),
    }
    for name, field, areas in (("in", low, area), ("out", np.nan_to_num(sample), fine_area)):
        found[f"net_flux_{name}"] = float((field * areas).sum(dtype=float))
        strong = np.abs(field) > _THRESHOLD
        found[f"unsigned_flux_{name}"] = float((np.abs(field) * areas)[strong].sum(dtype=float))
    return found


def _areas(smap):
    """The areas of the pixels on the plane of the sky; NaN in projections for which they are not known."""
    field = read_field(smap)
    try:
        return pixel_areas(field).sky_area
    except ValueError:
        return np.full(field.data.shape, np.nan)


def _robust(values):
    return float(mad_std(values)) if values.size else np.nan


def _fit(magnetogram, native, factor, instrument):
    """Gain with which the sample fits the input best, and the mean square of the misfit over the noise."""
    widths = np.unique(np.linspace(*instrument.widths, _WIDTHS))
    window = tuple(
        slice(max(0, side // 2 - _WINDOW // 2), min(side, side // 2 + _WINDOW // 2)) for side in magnetogram.data.shape
    )
    fine = native[tuple(slice(factor * part.start, factor * part.stop) for part in window)]
    error = instrument.misfit_error(magnetogram.data)
    low, weight = magnetogram.data[window], np.where(magnetogram.valid, 1 / error**2, 0)[window]

    def misfit(width):
        gain, left = fit_gain(low, degrade(fine, factor=factor, psf_fwhm=factor * width), weight)
        return float(left), float(width), float(gain)

    _, width, gain = min(map(misfit, widths))
    seen = degrade(native, factor=factor, psf_fwhm=factor * width)
    left = ((magnetogram.data - gain * seen) / error)[magnetogram.valid]
    return gain, float((left**2).mean(dtype=float))


def work_on_frame(task: dict[str, Any]) -> dict[str, Any]:
    """
    Super-resolve one frame, write the results that the plan keeps, and measure its quality.

    It never raises an exception: a frame that fails has the state ``"failed"``, and ``reason`` says why.
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
            record |= _superresolve(task)
        told = [reason(one.message) for one in caught if isinstance(one.message, MagsrUserWarning)]
        record |= {"state": "done", "warnings": " ".join(told)}
    except (ValueError, TypeError, OSError, RuntimeError, MemoryError) as error:
        record["reason"] = reason(error)
    except Exception:  # noqa: BLE001  a fault of ours shall not keep the other frames from being done
        record["reason"] = f"failed in a way that it should not; please report this: {traceback.format_exc()}"
    record |= {"seconds": time.perf_counter() - started, "memory": _memory()}
    return record


def _superresolve(task):
    job = _open(task)
    members, moments, native = _draw(job)
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


def _open(task):
    """The ``Job`` of a frame."""
    plan = task["plan"]
    smap, component = open_input(task["path"], name="the file")
    settings = dataclasses.replace(plan.settings, component=plan.settings.component or component)
    job = Job.open(smap, plan.model, settings, kept=settings.n_samples)
    _set_threads(task["threads"])  # of PyTorch, which is there now if the model needs it
    return job


def _draw(job):
    """The members, their moments (`None` for a single member), and the first member on the model's own grid."""
    valid, count, first = job.output.valid, job.settings.n_samples, []

    def fields():
        for number, native in enumerate(job.native_fields()):
            field = job.finished(native, number, valid=valid)
            if not first:
                first.append(native)
            yield field

    if count == 1:
        return [next(fields())], None, first[0]
    members, moments = keep_members(fields(), count, is_paired=job.settings.is_paired)
    return members, moments, first[0]


def _write(job, members, ensemble, task):
    """Write what the plan keeps; returns names below the folder and sizes."""
    kept = task["plan"].output
    folder, stem = Path(kept.folder), stem_of(task["name"])
    options = {"precision": kept.step, "overwrite": True}
    products = {
        f"sample{number}.magsr": job.output.map(
            np.array(members[number]), "sample" if ensemble is None else f"sample {number}"
        )
        for number in range(kept.samples)
    }
    if ensemble is not None and kept.mean:
        products["mean.magsr"] = ensemble.mean()
    for q in kept.quantiles if ensemble is not None else ():
        products[f"quantile{q:g}.magsr"] = ensemble.quantile(q)
    written = [write_fits(smap, folder / f"{stem}.{name}.fits", **options) for name, smap in products.items()]
    if ensemble is not None and kept.ensemble:
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
        return psutil.Process().memory_info().peak_wset / 2**20
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
