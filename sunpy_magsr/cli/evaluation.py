"""The ``magsr evaluate`` command."""

import io
import logging
import sys
import warnings
from pathlib import Path

import numpy as np
from astropy.table import Table

from sunpy_magsr.atomic import whole_file
from sunpy_magsr.backends import load_backend
from sunpy_magsr.cli.arguments import output_folder
from sunpy_magsr.options import check_options
from sunpy_magsr.validation.evaluate import MODELS
from sunpy_magsr.validation.evaluate import evaluate as run
from sunpy_magsr.validation.pairs import read_pairs
from sunpy_magsr.validation.regions import read_regions

__all__ = ["evaluate"]


def evaluate(options):
    """Measure every model on every magnetogram. A run that was interrupted goes on."""
    logging.getLogger("sunpy").setLevel(logging.ERROR)
    check_options(n_samples=options.samples, seed=options.seed, steps=None, batch_size=None)
    models = [name.strip() for name in options.models.split(",")] if options.models else MODELS
    for model in models:
        load_backend(model)  # A wrong name is reported before the data are read.
    for name, value in (("--data", options.data), ("--paired", options.paired), ("--pairs", options.pairs)):
        if value is not None and not Path(value).is_dir():
            msg = f"{name} must be a folder, got {value!r}."
            raise ValueError(msg)
    folder = output_folder(options)
    if options.pairs is not None:
        return _judge(options, models, folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of FITS headers; what cannot be read is reported below
        if options.paired is None:
            regions, failed = read_regions(options.data, component=options.component)
        else:
            regions, failed = read_pairs(options.data, options.paired, component=options.component)
        result = run(
            regions,
            models,
            n_samples=options.samples,
            seed=options.seed,
            folder=folder,
            device=options.device,
            progress=True,
        )
    _report(result, folder, failed)
    failed |= result.failed
    for name, why in failed.items():
        sys.stderr.write(f"magsr: {name}: {why}\n")
    return 1 if failed else 0


def _judge(options, models, folder):
    """Measure the models on pairs of images."""
    from sunpy_magsr.validation.figures import draw_pairs
    from sunpy_magsr.validation.judged import judge_pairs, pair_table, response_table
    from sunpy_magsr.validation.published import read_published_pairs

    regions, facts, failed = read_published_pairs(options.pairs)
    found = judge_pairs(regions, models, n_samples=options.samples, seed=options.seed, device=options.device)
    table, responses = pair_table(found, facts), response_table(regions, facts)
    products = []
    turned = _turned(table)
    files = {"pairs.csv": table, "pairs.ecsv": table, "pairs.rst": turned, "response.ecsv": responses}
    for name, what in files.items():
        stream = io.StringIO()
        what.write(stream, format=f"ascii.{name.split('.')[1]}")
        with whole_file(folder / name) as target:
            target.write(stream.getvalue().encode())
        products.append(folder / name)
    products.append(folder / "pairs.png")
    draw_pairs(regions, models, products[-1], seed=options.seed, device=options.device)
    count = len(regions)
    title = f"{count} true pair{'s' if count > 1 else ''}, HMI's scale; {options.samples} samples, seed {options.seed}."
    lines = [
        *turned.pformat(max_lines=-1, max_width=-1, align=["<", *[">"] * len(table)]),
        *responses.pformat(max_lines=-1, max_width=-1),
    ]
    sys.stdout.write("\n".join([title, *lines, *map(str, products)]) + "\n")
    for name, why in failed.items():
        sys.stderr.write(f"magsr: {name}: {why}\n")
    return 1 if failed else 0


def _turned(table):
    """The table with one line for each quantity, as people read it."""
    turned = Table()
    names = [name for name in table.colnames if name not in ("pair", "model")]
    turned["quantity"] = names
    for row in table:
        cells = ["-" if np.isnan(row[name]) else format(row[name], table[name].format) for name in names]
        turned[f"{row['pair'][:13]} {row['model']}"] = cells
    return turned


def _report(result, folder, failed):
    from sunpy_magsr.validation.figures import draw_figures
    from sunpy_magsr.validation.report import table, write_report

    lines = table(result).pformat(max_lines=-1, max_width=-1, align=["<", *[">"] * len(result.cards)])
    count = len(result.regions)
    samples = result.settings["n_samples"]
    title = (
        f"Mean over {count} region{'s' if count > 1 else ''}; {samples} sample{'s' if samples > 1 else ''}, seed "
        f"{result.settings['seed']}; spectra over squares of {result.settings['segment']:.0f} arcsec."
    )
    products = [*write_report(result, folder, failed=failed), *draw_figures(result, folder)]
    sys.stdout.write("\n".join([title, *lines, *map(str, products)]) + "\n")
