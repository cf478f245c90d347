"""One super-resolution: what goes in, the fields that come out, and the maps made of them."""

import dataclasses
import math
import numbers

import astropy.units as u
import numpy as np
from astropy.nddata import StdDevUncertainty

from sunpy_magsr import consistency as consistency_step
from sunpy_magsr.backends import load_backend
from sunpy_magsr.exceptions import warn_user
from sunpy_magsr.forward_model import without_bad_pixels
from sunpy_magsr.intercalibration import to_hmi
from sunpy_magsr.metadata import finer_header, provenance
from sunpy_magsr.prep import prepare
from sunpy_magsr.prep.checks import warn_if_transverse, warn_if_untrained
from sunpy_magsr.prep.grid import resample, resampled_size
from sunpy_magsr.prep.wcs import plate_scale as plate_scale_of
from sunpy_magsr.prep.wcs import unread_roll
from sunpy_magsr.version import version

__all__ = ["Job", "check_options", "check_plate_scale"]

_LARGEST_SEED = 2**63
_TOLD = ("seed", "n_samples", "steps", "calibration", "consistency", "psf_fwhm", "bad_pixels")  # in the header
_LARGEST_WIDTH = 5.0  # arcsec
_MOST_PIXELS = 1e9  # of the output: 4 GB, and several times that on the way
_LEAST_RATIO = 1.1  # of the input's plate scale and the output's
_CEA_PIXEL = 2 * u.arcsec  # what 0.12 deg subtends at disk center


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
        **machine,
    ):
        """Check everything that can be checked before the work begins; see `sunpy_magsr.superresolve`."""
        check_options(n_samples=n_samples, seed=seed, steps=steps, batch_size=machine["batch_size"])
        check_plate_scale(plate_scale)
        _check_bad_pixels(bad_pixels)
        magnetogram, count = prepare(smap), 0
        if bad_pixels == "mask":
            magnetogram, count = without_bad_pixels(magnetogram)
            if count:
                warn_user(
                    f"smap has {count} bad pixel{'s' if count > 1 else ''} (hits, dead or constant pixels, saturation), "
                    "which are masked and NaN in the result; bad_pixels='keep' takes them for measurements.",
                    stacklevel=3,
                )
        if psf_fwhm is not None:
            magnetogram = dataclasses.replace(magnetogram, psf_fwhm=_width_in_pixels(psf_fwhm, magnetogram))
        backend = load_backend(model, instrument=magnetogram.instrument, progress=machine["progress"])
        card = backend.card
        if card.is_deterministic and n_samples > 1:
            msg = f"n_samples must be 1 for the deterministic model {card.name!r}, got {n_samples}."
            raise ValueError(msg)
        settings = {
            "n_samples": int(n_samples),
            "seed": int(seed),
            "steps": 0 if card.is_deterministic else int(steps or card.steps),
            "consistency": consistency_step.check(consistency, card),
            "calibration": _check_calibration(calibrate, magnetogram, card),
            "psf_fwhm": None if psf_fwhm is None else float(psf_fwhm.to_value(u.arcsec)),
            "bad_pixels": count,
            **machine,
        }
        warn_if_untrained(magnetogram, card)
        warn_if_transverse(smap)
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
        job = cls(smap, magnetogram, backend, _ratio(magnetogram, plate_scale, card.factor), settings)
        job._check_scale()
        return job

    @property
    def _sizes(self):
        """Output size and offset along x and y."""
        rows, columns = self.magnetogram.data.shape
        return [resampled_size(side, ratio) for side, ratio in zip((columns, rows), self.ratio, strict=True)]

    @property
    def valid(self):
        """Output pixels whose center lies in a measured input pixel, bool ``[Y, X]``."""
        x, y = (
            np.minimum(((np.arange(size) + 0.5 + offset) / ratio).astype(int), side - 1)
            for (size, offset), ratio, side in zip(
                self._sizes, self.ratio, reversed(self.magnetogram.data.shape), strict=True
            )
        )
        return self.magnetogram.valid[np.ix_(y, x)]

    def fields(self):
        """Yield the samples: float32 Gauss ``[Y, X]`` on the output grid, NaN where nothing was measured."""
        valid = self.valid
        factor = self.backend.card.factor
        enforce = consistency_step.enforcer(self.magnetogram, self.backend.card, self.settings["consistency"])
        machine = {key: self.settings[key] for key in ("device", "batch_size", "progress")}
        drawn = self.backend.samples(
            self.magnetogram,
            n_samples=self.settings["n_samples"],
            seed=self.settings["seed"],
            steps=self.settings["steps"],
            **machine,
        )
        for number, high in enumerate(drawn):
            field = enforce(high)
            if self.settings["calibration"] != self.backend.card.calibration:
                field = to_hmi(field, self.magnetogram.data, sample=number)
            if any(ratio != factor for ratio in self.ratio):
                field = resample(field, [ratio / factor for ratio in self.ratio])
            field[~valid] = np.nan
            yield field

    def describes(self, header):
        """Whether a header is that of a result of this job, whatever its statistic and the version."""
        rows, columns = self.valid.shape
        expected = self._header((rows, columns), "")
        cards = ("mod", "sha", "sed", "ns", "stp", "cal", "bad", "psf")
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

    def _check_scale(self):
        """Raise for a class of Map that does not read its plate scale where the header of the result says it."""
        probe = type(self.smap)(np.zeros((2, 2)), self._header((2, 2), ""))
        wanted = [scale / ratio for scale, ratio in zip(plate_scale_of(self.smap), self.ratio, strict=True)]
        if not all(u.isclose(*pair, rtol=1e-6) for pair in zip(plate_scale_of(probe), wanted, strict=True)):
            msg = (
                f"smap must be of a class that reads its plate scale from CDELT, got {type(self.smap).__name__}; "
                "make a sunpy.map.GenericMap of its data, with a header that holds its WCS."
            )
            raise ValueError(msg)

    def map(self, data, statistic, *, std=None):
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

        Returns
        -------
        `sunpy.map.GenericMap`
            With mask and provenance.
        """
        uncertainty = None if std is None else StdDevUncertainty(std, unit=u.G)
        header = self._header(data.shape, statistic)
        return type(self.smap)(data, header, mask=~self.valid, uncertainty=uncertainty)


def _ratio(magnetogram, plate_scale, factor):
    if plate_scale is None or magnetogram.is_cea:
        return (float(factor), float(factor))
    ratio = tuple(float((scale / plate_scale).to_value(u.one)) for scale in magnetogram.plate_scale)
    if min(ratio) < _LEAST_RATIO:
        msg = (
            f"plate_scale must be at least {_LEAST_RATIO} times finer than that of smap, {magnetogram.plate_scale[0]:.4g}, got {plate_scale:.4g}; "
            f"plate_scale=None gives pixels {factor} times finer."
        )
        raise ValueError(msg)
    rows, columns = (side * along for side, along in zip(magnetogram.data.shape, reversed(ratio), strict=True))
    if rows * columns > _MOST_PIXELS:
        msg = (
            f"plate_scale must give a result of at most {_MOST_PIXELS:g} pixels, got {plate_scale:.4g} for a map of "
            f"{magnetogram.data.shape} with {magnetogram.plate_scale[0]:.4g}."
        )
        raise ValueError(msg)
    return ratio


def check_options(*, n_samples, seed, steps, batch_size):
    """
    Raise if a number is out of range, whatever the map and the model.

    Parameters
    ----------
    n_samples, seed, steps, batch_size : `int` or `None`
        As for `sunpy_magsr.superresolve`.

    Raises
    ------
    ValueError
        The message names the argument.
    """
    _check_whole("n_samples", n_samples, 1)
    _check_whole("seed", seed, 0, _LARGEST_SEED)
    for name, value in (("steps", steps), ("batch_size", batch_size)):
        if value is not None:
            _check_whole(name, value, 1)


def check_plate_scale(value):
    """Raise unless the value is `None` or a positive, finite Quantity in arcsec/pix."""
    if value is None:
        return
    if not (
        isinstance(value, u.Quantity)
        and value.isscalar
        and value.unit.is_equivalent(u.arcsec / u.pix)
        and math.isfinite(value.value)
        and value.value > 0
    ):
        msg = f"plate_scale must be None or a positive Quantity in arcsec/pix, got {value!r}."
        raise ValueError(msg)


def _check_bad_pixels(value):
    if value not in ("mask", "keep"):
        msg = f"bad_pixels must be 'mask' or 'keep', got {value!r}."
        raise ValueError(msg)


def _width_in_pixels(psf_fwhm, magnetogram):
    """Width of a point-spread function that the user knows, in input pixels."""
    is_width = isinstance(psf_fwhm, u.Quantity) and psf_fwhm.isscalar and psf_fwhm.unit.is_equivalent(u.arcsec)
    if not is_width or not 0 <= psf_fwhm.to_value(u.arcsec) <= _LARGEST_WIDTH:
        msg = f"psf_fwhm must be None or an angle from 0 to {_LARGEST_WIDTH:g} arcsec, got {psf_fwhm!r}."
        raise ValueError(msg)
    pixel = _CEA_PIXEL if magnetogram.is_cea else magnetogram.plate_scale[0] * u.pix
    return float((psf_fwhm / pixel).to_value(u.one))


def _check_whole(name, value, lowest, below=math.inf):
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or not lowest <= value < below:
        limit = f" and below 2**{round(math.log2(below))}" if below < math.inf else ""
        msg = f"{name} must be a whole number of at least {lowest}{limit}, got {value!r}."
        raise ValueError(msg)


def _check_calibration(calibrate, magnetogram, card):
    """Scale of the result; that of a model which declares one is never changed."""
    if calibrate not in (None, "hmi"):
        msg = f"calibrate must be None or 'hmi', got {calibrate!r}."
        raise ValueError(msg)
    if calibrate is None or card.calibration == calibrate:
        return card.calibration
    if magnetogram.instrument != "MDI":
        msg = f"calibrate='hmi' must be used with MDI input, got a map from {magnetogram.instrument}."
        raise ValueError(msg)
    return calibrate
