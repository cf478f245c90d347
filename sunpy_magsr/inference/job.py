"""From a Map and options to samples: read, check, draw, make consistent."""

import contextlib
import dataclasses
from pathlib import Path

import astropy.units as u
import numpy as np

from sunpy_magsr.exceptions import warn_user
from sunpy_magsr.inference.output import Output
from sunpy_magsr.inference.remarks import outside_training, remarks_on
from sunpy_magsr.inference.settings import (
    check_bad_pixels,
    check_calibration,
    check_noise_lifetime,
    check_options,
    check_plate_scale,
    output_ratio,
    told_blur,
)
from sunpy_magsr.instrument import frame_blur, input_noise, instrument_of, without_bad_pixels
from sunpy_magsr.maps import prepare
from sunpy_magsr.maps.disk import limb_cosine
from sunpy_magsr.maps.grid import resample
from sunpy_magsr.maps.header import observation_time, plain_header
from sunpy_magsr.maps.wcs import angular_scale
from sunpy_magsr.sampling import consistency as consistency_step
from sunpy_magsr.sampling import load_backend
from sunpy_magsr.sampling.draw import draw_samples, put_on_scale
from sunpy_magsr.sampling.noise import SolarNoise
from sunpy_magsr.uncertainty.calibration import Calibration, Facts

_MOST_PIXELS = 1e9  # of a result, whatever the memory
# Measured for a full disk of 1024 x 1024 pixels on the x4 grid (benchmarks/speed.py): 1.6 GiB for 16.8 million pixels.
_BYTES = 100  # a pixel of the x4 grid
_RESAMPLED_BYTES = 40  # a pixel of the result, where it is on another grid
_MEMBER_BYTES = 4
_GIB = 2**30


def available() -> int | None:
    """
    Find how much memory this process may still take.

    It is the smaller of two numbers: the memory that is free, and what is left of the limit of the control group of
    this process. Files that the system keeps in memory count as free.
    """
    found = []
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found.append(1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]))
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        limit, used = (int((group / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
        lines = (group / "memory.stat").read_text(encoding="ascii").splitlines()
        cached = sum(int(line.split()[1]) for line in lines if line.startswith(("active_file ", "inactive_file ")))
        found.append(max(0, limit - used + cached))
    return min(found, default=None)


def check_memory(rows: int, columns: int, ratio: tuple[float, float], factor: int, *, members: int = 1) -> None:
    """Check that a result fits into memory."""
    pixels = rows * columns * ratio[0] * ratio[1]
    own = _BYTES * rows * columns * factor**2 + (_RESAMPLED_BYTES * pixels if ratio != (factor, factor) else 0)
    needed, free = own + _MEMBER_BYTES * members * pixels, available()
    if pixels <= _MOST_PIXELS and (free is None or needed <= free):
        return
    there = (
        "" if free is None else f", which take about {needed / _GIB:.3g} GiB of memory; {free / _GIB:.3g} GiB are free"
    )
    fitting = 0 if free is None else int((free - own) // (_MEMBER_BYTES * pixels))
    if pixels <= _MOST_PIXELS and members > 1 and fitting >= 1:
        msg = f"n_samples must be at most {fitting} for the members to fit into memory, got {members}{there}."
        raise ValueError(msg)
    finest = (_MOST_PIXELS / (rows * columns)) ** 0.5
    if free is not None:
        finest = min(finest, (free / (_BYTES * rows * columns)) ** 0.5)
    advice = f"pixels of 1/{finest:.3g} of the input's" if finest > factor else "a cutout (smap.submap)"
    msg = (
        f"plate_scale must give a result of at most {_MOST_PIXELS:g} pixels that fits into memory, got {pixels:.3g} pixels"
        f"{there}; {advice} would fit."
    )
    raise ValueError(msg)


@dataclasses.dataclass
class Job:
    """
    One super-resolution, in the order of its fields: the Map is read, the model draws, the output is made of that.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The input; never changed.
    magnetogram : `~sunpy_magsr.maps.Magnetogram`
        Its array form.
    backend : ``Backend``
        The model.
    settings : `dict`
        ``n_samples``, ``seed``, ``steps``, ``consistency``, ``calibration``, ``blur`` (a `Blur` or `None`),
        ``bad_pixels`` (how many were masked), ``noise_lifetime`` (seconds or `None`), ``is_paired`` (whether the samples
        are antithetic pairs), and the backend's ``device``,
        ``batch_size`` and ``progress``.
    output : ``Output``
        The grid and the Maps of the result.
    """

    smap: object
    magnetogram: object
    backend: object
    settings: dict
    output: Output

    @classmethod
    def open(cls, smap, *, model, plate_scale, psf_fwhm=None, bad_pixels="mask", component=None, kept=1, **options):
        """Read a Map, load the model and check everything that can be checked before the work begins."""
        check_options(**{name: options[name] for name in ("n_samples", "seed", "steps", "batch_size")})
        check_plate_scale(plate_scale)
        check_bad_pixels(bad_pixels)
        smap, missing = plain_header(smap)
        magnetogram, count = prepare(smap, component=component), 0
        if bad_pixels == "mask":
            magnetogram, count = without_bad_pixels(magnetogram)
        told = None if psf_fwhm is None else told_blur(psf_fwhm)
        backend = load_backend(model, instrument=magnetogram.instrument, progress=options["progress"])
        card = backend.card
        settings = _settings(magnetogram, card, **options) | {"bad_pixels": count}
        if card.consistency == "noise":  # a model that knows the blur
            magnetogram = dataclasses.replace(magnetogram, blur=told or frame_blur(magnetogram, limb_cosine(smap)))
        magnetogram = dataclasses.replace(magnetogram, noise=input_noise(magnetogram))  # once for all who ask
        settings["blur"] = magnetogram.blur
        remarks = [*missing, *remarks_on(smap, magnetogram, card, settings)]
        if remarks:
            warn_user("\n".join(remarks), stacklevel=3)
        ratio = output_ratio(magnetogram, plate_scale, card.factor)
        check_memory(*magnetogram.data.shape, ratio, card.factor, members=kept)
        return cls(smap, magnetogram, backend, settings, Output(smap, magnetogram.valid, ratio, card, settings))

    def native_fields(self):
        """Yield the samples on the model's own grid: Gauss ``[f y, f x]`` on the model's scale, without NaN."""
        settings = self.settings
        names = ("consistency", "n_samples", "seed", "steps", "device", "batch_size", "progress")
        options = {name: settings[name] for name in names}
        options["independent"] = not settings["is_paired"]
        if settings["noise_lifetime"] is not None:
            options["noise"] = SolarNoise(self.smap, self.magnetogram, settings["noise_lifetime"])
        return (field for _, field in draw_samples(self.backend, self.magnetogram, **options))

    def finished(self, field, number, *, valid):
        """Put one of the `native_fields` on the result's scale and grid, with NaN where nothing is ``valid``."""
        card, ratio = self.backend.card, self.output.ratio
        scale, is_paired = self.settings["calibration"], self.settings["is_paired"]
        field = put_on_scale(field, self.magnetogram, card, scale, number=number, is_paired=is_paired)
        if any(along != card.factor for along in ratio):
            field = resample(field, [along / card.factor for along in ratio])
        return np.where(valid, field, np.float32(np.nan))

    def fields(self):
        """Yield the samples: float32 Gauss ``[Y, X]`` on the output grid, NaN where nothing was measured."""
        valid = self.output.valid
        for number, field in enumerate(self.native_fields()):
            yield self.finished(field, number, valid=valid)

    def facts(self):
        """Gather what an ensemble of this job's fields should know, as ``Facts``."""
        card = self.backend.card
        as_calibrated = self.settings["steps"] == card.steps and self.settings["consistency"] == card.consistency
        kind = "radial" if self.magnetogram.is_radial else "los"
        known = card.intervals.get(kind, {}) if as_calibrated else {}
        calibrations = {name: Calibration.of(facts) for name, facts in known.items()}
        used = {axis for calibration in calibrations.values() for axis in calibration.edges}
        conditions = {axis: self._condition(axis) for axis in used}
        valid, on_grid = self.magnetogram.valid, self.output.on_grid
        return Facts(
            calibrations=calibrations,
            make_strata=lambda calibration: on_grid(calibration.strata(conditions, valid.shape)),
            make_untrained=lambda: on_grid(outside_training(self.magnetogram, limb_cosine(self.smap), card)),
            frame={
                axis: float(np.nanmedian(np.broadcast_to(value, valid.shape)[valid]))
                for axis, value in conditions.items()
            },
        )

    def _condition(self, axis):
        """One of ``AXES``, of each input pixel ``[y, x]`` or as a number of all."""
        if axis == "date":
            return float(observation_time(self.smap).decimalyear)
        if axis == "noise":
            return input_noise(self.magnetogram)
        if axis == "blur":
            pixel = angular_scale(self.magnetogram.plate_scale)[0]
            return pixel * instrument_of(self.magnetogram, self.backend.card).fwhm
        return np.abs(self.magnetogram.data) if axis == "field" else limb_cosine(self.smap)


def _settings(
    magnetogram,
    card,
    *,
    n_samples,
    seed,
    steps,
    consistency,
    calibrate,
    noise_lifetime=None,
    independent=False,
    **machine,
):
    """What the options mean for this input and this model."""
    if card.is_deterministic and n_samples > 1:
        msg = f"n_samples must be 1 for the deterministic model {card.name!r}, got {n_samples}."
        raise ValueError(msg)
    check_noise_lifetime(noise_lifetime, card)
    if not isinstance(independent, bool):
        msg = f"independent must be True or False, got {independent!r}."
        raise TypeError(msg)
    return {
        "n_samples": int(n_samples),
        "seed": int(seed),
        "steps": 0 if card.is_deterministic else int(steps or card.steps),
        "consistency": consistency_step.check(consistency, card),
        "calibration": check_calibration(calibrate, magnetogram, card),
        # The published architecture draws its noise in tiles, which cannot be negated.
        "is_paired": n_samples > 1 and not independent and card.kind != "published",
        "noise_lifetime": None if noise_lifetime is None or card.is_deterministic else noise_lifetime.to_value(u.s),
        **machine,
    }
