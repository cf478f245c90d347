"""Scores of one model on one region, or on one published pair of images."""

import dataclasses

import astropy.units as u
import numpy as np
import scipy.ndimage

from sunpy_magsr import metrics, spectral
from sunpy_magsr.instrument import degrade
from sunpy_magsr.instrument.gain import to_hmi
from sunpy_magsr.instrument.noise import quiet_noise
from sunpy_magsr.maps.field import read_field
from sunpy_magsr.maps.grid import bicubic
from sunpy_magsr.metrics.perceptual import patch_features
from sunpy_magsr.metrics.pixel import asinh_view, speckle
from sunpy_magsr.sampling.consistency import exact
from sunpy_magsr.uncertainty import coverage, reliability
from sunpy_magsr.validation.predictions import draw, draw_members, put_on_scale_of_truth
from sunpy_magsr.validation.regions import as_measured
from sunpy_magsr.validation.texture import LATTICE_BANDS, measure_lattice

#: Bands of wavelengths, longest and shortest, in arcsec. HMI's heliographic maps have hardly any power below the last one.
BANDS = ((8, 4), (4, 2), (2, 4 / 3))
#: Bands for the asinh of the field, which shows speckle in weak field.
ASINH_BANDS = (*BANDS, (4 / 3, 1.02))
#: Bands for published pairs.
PAIR_BANDS = ((16, 8), *BANDS)
#: Thresholds in Gauss. Without one, unsigned flux is mostly that of the noise.
FLUX_THRESHOLDS = (50, 100)
#: Level of the central interval, low enough for 8 samples.
COVERAGE_LEVEL = 0.7
#: Fields of `sunpy_magsr.spectral.SmallFeatures`.
SMALL = ("power_ratio", "coherence", "coherence_error")
#: Band in pixels of the result in which power along the axes is compared. It holds the period of one input pixel.
LATTICE_BAND = LATTICE_BANDS[1]
_STRONG = 100.0
_NETWORK = 15.0
_PANEL_ARCSEC = 60.0


def name_of(band):
    """Name a band in the names of numbers."""
    return "{:.3g}_{:.3g}".format(*band)


def score_region(model, region, *, n_samples, seed, segment, keep_sample=False, device=None):
    """Draw samples of a model, make them consistent with the input, and compare them with the truth."""
    truth, scale = region.truth, {"plate_scale": region.plate_scale}
    options = {**scale, "segment": segment}
    members, on_input, uncorrected = _draw_on_scales(model, region, n_samples, seed, device)
    known = exact(bicubic(region.low.data, model.card.factor), region.low.data)
    known = np.where(np.isnan(truth), np.nan, known if region.gain == 1 else to_hmi(known, region.low.data))
    mean = np.mean(members, axis=0)
    numbers = _average([_of_one(member, truth, scale) for member in members])
    numbers |= {f"{key}_mean": value for key, value in _pixels(mean, truth).items()}
    numbers["pearson_mean"] = metrics.pearson(mean, truth)
    numbers["bias_mean"] = metrics.bias(mean, truth).to_value(u.G)
    numbers |= _of_ensemble(members, truth)
    strong = np.abs(np.nan_to_num(known)) > _STRONG
    if len(members) > 1 and strong.any():
        numbers["spread_skill_strong"] = metrics.spread_skill(members, truth, where=strong)
    if on_input:
        numbers |= _on_input_scale(on_input, np.float32(region.gain) * truth, scale)
    numbers |= _average([_of_features(member, truth, known) for member in members])
    numbers |= _average([_of_speckle(member, truth, known, options) for member in members])
    numbers |= _of_lattice(members[0], truth, region.low.data)
    numbers |= {f"raw_{key}": value for key, value in _average(uncorrected).items()}
    arrays, numbers["resolution_mean"] = _spectra(members, mean, truth, options)
    for kind, fields in (("sample", members), ("mean", [mean])):
        numbers |= _in_bands(kind, fields, truth, BANDS, options)
    if len(members) > 1:
        table = reliability(members, truth)
        arrays |= {"level": np.array(table["level"]), "coverage": np.array(table["coverage"])}
    arrays["features"] = patch_features(members[0])
    arrays["features_truth"] = patch_features(truth)
    if keep_sample:
        arrays["sample"] = np.asarray(members[0], dtype=np.float32)
    window = panel_window(region)
    arrays |= {f"panel_{name}": field[window] for name, field in (("sample", members[0]), ("mean", mean))}
    return {key: float(value) for key, value in numbers.items()}, arrays


def score_pair(model, pair, *, n_samples, seed, device=None):
    """Compare samples for the MDI image of a published pair with the HMI image; see ``evaluate_pairs``."""
    options = {"n_samples": n_samples, "seed": seed, "device": device}
    low = as_measured(pair.low, np.ones(pair.low.data.shape))  # nobody says where on the disk it was
    seen = dataclasses.replace(pair, low=low)
    members, as_users_get_them = (draw_members(model, seen, independent=kind, **options) for kind in (True, False))
    arrays = {"panel_sample": members[0][panel_window(pair)]}
    known = np.isfinite(pair.truth)
    window = tuple(slice(where[0], where[-1] + 1) for where in (np.flatnonzero(known.any(axis)) for axis in (1, 0)))
    truth, yardstick, mean, *members = (
        field[window].astype(float)
        for field in (pair.truth, scaled_input(pair), np.mean(as_users_get_them, axis=0), *members)
    )
    scale = {"plate_scale": pair.plate_scale}
    spectra = {"segment": min(truth.shape) * pair.plate_scale[0].to_value(u.arcsec / u.pix), **scale}
    numbers = {
        "rmse_ratio": metrics.rmse(mean, truth) / metrics.rmse(yardstick, truth),
        "correlation": metrics.pearson(mean, truth),
        "crps_ratio": metrics.crps(members, truth) / metrics.mae(yardstick, truth),
        **_of_ensemble(members, truth),
        **_in_bands("sample", [members[0]], truth, PAIR_BANDS, spectra),
        **_in_bands("mean", [mean], truth, PAIR_BANDS, spectra),
        **_flux(members[0], truth, scale, FLUX_THRESHOLDS),
        "area": _area(members[0], truth, scale),
    }
    return {key: float(value) for key, value in numbers.items()}, arrays


def scaled_input(region):
    """MDI interpolated by cubic splines to the pixels of the truth, times the factor with which it fits the truth best."""
    factor = region.truth.shape[0] // region.low.data.shape[0]
    data = scipy.ndimage.zoom(region.low.data.astype(float), factor, order=3, grid_mode=True, mode="nearest")
    known = np.isfinite(region.truth)
    return data * (data * region.truth)[known].sum() / (data**2)[known].sum()


def _draw_on_scales(model, region, n_samples, seed, device):
    """Samples on the truth's scale, on the input's if that is another one, and numbers of the model's uncorrected output."""
    truth, scale = region.truth, {"plate_scale": region.plate_scale}
    outside = np.isnan(truth)
    members, on_input, uncorrected = [], [], []
    gain = np.float32(region.gain if model.card.calibration == "hmi" else 1)
    for number, fields in enumerate(draw(model, region, n_samples=n_samples, seed=seed, device=device)):
        if region.gain != 1:
            on_input.append(np.where(outside, np.nan, fields[1] * gain))
        raw, member = (
            np.where(outside, np.nan, put_on_scale_of_truth(field, model, region, number=number)) for field in fields
        )
        members.append(member)
        departure = _departure(fields[0], region.low, model.card.factor)
        uncorrected.append(
            {**_pixels(raw, truth), **_flux(raw, truth, scale, FLUX_THRESHOLDS[:1]), "departure": departure}
        )
    return members, on_input, uncorrected


def _average(rows):
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}


def _pixels(field, truth):
    return {
        "psnr": metrics.psnr(field, truth),
        "ssim": metrics.ssim(field, truth),
        "rmse": metrics.rmse(field, truth).to_value(u.G),
        "mae": metrics.mae(field, truth).to_value(u.G),
    }


def _flux(field, truth, scale, thresholds):
    error = metrics.unsigned_flux_error
    return {f"flux_{cut}": _relative_error(error, field, truth, threshold=cut * u.G, **scale) for cut in thresholds}


def _relative_error(function, field, truth, **options):
    """Measure a relative error in per cent, NaN where the truth has none of what is compared."""
    try:
        return float(function(field, truth, **options).value)
    except ValueError:
        return np.nan


def _of_one(member, truth, scale):
    return {
        **_pixels(member, truth),
        **_flux(member, truth, scale, FLUX_THRESHOLDS),
        "lpips": metrics.perceptual_distance(member, truth),
        "area": _area(member, truth, scale),
    }


def _of_ensemble(members, truth):
    numbers = {"crps": metrics.crps(members, truth).to_value(u.G)}
    if len(members) > 1:
        numbers["spread_skill"] = metrics.spread_skill(members, truth)
        if (len(members) - 1) / (len(members) + 1) >= COVERAGE_LEVEL:
            numbers["coverage"] = 100 * coverage(members, truth, level=COVERAGE_LEVEL)
    return numbers


def _of_features(member, truth, known):
    split = metrics.feature_split(member, truth, known, noise=quiet_noise(truth) * u.G)
    return {key: 100 * getattr(split, key) for key in ("improvement", "omission", "hallucination")}


def _of_speckle(member, truth, known, options):
    found = speckle(member, truth, known)
    numbers = {"speckle_sigma": found.sigma, "speckle_kurtosis": found.kurtosis}
    views = [asinh_view(field) for field in (member, truth)]
    for band in ASINH_BANDS:
        ratio = spectral.small_features(*views, band=band * u.arcsec, **options).power_ratio
        numbers[f"asinh_power_{name_of(band)}"] = ratio
    return numbers


def _of_lattice(member, truth, low):
    """Traces of the input's pixels over those of the truth, where the input has network or active regions."""
    factor = truth.shape[0] // low.shape[0]
    strength = scipy.ndimage.uniform_filter(np.abs(np.nan_to_num(low)), 3)
    where = (strength >= _NETWORK).repeat(factor, 0).repeat(factor, 1)
    try:
        found, real = (measure_lattice(field, where=where, factor=factor) for field in (member, truth))
    except ValueError:  # no network
        return {"lattice_axes": np.nan, "lattice_places": np.nan}
    band = LATTICE_BANDS.index(LATTICE_BAND)
    return {
        "lattice_axes": found.axis_ratio[band] / real.axis_ratio[band],
        "lattice_places": found.phases.max() / real.phases.max(),
    }


def _on_input_scale(members, truth, scale):
    """Numbers of a true pair on the scale of its low-resolution instrument, by the gain of that pair."""
    numbers = _average(
        [{**_flux(one, truth, scale, FLUX_THRESHOLDS), "area": _area(one, truth, scale)} for one in members]
    )
    numbers |= {"rmse": metrics.rmse(np.mean(members, axis=0), truth).to_value(u.G)}
    numbers |= {"crps": metrics.crps(members, truth).to_value(u.G)}
    return {f"input_scale_{key}": value for key, value in numbers.items()}


def _area(field, truth, scale):
    return _relative_error(metrics.active_region_area_error, field, truth, **scale)


def _departure(field, low, factor):
    """Root mean square difference of the block means from the input, Gauss."""
    difference = (degrade(field, factor=factor) - low.data)[low.valid]
    return float(np.sqrt(np.nanmean(difference**2)))


def _spectra(members, mean, truth, options):
    power = [spectral.power_spectrum(member, **options) for member in members]
    reference = spectral.power_spectrum(truth, **options)
    of_sample = [spectral.coherence(member, truth, **options) for member in members]
    of_mean = spectral.coherence(mean, truth, **options)
    arrays = {
        "wavenumber": reference.wavenumber.to_value(1 / u.arcsec),
        "n_modes": reference.n_modes,
        "power": np.mean([spectrum.value.value for spectrum in power], axis=0),
        "power_error": power[0].error.value,
        "power_truth": reference.value.value,
        "power_truth_error": reference.error.value,
        "coherence": np.mean([spectrum.value for spectrum in of_sample], axis=0),
        "coherence_mean": of_mean.value,
        "coherence_error": of_mean.error,
    }
    return arrays, spectral.effective_resolution(of_mean).to_value(u.arcsec)


def _in_bands(kind, fields, truth, bands, options):
    numbers = {}
    for band in bands:
        found = spectral.small_features(fields, truth, band=band * u.arcsec, **options)
        numbers |= {f"{key}_{kind}_{name_of(band)}": getattr(found, key) for key in SMALL}
    return numbers


def panel_window(region):
    """
    Choose the detail for a picture: the window of 60 arcsec with the strongest gradients.

    It consists of whole input pixels.
    """
    scales, shape = read_field(region.truth, plate_scale=region.plate_scale).arcsec[::-1], region.truth.shape
    sides = [min(4 * round(_PANEL_ARCSEC / scale / 4), size) for scale, size in zip(scales, shape, strict=True)]
    slope = np.hypot(*np.gradient(np.nan_to_num(region.truth)))
    inner = scipy.ndimage.uniform_filter(slope, sides, mode="constant")
    window = []
    for place, side, size in zip(np.unravel_index(np.argmax(inner), inner.shape), sides, shape, strict=True):
        corner = min(max(0, place - side // 2), size - side) // 4 * 4
        window.append(slice(corner, corner + side))
    return tuple(window)
