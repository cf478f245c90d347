"""Numbers that show which of thousands of frames went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.ndimage
from astropy.stats import mad_std

from sunpy_magsr.forward_model import degrade, instrument_of
from sunpy_magsr.metrics.geometry import pixel_areas
from sunpy_magsr.prep.disk import limb_cosine
from sunpy_magsr.prep.field import read_field
from sunpy_magsr.training_range import outside_training

if TYPE_CHECKING:
    from sunpy_magsr.job import Job

__all__ = ["QUALITY", "frame_quality"]

#: The numbers that are measured of each frame, and their units.
QUALITY = {
    "chi_squared": "",  # of the input against what the instrument would have seen of the first sample
    "noise": "G",  # of an input pixel, median
    "blur": "arcsec",  # FWHM of the point-spread function, as it was measured on the frame or given by the plan
    "blur_error": "arcsec",  # its standard error
    "gain": "",  # what the input reads for 1 G of the first sample
    "bad_pixels": "pix",
    "outside": "",  # share of the measured pixels that are unlike what the model was trained on
    "quiet_sigma_in": "G",  # robust standard deviation where the field is weak, of the input
    "quiet_sigma_out": "G",  # the same of the first sample
    "spread": "G",  # standard deviation between the members, median
    "net_flux_in": "Mx",
    "net_flux_out": "Mx",
    "unsigned_flux_in": "Mx",  # above 100 G, of the input
    "unsigned_flux_out": "Mx",  # above 100 G, of the first sample
}
_THRESHOLD = 100.0  # Gauss
_QUIET_FIELD = 30.0  # Gauss, of the mean over 3 x 3 pixels
_WINDOW = 256  # input pixels, in which the blur is fitted
_WIDTHS = 5


def frame_quality(job: Job, native: np.ndarray, sample: np.ndarray, std: np.ndarray | None = None) -> dict[str, float]:
    """
    Measure the quality of one frame.

    Parameters
    ----------
    job : `~sunpy_magsr.job.Job`
        The input, the model and the options.
    native : `numpy.ndarray`
        The first sample in Gauss on the grid of the model, the first of `~sunpy_magsr.job.Job.native_fields`.
    sample : `numpy.ndarray`
        The same sample in Gauss on the grid of the result.
    std : `numpy.ndarray`, optional
        The standard deviation of the samples in Gauss on the grid of the result, if there are several.

    Returns
    -------
    `dict` of `float`
        The numbers that `QUALITY` lists, by name. A number that the frame does not have is NaN.
    """
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
        "bad_pixels": job.settings["bad_pixels"],
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
        seen = degrade(fine, factor=factor, psf_fwhm=factor * width)
        power = (weight * seen**2).sum(dtype=float)
        gain = (weight * low * seen).sum(dtype=float) / power if power else 1.0
        return float((weight * (low - gain * seen) ** 2).sum(dtype=float)), float(width), float(gain)

    _, width, gain = min(map(misfit, widths))
    seen = degrade(native, factor=factor, psf_fwhm=factor * width)
    left = ((magnetogram.data - gain * seen) / error)[magnetogram.valid]
    return gain, float((left**2).mean(dtype=float))
