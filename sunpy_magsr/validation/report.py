"""The tables of an evaluation: for the terminal, for papers and for machines."""

import dataclasses
import io
import json
import platform
import sys
from importlib.metadata import version as installed
from pathlib import Path

import numpy as np
from astropy.table import QTable, Table

from sunpy_magsr._files import whole_file
from sunpy_magsr.instrument import measure_response
from sunpy_magsr.metrics.perceptual import LABEL
from sunpy_magsr.validation.scores import (
    ASINH_BANDS,
    BANDS,
    COVERAGE_LEVEL,
    FLUX_THRESHOLDS,
    LATTICE_BAND,
    PAIR_BANDS,
    name_of,
)
from sunpy_magsr.version import version


def _in_bands(number, label, bands):
    """Rows of a number that is measured in bands."""
    return [(f"{number}_{name_of(band)}", label + ', {:.3g}-{:.3g}"'.format(*band), 2) for band in bands]


#: Rows of the table: name of the number, label, decimals.
ROWS = (
    ("psnr", "PSNR of a sample (dB)", 2),
    ("psnr_mean", "PSNR of the mean (dB)", 2),
    ("ssim", "SSIM of a sample", 4),
    ("ssim_mean", "SSIM of the mean", 4),
    ("lpips", f"LPIPS ({LABEL})", 4),
    ("fid", f"1000 FID ({LABEL})", 3),
    *((f"flux_{cut}", f"Flux above {cut} G, error (%)", 1) for cut in FLUX_THRESHOLDS),
    ("area", "Active-region area, error (%)", 1),
    ("rmse", "RMSE of a sample (G)", 2),
    ("rmse_mean", "RMSE of the mean (G)", 2),
    ("mae_mean", "MAE of the mean (G)", 2),
    ("bias_mean", "Bias of the mean (G)", 3),
    ("pearson_mean", "Correlation of the mean", 4),
    ("crps", "CRPS (G)", 2),
    *_in_bands("power_ratio_sample", "Power / truth", BANDS),
    *_in_bands("asinh_power", "Power / truth of asinh(B / 5 G)", ASINH_BANDS),
    ("speckle_sigma", "Second differences of weak field / truth", 2),
    ("speckle_kurtosis", "Their kurtosis / truth", 2),
    ("lattice_axes", f"Power along axes over diagonals, {LATTICE_BAND[0]}-{LATTICE_BAND[1]} pixels, / truth", 2),
    ("lattice_places", "Most detail at one place in input pixels / truth", 2),
    ("two_samples", "A network tells a sample from the truth (AUC)", 3),
    *_in_bands("coherence_sample", "Coherence of a sample", BANDS),
    *_in_bands("coherence_mean", "Coherence of the mean", BANDS),
    ("resolution_mean", "Resolution of the mean (arcsec)", 2),
    ("spread_skill", "Spread / skill", 2),
    ("spread_skill_strong", "Spread / skill, input above 100 G", 2),
    ("coverage", f"Truth in the {100 * COVERAGE_LEVEL:g} % interval (%)", 1),
    ("improvement", "Features improved (%)", 0),
    ("omission", "Features omitted (%)", 0),
    ("hallucination", "Features hallucinated (%)", 0),
    ("input_scale_crps", "On the input's scale: CRPS (G)", 2),
    ("input_scale_rmse", "On the input's scale: RMSE of the mean (G)", 2),
    *((f"input_scale_flux_{cut}", f"On the input's scale: flux above {cut} G (%)", 1) for cut in FLUX_THRESHOLDS),
    ("input_scale_area", "On the input's scale: active-region area (%)", 1),
    ("raw_rmse", "RMSE of a sample, uncorrected (G)", 2),
    ("raw_psnr", "PSNR of a sample, uncorrected (dB)", 2),
    (f"raw_flux_{FLUX_THRESHOLDS[0]}", f"Flux above {FLUX_THRESHOLDS[0]} G, uncorrected (%)", 1),
    ("raw_departure", "Block means, uncorrected, off by (G)", 2),
)
#: Columns of the table of published pairs.
PAIR_COLUMNS = (
    ("rmse_ratio", "RMSE of the mean / of the scaled input", 3),
    ("correlation", "correlation of the mean", 4),
    ("crps_ratio", "CRPS / MAE of the scaled input", 3),
    ("spread_skill", "spread / skill", 2),
    ("coverage", f"truth in the {100 * COVERAGE_LEVEL:g} % interval (%)", 1),
    *_in_bands("power_ratio_sample", "power of a sample / HMI", PAIR_BANDS),
    *_in_bands("coherence_mean", "coherence of the mean", PAIR_BANDS),
    *((f"flux_{cut}", f"flux above {cut} G, error (%)", 1) for cut in FLUX_THRESHOLDS),
    ("area", "active-region area, error (%)", 1),
)
_VERDICTS = {"sample": 'Features below 2", a sample', "mean": 'Features below 2", the mean'}
_PACKAGES = ("numpy", "scipy", "scikit-image", "astropy", "sunpy", "torch", "diffusers")


def table(evaluation, *, interval=False):
    """Make a table of all numbers, with one column for each model."""
    pooled = {name: evaluation.pooled(name) for name in evaluation.cards}
    result = Table()
    rows = [
        row for row in ROWS if not row[0].startswith("input_scale") or any(row[0] in one for one in pooled.values())
    ]
    result["quantity"] = [label for _, label, _ in rows] + list(_VERDICTS.values())
    for name, numbers in pooled.items():
        cells = [_cell(numbers.get(key), decimals, interval) for key, _, decimals in rows]
        result[name] = [*cells, *(evaluation.small_features(name, kind).verdict for kind in _VERDICTS)]
    return result


def _cell(value, decimals, interval):
    if value is None or not np.isfinite(value[0]):
        return "\N{EN DASH}"
    mean, low, high = (f"{number:.{decimals}f}" for number in value)
    return f"{mean} [{low}, {high}]" if interval and np.isfinite(value[1]) else mean


def pair_table(evaluation):
    """Make a table with one row for each published pair and model, and for what its publishers say of their own model."""
    rows = [
        {"pair": pair.stamp, "model": name, **numbers[pair.name]}
        for name, numbers in evaluation.numbers.items()
        for pair in evaluation.regions
        if pair.name in numbers
    ]
    for pair in evaluation.regions:
        published = pair.entry.get("correlation", {}).get(pair.stamp)
        if published is not None:
            model = f"{pair.entry['source'].split(' ')[0]} (published)"
            rows.append({"pair": pair.stamp, "model": model, "correlation": published})
    result = Table({key: [row[key] for row in rows] for key in ("pair", "model")})
    for key, label, decimals in PAIR_COLUMNS:
        result[label] = [float(row.get(key, np.nan)) for row in rows]
        result[label].format = f".{decimals}f"
    return result


def turn(pairs):
    """Turn the table of pairs, so that it has one line for each quantity, as people read it."""
    names = pairs.colnames[2:]
    result = Table({"quantity": names})
    for row in pairs:
        cells = ["-" if np.isnan(row[name]) else format(row[name], pairs[name].format) for name in names]
        result[f"{row['pair'][:13]} {row['model']}"] = cells
    return result


def response_table(pairs):
    """Measure MDI's response on each pair; see `sunpy_magsr.instrument.measure_response`."""
    rows = []
    for pair in pairs:
        reading = np.where(pair.low.valid, pair.low.data, np.nan)
        found = dataclasses.asdict(measure_response(reading, pair.truth, plate_scale=pair.plate_scale[0]))
        for name in ("shift", "shift_error"):
            found[f"{name}_y"], found[f"{name}_x"] = found.pop(name)
        rows.append({"pair": pair.stamp, **found})
    result = QTable(rows)
    for name in result.colnames[1:]:
        result[name].info.format = ".3f"
    return result


def write_tables(folder, tables):
    """Write tables to files of these names, whose suffixes name the formats."""
    for name, one in tables.items():
        stream = io.StringIO()
        one.write(stream, format=f"ascii{Path(name).suffix}")
        with whole_file(Path(folder) / name) as target:
            target.write(stream.getvalue().encode())
    return [Path(folder) / name for name in tables]


def write_report(evaluation, folder, *, failed=None):
    """Write ``table.csv``, ``table.rst`` and ``evaluation.json``."""
    full = table(evaluation, interval=True)
    record = json.dumps(_record(evaluation, {**(failed or {}), **evaluation.failed}), indent=1, allow_nan=False)
    path = Path(folder) / "evaluation.json"
    with whole_file(path) as stream:
        stream.write(f"{record}\n".encode())
    return [*write_tables(folder, {"table.csv": full, "table.rst": full}), path]


def _record(evaluation, failed):
    facts = ("name", "kind", "revision", "sha256", "steps", "where")
    return {
        "versions": {"sunpy_magsr": version, "python": platform.python_version()}
        | {name: installed(name) for name in _PACKAGES},
        "platform": f"{sys.platform} {platform.machine()}",
        "settings": evaluation.settings,
        "perceptual": LABEL,
        "files": {region.name: region.sha256 for region in evaluation.regions},
        "failed": failed,
        "models": {
            name: {fact: getattr(card, fact) for fact in facts} | {"identity": evaluation.identities[name]}
            for name, card in evaluation.cards.items()
        },
        "pooled": {
            name: {
                key: {part: _finite(number) for part, number in zip(("mean", "low", "high"), value, strict=True)}
                for key, value in evaluation.pooled(name).items()
            }
            for name in evaluation.cards
        },
        "regions": {
            name: {region: {key: _finite(value) for key, value in row.items()} for region, row in rows.items()}
            for name, rows in evaluation.numbers.items()
        },
    }


def _finite(value):
    return value if np.isfinite(value) else None
