"""The ``magsr evaluate`` command."""

import io
import logging
import sys
import warnings
from pathlib import Path

import numpy as np
from astropy.table import Table

from sunpy_magsr._files import whole_file
from sunpy_magsr.cli.arguments import output_folder, read_settings
from sunpy_magsr.sampling import load_backend
from sunpy_magsr.validation.disks import find_disks, judge_disks, write_disks
from sunpy_magsr.validation.evaluate import MODELS
from sunpy_magsr.validation.evaluate import evaluate as run
from sunpy_magsr.validation.predictions import Results, check_results
from sunpy_magsr.validation.regions import check_any, read_pairs, read_regions


def evaluate(options):
    """Measure every model on every magnetogram. A run that was interrupted resumes."""
    logging.getLogger("sunpy").setLevel(logging.ERROR)
    read_settings(options)  # A wrong option is reported before the data are read.
    models = [name.strip() for name in options.models.split(",")] if options.models else list(MODELS)
    for model in models:
        load_backend(model)  # A wrong name is reported before the data are read.
    for name, value in (("--data", options.data), ("--paired", options.paired), ("--pairs", options.pairs)):
        if value is not None and not Path(value).is_dir():
            msg = f"{name} must be a folder, got {value!r}."
            raise ValueError(msg)
    is_averaged = options.data is not None and options.paired is None
    if not is_averaged and (options.blur or options.noise):
        msg = "--blur and --noise must be used with --data and without --paired, got another source of input."
        raise ValueError(msg)
    if options.paired is not None and options.results:
        msg = "--results must be used with --data alone or with --pairs, got --paired."
        raise ValueError(msg)
    if options.pairs is not None and options.two_samples:
        msg = "--two-samples must be used with --data, got --pairs."
        raise ValueError(msg)
    folder = output_folder(options)
    if options.pairs is not None:
        return _judge(options, models, _results(options, models), folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of FITS headers; what cannot be read is reported below
        failed = _evaluate(options, models, _results(options, models), folder)
    for name, why in failed.items():
        sys.stderr.write(f"magsr: {name}: {why}\n")
    return 1 if failed else 0


def _results(options, models):
    """Read which results from elsewhere are to be judged beside the models."""
    results = [Results.read(entry) for entry in options.results]
    names = [*models, *map(str, results)]
    for one in results:
        if names.count(one.name) > 1:
            msg = f"--results must have a name that no model and no other results have, got {one.name!r}."
            raise ValueError(msg)
    return results


def _evaluate(options, models, results, folder):
    """Write both tables and the figures; returns the reasons for what is not in them."""
    simulation = {"blur": options.blur, "noise": options.noise}
    if options.paired is not None:
        regions, failed = read_pairs(options.data, options.paired, component=options.component)
    else:
        regions, failed = read_regions(options.data, component=options.component, seed=options.seed, **simulation)
    regions, missing = check_results(results, regions)
    failed |= missing
    check_any(regions, missing, "--results must have a result for a file of --data, got none")
    common = {"n_samples": options.n_samples, "seed": options.seed, "device": options.device, "progress": True}
    result = run(regions, [*models, *results], folder=folder, two_samples=options.two_samples, **common)
    _report(result, folder, failed)
    failed |= result.failed
    disks = find_disks(options.data) if options.paired is None and options.component == "los" else []
    if disks:
        table, missing = judge_disks(options.data, disks, [*models, *results], keep=folder, **simulation, **common)
        _report_disks(table, folder, options)
        failed |= missing
    return failed


def _report_disks(table, folder, options):
    lines = table.pformat(max_lines=-1, max_width=-1, align=["<"] * 4 + [">"] * (len(table.columns) - 4))
    seen = (
        f", blurred by {options.blur:g} arcsec, with noise of {options.noise:g} G"
        if options.blur or options.noise
        else ""
    )
    title = (
        f"\nWhole disks by distance from the center (mu) and strength of the input{seen}. RMSE and MAE are those of the mean. "
        'Intervals that are "fitted" are an error bar from the other half of the disk, and CRPS and spread are those of that '
        "error bar. Power and flux are those of a sample over the truth's."
    )
    sys.stdout.write("\n".join([title, *lines, *map(str, write_disks(table, folder))]) + "\n")


def _judge(options, models, results, folder):
    """Measure the models and results from elsewhere on pairs of images."""
    from sunpy_magsr.validation.figures import draw_pairs
    from sunpy_magsr.validation.judged import judge_pairs, pair_table, response_table
    from sunpy_magsr.validation.published import read_published_pairs

    regions, facts, failed = read_published_pairs(options.pairs)
    regions, missing = check_results(results, regions, facts)
    failed |= missing
    check_any(regions, missing, "--results must have a result for a pair of --pairs, got none")
    judged, common = [*models, *results], {"facts": facts, "seed": options.seed, "device": options.device}
    found = judge_pairs(regions, judged, n_samples=options.n_samples, **common)
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
    draw_pairs(regions, judged, products[-1], **common)
    count = len(regions)
    title = (
        f"{count} true pair{'s' if count > 1 else ''}, HMI's scale; {options.n_samples} samples, seed {options.seed}."
    )
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
