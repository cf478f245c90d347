"""Models judged by true pairs of MDI and HMI."""

import dataclasses

import astropy.units as u
import numpy as np
import scipy.ndimage
from astropy.table import QTable, Table

from sunpy_magsr import metrics
from sunpy_magsr.instrument import frame_blur, measure_response, without_bad_pixels
from sunpy_magsr.instrument.gain import to_hmi
from sunpy_magsr.sampling import load_backend
from sunpy_magsr.sampling.consistency import enforcer
from sunpy_magsr.spectral import small_features
from sunpy_magsr.uncertainty import coverage
from sunpy_magsr.validation.predictions import Results
from sunpy_magsr.validation.scores import relative_error

#: Bands of wavelengths, longest and shortest, in arcsec.
PAIR_BANDS = ((16, 8), (8, 4), (4, 2), (2, 4 / 3))
_NAMES = [f"{longest:g}_{shortest:.3g}" for longest, shortest in PAIR_BANDS]
_LABELS = [f'{longest:g}-{shortest:.3g}"' for longest, shortest in PAIR_BANDS]
_THRESHOLDS = (50, 100)
_LEVEL = 0.7
#: Columns of the table: name of the number, label, decimals.
PAIR_ROWS = (
    ("rmse_ratio", "RMSE of the mean / of the scaled input", 3),
    ("correlation", "correlation of the mean", 4),
    ("crps_ratio", "CRPS / MAE of the scaled input", 3),
    ("spread_skill", "spread / skill", 2),
    ("coverage", f"truth in the {100 * _LEVEL:g} % interval (%)", 1),
    *((f"power_{name}", f"power of a sample / HMI, {label}", 2) for name, label in zip(_NAMES, _LABELS, strict=True)),
    *((f"coherence_{name}", f"coherence of the mean, {label}", 2) for name, label in zip(_NAMES, _LABELS, strict=True)),
    *((f"flux_{cut}", f"flux above {cut} G, error (%)", 1) for cut in _THRESHOLDS),
    ("area", "active-region area, error (%)", 1),
)


def judge_pairs(regions, models, *, facts=None, n_samples=8, seed=0, device=None):
    """
    Run models on true pairs and compare their results with HMI.

    Everything is compared on HMI's scale, where the truth is not NaN. Errors are also given relative to those of the *scaled
    input*: MDI interpolated by cubic splines, times the factor with which it fits HMI best. No user knows that factor. The
    mean is that of antithetic pairs, as users get it; spread and CRPS are those of as many independent samples.

    Parameters
    ----------
    regions : `list` of `~sunpy_magsr.validation.Region`
        The pairs, from `~sunpy_magsr.validation.read_published_pairs`.
    models : sequence of `str` or `~sunpy_magsr.validation.Results`
        Names of the models, as for `sunpy_magsr.superresolve`, and results that were made elsewhere.
    facts : `dict`, optional
        Facts about the pairs, from `~sunpy_magsr.validation.read_published_pairs`; results need them.
    n_samples : `int`
        Number of samples of the diffusion models. Defaults to 8.
    seed : `int`
        Seed of the samples. Defaults to 0.
    device : `str`, optional
        The torch device, as for `sunpy_magsr.superresolve`.

    Returns
    -------
    `dict`
        The numbers, ``[model][pair][name]``, with the names in `PAIR_ROWS`. Power, flux and area are those of the first
        sample.
    """
    found = {}
    options = {"facts": facts, "n_samples": n_samples, "seed": seed, "device": device}
    for model in models:
        found[str(model)] = {}
        for region in regions:
            drawn = [draw_members(region, model, independent=kind, **options) for kind in (True, False)]
            found[str(model)][region.name] = _numbers(drawn[0], np.mean(drawn[1], axis=0), region)
    return found


def draw_members(region, model, *, facts=None, n_samples=8, seed=0, device=None, independent=True):
    """Draw samples of a model for the input of a pair, on HMI's scale, or read those that were made elsewhere."""
    if isinstance(model, Results):
        return model.of_region(region, (facts or {}).get(region.name))
    low, _ = without_bad_pixels(region.low)
    low = dataclasses.replace(low, blur=frame_blur(low, np.ones(low.data.shape)))  # Images without coordinates.
    backend = load_backend(model, instrument=low.instrument)
    count = 1 if backend.card.is_deterministic else n_samples
    enforce = enforcer(low, backend.card, backend.card.consistency)
    options = {"steps": None, "device": device, "batch_size": None, "progress": False, "independent": independent}
    share = 1 if independent else 2  # partners share the gain
    return [
        enforce(drawn)
        if backend.card.calibration == "hmi"
        else to_hmi(enforce(drawn), low.data, sample=number // share)
        for number, drawn in enumerate(backend.samples(low, n_samples=count, seed=seed, **options))
    ]


def scaled_input(region):
    """MDI interpolated by cubic splines to the pixels of the truth, times the factor with which it fits the truth best."""
    factor = region.truth.shape[0] // region.low.data.shape[0]
    data = scipy.ndimage.zoom(region.low.data.astype(float), factor, order=3, grid_mode=True, mode="nearest")
    known = np.isfinite(region.truth)
    return data * (data * region.truth)[known].sum() / (data**2)[known].sum()


def _numbers(members, mean, region):
    truth, known = region.truth, np.isfinite(region.truth)
    rows, columns = (slice(where[0], where[-1] + 1) for where in (np.flatnonzero(known.any(axis)) for axis in (1, 0)))
    truth = truth[rows, columns].astype(float)
    members = [member[rows, columns].astype(float) for member in members]
    yardstick = scaled_input(region)[rows, columns]
    mean = mean[rows, columns].astype(float)
    scale = {"plate_scale": region.plate_scale}
    numbers = {
        "rmse_ratio": float(metrics.rmse(mean, truth) / metrics.rmse(yardstick, truth)),
        "correlation": float(metrics.pearson(mean, truth)),
        "crps_ratio": float(metrics.crps(members, truth) / metrics.mae(yardstick, truth)),
        "area": relative_error(metrics.active_region_area_error, members[0], truth, **scale),
    }
    if len(members) > 1:
        numbers["spread_skill"] = float(metrics.spread_skill(members, truth))
        if (len(members) - 1) / (len(members) + 1) >= _LEVEL:
            numbers["coverage"] = 100 * float(coverage(members, truth, level=_LEVEL))
    segment = min(truth.shape) * region.plate_scale[0].to_value(u.arcsec / u.pix)
    for name, band in zip(_NAMES, PAIR_BANDS, strict=True):
        options = {"band": band * u.arcsec, "segment": segment, **scale}
        numbers[f"power_{name}"] = float(small_features([members[0]], truth, **options).power_ratio)
        numbers[f"coherence_{name}"] = float(small_features([mean], truth, **options).coherence)
    for cut in _THRESHOLDS:
        flux = metrics.unsigned_flux_error
        numbers[f"flux_{cut}"] = relative_error(flux, members[0], truth, threshold=cut * u.G, **scale)
    return numbers


def pair_table(found, facts):
    """Put the numbers of all pairs and models into a table."""
    rows = []
    for name, of_pairs in found.items():
        for pair, numbers in of_pairs.items():
            rows.append({"pair": facts[pair]["stamp"], "model": name, **numbers})
    first = next(iter(found.values()))
    for pair in first:
        published = facts[pair].get("correlation", {}).get(facts[pair]["stamp"])
        if published is not None:
            model = f"{facts[pair]['source'].split(' ')[0]} (published)"
            rows.append({"pair": facts[pair]["stamp"], "model": model, "correlation": published})
    table = Table()
    table["pair"], table["model"] = ([row[key] for row in rows] for key in ("pair", "model"))
    for key, label, decimals in PAIR_ROWS:
        table[label] = [float(row.get(key, np.nan)) for row in rows]
        table[label].format = f".{decimals}f"
    return table


def response_table(regions, facts):
    """Measure MDI's response on each pair; see `sunpy_magsr.instrument.measure_response`."""
    found = []
    for region in regions:
        valid = region.low.valid
        response = measure_response(
            np.where(valid, region.low.data, np.nan), region.truth, plate_scale=region.plate_scale[0]
        )
        row = {"pair": facts[region.name]["stamp"], **dataclasses.asdict(response)}
        for name in ("shift", "shift_error"):
            row[f"{name}_y"], row[f"{name}_x"] = row.pop(name)
        found.append(row)
    table = QTable(found)
    for name in table.colnames[1:]:
        table[name].info.format = ".3f"
    return table
