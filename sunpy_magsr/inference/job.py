"""From a Map and settings to samples: read, check, draw, make consistent."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
import psutil

from sunpy_magsr.exceptions import warn_user
from sunpy_magsr.inference.header import provenance
from sunpy_magsr.inference.output import Output
from sunpy_magsr.inference.remarks import outside_training, remarks_on
from sunpy_magsr.instrument import frame_blur, input_noise, instrument_of, without_bad_pixels
from sunpy_magsr.maps import prepare
from sunpy_magsr.maps.disk import limb_cosine
from sunpy_magsr.maps.grid import resample
from sunpy_magsr.maps.header import observation_time, plain_header
from sunpy_magsr.maps.wcs import angular_scale
from sunpy_magsr.sampling import load_backend
from sunpy_magsr.sampling.draw import draw_samples, put_on_scale
from sunpy_magsr.sampling.noise import SolarNoise
from sunpy_magsr.uncertainty.calibration import Calibration, Facts

if TYPE_CHECKING:
    from sunpy.map import GenericMap

    from sunpy_magsr.inference.settings import Settings
    from sunpy_magsr.maps import Magnetogram


_LEAST_RATIO = 1.1  # of the input's plate scale and the output's
_MOST_PIXELS = 1e9  # of a result, whatever the memory
# Measured for a full disk of 1024 x 1024 pixels on the x4 grid (benchmarks/speed.py): 1.6 GiB for 16.8 million pixels.
_BYTES = 100  # a pixel of the x4 grid
_RESAMPLED_BYTES = 40  # a pixel of the result, where it is on another grid
_MEMBER_BYTES = 4
_GIB = 2**30


def free_memory() -> int:
    """Find how much memory this process may still take, in bytes: of the machine, and of its control group if it has one."""
    free = psutil.virtual_memory().available
    with contextlib.suppress(
        OSError, ValueError, KeyError
    ):  # A batch system's limit; files that are cached count as free.
        group = Path("/sys/fs/cgroup")
        limit, used = (int((group / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
        facts = dict(line.split() for line in (group / "memory.stat").read_text(encoding="ascii").splitlines())
        free = min(free, max(0, limit - used + int(facts["active_file"]) + int(facts["inactive_file"])))
    return free


def check_memory(shape: tuple[int, ...], ratio: tuple[float, float], factor: int, *, members: int = 1) -> None:
    """Check that a result fits into memory."""
    rows, columns = shape
    pixels = rows * columns * ratio[0] * ratio[1]
    own = _BYTES * rows * columns * factor**2 + (_RESAMPLED_BYTES * pixels if ratio != (factor, factor) else 0)
    needed, free = own + _MEMBER_BYTES * members * pixels, free_memory()
    if pixels <= _MOST_PIXELS and needed <= free:
        return
    there = f"which take about {needed / _GIB:.3g} GiB of memory; {free / _GIB:.3g} GiB are free"
    fitting = int((free - own) // (_MEMBER_BYTES * pixels))
    if pixels <= _MOST_PIXELS and members > 1 and fitting >= 1:
        msg = f"n_samples must be at most {fitting} for the members to fit into memory, got {members}, {there}."
        raise ValueError(msg)
    finest = min((_MOST_PIXELS / (rows * columns)) ** 0.5, (free / (_BYTES * rows * columns)) ** 0.5)
    advice = f"pixels of 1/{finest:.3g} of the input's" if finest > factor else "a cutout"
    msg = (
        f"plate_scale must give a result of at most {_MOST_PIXELS:g} pixels that fits into memory, got {pixels:.3g} pixels, "
        f"{there}; {advice} would fit."
    )
    raise ValueError(msg)


def output_ratio(magnetogram: Magnetogram, plate_scale: u.Quantity | None, factor: int) -> tuple[float, float]:
    """Compute the number of output pixels along one input pixel, in x and y."""
    if plate_scale is None or magnetogram.is_cea:
        return (float(factor), float(factor))
    x, y = (float((scale / plate_scale).to_value(u.one)) for scale in magnetogram.plate_scale)
    if min(x, y) < _LEAST_RATIO:
        msg = (
            f"plate_scale must be at least {_LEAST_RATIO} times finer than that of smap, {magnetogram.plate_scale[0]:.4g}, "
            f"got {plate_scale:.4g}; plate_scale=None gives pixels {factor} times finer."
        )
        raise ValueError(msg)
    return x, y


@dataclasses.dataclass
class Job:
    """
    One super-resolution, in the order of its fields: the Map is read, the model draws, the output is made of that.

    ``settings`` are those for the model, and ``bad_pixels`` is how many pixels of the input were masked.
    """

    smap: GenericMap
    magnetogram: Magnetogram
    backend: Any
    settings: Settings
    bad_pixels: int
    output: Output

    @classmethod
    def open(cls, smap: GenericMap, model: Any, settings: Settings, *, kept: int = 1) -> Job:
        """Read a Map, load the model and check everything that can be checked before the work begins."""
        smap, missing = plain_header(smap)
        magnetogram, bad_pixels = prepare(smap, component=settings.component), 0
        if settings.bad_pixels == "mask":
            magnetogram, bad_pixels = without_bad_pixels(magnetogram)
        backend = load_backend(model, instrument=magnetogram.instrument, progress=settings.progress)
        card = backend.card
        settings = settings.for_model(card)
        if settings.calibrate not in (None, card.calibration) and magnetogram.instrument != "MDI":
            msg = f"calibrate='hmi' must be used with MDI input, got a map from {magnetogram.instrument}."
            raise ValueError(msg)
        if card.consistency == "noise":  # a model that knows the blur
            blur = settings.blur or frame_blur(magnetogram, limb_cosine(smap))
            magnetogram = dataclasses.replace(magnetogram, blur=blur)
        magnetogram = dataclasses.replace(magnetogram, noise=input_noise(magnetogram))  # once for all who ask
        remarks = [*missing, *remarks_on(smap, magnetogram, card, steps=settings.steps, bad_pixels=bad_pixels)]
        if remarks:
            warn_user("\n".join(remarks), stacklevel=3)
        ratio = output_ratio(magnetogram, settings.plate_scale, card.factor)
        check_memory(magnetogram.data.shape, ratio, card.factor, members=kept)
        tell = functools.partial(provenance, card, settings, blur=magnetogram.blur, bad_pixels=bad_pixels)
        output = Output(smap, magnetogram.valid, ratio, tell)
        return cls(smap, magnetogram, backend, settings, bad_pixels, output)

    def native_fields(self):
        """Yield the samples on the model's own grid: Gauss ``[f y, f x]`` on the model's scale, without NaN."""
        settings = self.settings
        names = ("consistency", "n_samples", "seed", "steps", "device", "batch_size", "progress")
        options = {name: getattr(settings, name) for name in names} | {"independent": not settings.is_paired}
        if settings.lifetime is not None:
            options["noise"] = SolarNoise(self.smap, self.magnetogram, settings.lifetime)
        return (field for _, field in draw_samples(self.backend, self.magnetogram, **options))

    def finished(self, field, number, *, valid):
        """Put one of the `native_fields` on the result's scale and grid, with NaN where nothing is ``valid``."""
        card, ratio = self.backend.card, self.output.ratio
        scale, is_paired = self.settings.calibrate, self.settings.is_paired
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
        as_calibrated = self.settings.steps == card.steps and self.settings.consistency == card.consistency
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
