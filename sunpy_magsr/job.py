"""One super-resolution: what goes in, the fields that come out, and the maps made of them."""

import dataclasses

import astropy.units as u
import numpy as np
from astropy.nddata import StdDevUncertainty

from sunpy_magsr import consistency as consistency_step
from sunpy_magsr.backends import load_backend
from sunpy_magsr.exceptions import warn_user
from sunpy_magsr.forward_model import input_noise, without_bad_pixels
from sunpy_magsr.intercalibration import to_hmi
from sunpy_magsr.memory import check_memory
from sunpy_magsr.metadata import finer_header, provenance
from sunpy_magsr.options import (
    check_bad_pixels,
    check_calibration,
    check_noise_lifetime,
    check_options,
    check_plate_scale,
    output_ratio,
    width_in_pixels,
)
from sunpy_magsr.prep import prepare
from sunpy_magsr.prep.checks import warn_if_untrained
from sunpy_magsr.prep.disk import limb_cosine
from sunpy_magsr.prep.exposure import observation_time
from sunpy_magsr.prep.grid import resample, resampled_size
from sunpy_magsr.prep.wcs import plate_scale as plate_scale_of
from sunpy_magsr.prep.wcs import unread_roll
from sunpy_magsr.solar_noise import SolarNoise
from sunpy_magsr.training_range import outside_training, warn_if_outside
from sunpy_magsr.uncertainty.calibration import Calibration
from sunpy_magsr.uncertainty.facts import Facts
from sunpy_magsr.version import version

__all__ = ["Job"]

_TOLD = (
    "seed",
    "n_samples",
    "steps",
    "calibration",
    "consistency",
    "psf_fwhm",
    "bad_pixels",
    "noise_lifetime",
)  # in the header


@dataclasses.dataclass
class Job:
    """
    One super-resolution.

    Attributes
    ----------
    smap : `sunpy.map.GenericMap`
        The input; never changed.
    magnetogram : `~sunpy_magsr.prep.Magnetogram`
        Its array form.
    backend : `~sunpy_magsr.backends.base.Backend`
        The model.
    ratio : `tuple` of `float`
        Output pixels along one input pixel, in x and y.
    settings : `dict`
        ``n_samples``, ``seed``, ``steps``, ``consistency``, ``calibration`` and the backend's ``device``,
        ``batch_size`` and ``progress``.
    """

    smap: object
    magnetogram: object
    backend: object
    ratio: tuple
    settings: dict

    @classmethod
    def open(
        cls,
        smap,
        *,
        model,
        n_samples,
        seed,
        plate_scale,
        steps,
        consistency,
        calibrate,
        psf_fwhm=None,
        bad_pixels="mask",
        component=None,
        noise_lifetime=None,
        kept=1,
        **machine,
    ):
        """Check everything that can be checked before the work begins; see `sunpy_magsr.superresolve`."""
        check_options(n_samples=n_samples, seed=seed, steps=steps, batch_size=machine["batch_size"])
        check_plate_scale(plate_scale)
        check_bad_pixels(bad_pixels)
        magnetogram, count = prepare(smap, component=component), 0
        if bad_pixels == "mask":
            magnetogram, count = without_bad_pixels(magnetogram)
            if count:
                warn_user(
                    f"smap has {count} bad pixel{'s' if count > 1 else ''} (hits, dead or constant pixels, saturation), "
                    "which are masked and NaN in the result; bad_pixels='keep' takes them for measurements.",
                    stacklevel=3,
                )
        if psf_fwhm is not None:
            magnetogram = dataclasses.replace(magnetogram, psf_fwhm=width_in_pixels(psf_fwhm, magnetogram))
        backend = load_backend(model, instrument=magnetogram.instrument, progress=machine["progress"])
        card = backend.card
        if card.is_deterministic and n_samples > 1:
            msg = f"n_samples must be 1 for the deterministic model {card.name!r}, got {n_samples}."
            raise ValueError(msg)
        check_noise_lifetime(noise_lifetime, card)
        settings = {
            "n_samples": int(n_samples),
            "seed": int(seed),
            "steps": 0 if card.is_deterministic else int(steps or card.steps),
            "consistency": consistency_step.check(consistency, card),
            "calibration": check_calibration(calibrate, magnetogram, card),
            "psf_fwhm": None if psf_fwhm is None else float(psf_fwhm.to_value(u.arcsec)),
            "bad_pixels": count,
            "noise_lifetime": None if noise_lifetime is None or card.is_deterministic else noise_lifetime.to_value(u.s),
            **machine,
        }
        warn_if_untrained(magnetogram, card)
        warn_if_outside(magnetogram, card)
        if card.fixed_steps and settings["steps"] != card.steps:
            warn_user(
                f"The model {card.name!r} was trained to draw samples in {card.steps} steps; what it draws in "
                f"{settings['steps']} has another spread and another power.",
                stacklevel=3,
            )
        roll = unread_roll(smap)
        if roll is not None:
            warn_user(
                f"smap has SOLAR_P0 = {-roll} and no CROTA2, so sunpy takes north to be up; the result has CROTA2 = {roll}.",
                stacklevel=3,
            )
        ratio = output_ratio(magnetogram, plate_scale, card.factor)
        check_memory(*magnetogram.data.shape, ratio, card.factor, members=kept)
        job = cls(smap, magnetogram, backend, ratio, settings)
        job._check_class()
        return job

    @property
    def _sizes(self):
        """Output size and offset along x and y."""
        rows, columns = self.magnetogram.data.shape
        return [resampled_size(side, ratio) for side, ratio in zip((columns, rows), self.ratio, strict=True)]

    @property
    def valid(self):
        """Output pixels whose center lies in a measured input pixel, bool ``[Y, X]``."""
        return self.on_output(self.magnetogram.valid)

    def on_output(self, low):
        """Values ``[y, x]`` of the input pixels that hold the centers of the output's."""
        x, y = (
            np.minimum(((np.arange(size) + 0.5 + offset) / ratio).astype(int), side - 1)
            for (size, offset), ratio, side in zip(
                self._sizes, self.ratio, reversed(self.magnetogram.data.shape), strict=True
            )
        )
        return low[np.ix_(y, x)]

    def condition(self, axis):
        """One of `~sunpy_magsr.uncertainty.calibration.AXES`, of each input pixel ``[y, x]`` or as a number of all."""
        if axis == "date":
            return float(observation_time(self.smap).decimalyear)
        if axis == "noise":
            return input_noise(self.magnetogram)
        return np.abs(self.magnetogram.data) if axis == "field" else limb_cosine(self.smap)

    def facts(self):
        """What an ensemble of this job's fields should know: `~sunpy_magsr.uncertainty.facts.Facts`."""
        card = self.backend.card
        as_calibrated = self.settings["steps"] == card.steps and self.settings["consistency"] == card.consistency
        kind = "radial" if self.magnetogram.is_radial else "los"
        known = card.intervals.get(kind, {}) if as_calibrated else {}
        calibrations = {name: Calibration.of(facts) for name, facts in known.items()}
        used = {axis for calibration in calibrations.values() for axis in calibration.edges}
        conditions = {axis: self.condition(axis) for axis in used}
        valid = self.magnetogram.valid
        return Facts(
            calibrations=calibrations,
            make_strata=lambda calibration: self.on_output(calibration.strata(conditions, valid.shape)),
            make_untrained=lambda: self.on_output(outside_training(self.magnetogram, limb_cosine(self.smap), card)),
            frame={
                axis: float(np.nanmedian(np.broadcast_to(value, valid.shape)[valid]))
                for axis, value in conditions.items()
            },
        )

    def fields(self):
        """Yield the samples: float32 Gauss ``[Y, X]`` on the output grid, NaN where nothing was measured."""
        valid = self.valid
        for number, field in enumerate(self.native_fields()):
            yield self.finished(field, number, valid=valid)

    def native_fields(self):
        """Yield the samples on the model's own grid: Gauss ``[f y, f x]`` on the model's scale, without NaN."""
        enforce = consistency_step.enforcer(self.magnetogram, self.backend.card, self.settings["consistency"])
        machine = {key: self.settings[key] for key in ("device", "batch_size", "progress")}
        if self.settings["noise_lifetime"] is not None:
            machine["noise"] = SolarNoise(self.smap, self.magnetogram, self.settings["noise_lifetime"])
        drawn = self.backend.samples(
            self.magnetogram,
            n_samples=self.settings["n_samples"],
            seed=self.settings["seed"],
            steps=self.settings["steps"],
            **machine,
        )
        return map(enforce, drawn)

    def finished(self, field, number, *, valid):
        """One of the `native_fields` on the result's scale and grid, with NaN where nothing is `valid`."""
        factor = self.backend.card.factor
        if self.settings["calibration"] != self.backend.card.calibration:
            field = to_hmi(field, self.magnetogram.data, sample=number)
        if any(ratio != factor for ratio in self.ratio):
            field = resample(field, [ratio / factor for ratio in self.ratio])
        return np.where(valid, field, np.float32(np.nan))

    def describes(self, header):
        """Whether a header is that of a result of this job, whatever its statistic and the version."""
        rows, columns = self.valid.shape
        expected = self._header((rows, columns), "")
        cards = ("mod", "sha", "sed", "ns", "stp", "cal", "bad", "psf", "nlt")
        cards = (*(f"magsr{card}" for card in cards), "crpix1", "crpix2", "date-obs")
        return (header["naxis1"], header["naxis2"]) == (columns, rows) and all(
            header.get(card) == expected.get(card) for card in cards
        )

    def _header(self, shape, statistic):
        (_, offset_x), (_, offset_y) = self._sizes
        header = finer_header(self.smap, self.ratio, (offset_x, offset_y), shape)
        settings = {key: self.settings[key] for key in _TOLD}
        cards = provenance(self.backend.card, version=version, statistic=statistic, **settings)
        earlier = str(header.pop("history", "") or "").strip()
        return {**header, **cards, "history": f"{earlier}\n{cards['history']}".strip()}

    def _check_class(self):
        """Raise for a class of Map that does not read of the result's header what it should."""
        advice = "make a sunpy.map.GenericMap of its data, with a header that holds its WCS."
        name = type(self.smap).__name__
        try:
            probe = type(self.smap)(np.zeros((2, 2)), self._header((2, 2), ""))
        except Exception as error:
            msg = (
                f"smap must be of a class that takes the header of a result, got {name}, which says: {error}; {advice}"
            )
            raise ValueError(msg) from error
        wanted = [scale / ratio for scale, ratio in zip(plate_scale_of(self.smap), self.ratio, strict=True)]
        if not all(u.isclose(*pair, rtol=1e-6) for pair in zip(plate_scale_of(probe), wanted, strict=True)):
            msg = f"smap must be of a class that reads its plate scale from CDELT, got {name}; {advice}"
            raise ValueError(msg)
        if not u.isclose(probe.rsun_obs, self.smap.rsun_obs, rtol=1e-6):
            msg = f"smap must be of a class that reads the Sun's radius in arcsec, not in pixels, got {name}; {advice}"
            raise ValueError(msg)

    def map(self, data, statistic, *, std=None, flagged=None):
        """
        A Map of the input's class.

        Parameters
        ----------
        data : `numpy.ndarray`
            Gauss ``[Y, X]``.
        statistic : `str`
            What it is, for the header.
        std : `numpy.ndarray`, optional
            Standard deviation in Gauss, for the map's ``uncertainty``.
        flagged : `numpy.ndarray`, optional
            bool ``[Y, X]``: what to mask beside the missing.

        Returns
        -------
        `sunpy.map.GenericMap`
            With mask and provenance.
        """
        uncertainty = None if std is None else StdDevUncertainty(std, unit=u.G)
        header = self._header(data.shape, statistic)
        mask = ~self.valid if flagged is None else ~self.valid | flagged
        return type(self.smap)(data, header, mask=mask, uncertainty=uncertainty)
