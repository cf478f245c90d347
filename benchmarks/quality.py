"""
Quality of the bundled models on HMI magnetograms with known truth, against the targets of the default model.

    python benchmarks/quality.py [--data FOLDER] [--models enhance,progressive,default] [--samples 16] [--component los]

Prints the table of ``magsr evaluate`` for every region and their mean with bootstrap intervals, and the targets. Exits with
1 if one is missed.
"""

import argparse
import os
import sys
import warnings
from pathlib import Path

from sunpy_magsr.validation.evaluation import evaluate
from sunpy_magsr.validation.regions import read_regions
from sunpy_magsr.validation.report import ROWS, table

DATA = Path(os.environ.get("MAGSR_DATA", Path(__file__).parents[2] / "shared" / "data"))
#: Key of the number, target, lowest, highest.
RANGES = (
    ("power_ratio_sample_8_4", "power of samples / truth, 8-4 arcsec", 0.92, 1.08),
    ("power_ratio_sample_4_2", "power of samples / truth, 4-2 arcsec", 0.92, 1.08),
    ("power_ratio_sample_2_1.33", "power of samples / truth, 2-1.33 arcsec", 0.92, 1.08),
    ("asinh_power_8_4", "power of asinh(B / 5 G) / truth, 8-4 arcsec", 0.8, 1.2),
    ("asinh_power_4_2", "the same, 4-2 arcsec", 0.8, 1.2),
    ("asinh_power_2_1.33", "the same, 2-1.33 arcsec", 0.8, 1.2),
    ("asinh_power_1.33_1.02", "the same, 1.33-1.02 arcsec", 0.8, 1.2),
    ("speckle_sigma", "second differences of weak field / truth", 0.85, 1.15),
    ("speckle_kurtosis", "their kurtosis / truth", 0.85, 1.15),
    ("spread_skill", "spread / skill", 0.93, 1.07),
    ("spread_skill_strong", "spread / skill above 100 G", 0.93, 1.07),
    ("flux_50", "flux above 50 G (%)", -1.0, 1.0),
    ("flux_100", "flux above 100 G (%)", -1.0, 1.0),
    ("area", "active-region area (%)", -1.0, 1.0),
)


def targets(pooled, rivals):
    """
    What the default model promises, and what it does.

    Parameters
    ----------
    pooled : `dict`
        Of each model, means over the regions by name.
    rivals : `list` of `str`
        The deterministic ones.

    Returns
    -------
    `list` of `tuple`
        Label, number, lowest and highest allowed.
    """
    default = pooled["default"]
    rows = [(label, default[key], low, high) for key, label, low, high in RANGES]
    best = {key: min(pooled[rival][key] for rival in rivals) for key in ("rmse_mean", "mae_mean", "fid")}
    return [
        *rows,
        ("RMSE of the mean / that of the best rival", default["rmse_mean"] / best["rmse_mean"], 0.0, 1.0),
        ("CRPS / MAE of the best rival", default["crps"] / best["mae_mean"], 0.0, 0.74),
        ("Frechet distance of the best rival / that of samples", best["fid"] / default["fid"], 10.0, float("inf")),
    ]


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=DATA / "hmi" / "validation")
    parser.add_argument("--models", default="bicubic,enhance,progressive,default")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--component", default="los", choices=["los", "br"])
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of FITS headers
    regions, _ = read_regions(options.data, component=options.component)
    result = evaluate(regions, options.models.split(","), n_samples=options.samples, progress=True)
    for name, rows in result.numbers.items():
        print(f"\n{name}\n{'':44}" + "".join(f"{region.split('.')[2]:>10}" for region in rows))
        for key, label, decimals in ROWS:
            if all(key in row for row in rows.values()):
                print(f"{label:44}" + "".join(f"{row[key]:10.{decimals}f}" for row in rows.values()))
    print(f"\nmean over {len(regions)} regions with 95 % bootstrap intervals")
    print("\n".join(table(result, interval=True).pformat(max_lines=-1, max_width=-1)))
    rivals = [name for name, card in result.cards.items() if card.is_deterministic]
    if "default" not in result.cards or not rivals:
        return 0
    pooled = {name: {key: value[0] for key, value in result.pooled(name).items()} for name in result.cards}
    is_met = True
    for label, number, low, high in targets(pooled, rivals):
        is_fine = low <= number <= high
        is_met = is_met and is_fine
        print(f"{'met   ' if is_fine else 'MISSED'} {label}: {number:.3f}, wanted {low:g} to {high:g}")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
