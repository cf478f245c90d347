"""
Quality of the bundled models on HMI magnetograms with known truth, against the targets of the default model.

    python benchmarks/quality.py [--data FOLDER] [--models bicubic,default] [--samples 8] [--component los]

Prints the table of ``magsr evaluate`` for every region and their mean. Exits with 1 if a target is missed.
"""

import argparse
import os
import sys
import warnings
from pathlib import Path

from sunpy_magsr.validation.evaluate import evaluate
from sunpy_magsr.validation.regions import read_regions
from sunpy_magsr.validation.report import ROWS, table

DATA = Path(os.environ.get("MAGSR_DATA", Path(__file__).parents[2] / "shared" / "data"))


def targets(pooled):
    """What the default model promised, and whether the numbers keep it."""
    default, bicubic = ({key: value[0] for key, value in pooled[name].items()} for name in ("default", "bicubic"))
    gain = 100 * (1 - default["rmse_mean"] / bicubic["rmse_mean"])
    return {
        f"power 8-4 arcsec within 10 %: {default['power_ratio_sample_8_4']:.3f}": abs(
            default["power_ratio_sample_8_4"] - 1
        )
        < 0.1,
        f"power 4-2 arcsec in 0.6-1.3: {default['power_ratio_sample_4_2']:.3f}": 0.6
        < default["power_ratio_sample_4_2"]
        < 1.3,
        f"RMSE of the mean at least 5 % below bicubic: {gain:.1f} %": gain > 5,
    }


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=DATA / "hmi" / "validation")
    parser.add_argument("--models", default="bicubic,default")
    parser.add_argument("--samples", type=int, default=8)
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
    if not {"default", "bicubic"} <= set(result.cards):
        return 0
    met = targets({name: result.pooled(name) for name in ("default", "bicubic")})
    for name, is_met in met.items():
        print(f"{'met   ' if is_met else 'MISSED'} {name}")
    return 0 if all(met.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
