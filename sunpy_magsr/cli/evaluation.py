"""The ``magsr evaluate`` command."""

import logging
import sys
import warnings
from pathlib import Path

from sunpy_magsr.cli.arguments import output_folder, read_settings
from sunpy_magsr.sampling import load_backend
from sunpy_magsr.validation.disks import evaluate_disks, read_disks
from sunpy_magsr.validation.evaluation import MODELS, evaluate_pairs
from sunpy_magsr.validation.evaluation import evaluate as evaluate_regions
from sunpy_magsr.validation.predictions import Results, check_results
from sunpy_magsr.validation.published import read_published_pairs
from sunpy_magsr.validation.regions import check_any, read_pairs, read_regions


def evaluate(options):
    """Measure every model on every magnetogram. A run that was interrupted resumes."""
    logging.getLogger("sunpy").setLevel(logging.ERROR)
    read_settings(options)  # A wrong option is reported before the data are read.
    models = [name.strip() for name in options.models.split(",")] if options.models else list(MODELS)
    for model in models:
        load_backend(model)  # A wrong name is reported before the data are read.
    _check_sources(options)
    folder = output_folder(options)
    results = _read_results(options.results, models)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of FITS headers; what cannot be read is reported below
        failed = (_on_pairs if options.pairs else _on_magnetograms)(options, models, results, folder)
    for name, why in failed.items():
        sys.stderr.write(f"magsr: {name}: {why}\n")
    return 1 if failed else 0


def _check_sources(options):
    """Check the folders, and that no option is given that does not go with them."""
    sources = {"--data": options.data, "--low-resolution": options.low_resolution, "--pairs": options.pairs}
    for name, value in sources.items():
        if value is not None and not Path(value).is_dir():
            msg = f"{name} must be a folder, got {value!r}."
            raise ValueError(msg)
    wrong = {
        "--low-resolution must be used with --data, got --pairs": options.pairs and options.low_resolution,
        "--blur and --noise must be used with --data and without --low-resolution, got another source of input": (
            (options.pairs or options.low_resolution) and (options.blur or options.noise)
        ),
        "--results must be used with --data alone or with --pairs, got --low-resolution": (
            options.low_resolution and options.results
        ),
        "--two-samples must be used with --data, got --pairs": options.pairs and options.two_samples,
    }
    for message, is_wrong in wrong.items():
        if is_wrong:
            msg = f"{message}."
            raise ValueError(msg)


def _read_results(entries, models):
    """Read which results from elsewhere, as ``NAME=DIR``, are to be judged beside the models."""
    results = []
    for entry in entries:
        name, equals, folder = entry.partition("=")
        if not (name and equals and Path(folder).is_dir()):
            msg = f"--results must be NAME=DIR with a folder DIR, got {entry!r}."
            raise ValueError(msg)
        if name in (*models, *map(str, results)):
            msg = f"--results must have a name that no model and no other results have, got {name!r}."
            raise ValueError(msg)
        results.append(Results(name, folder))
    return results


def _on_magnetograms(options, models, results, folder):
    """Write tables and figures of regions and disks; returns the reasons for what is not in them."""
    from sunpy_magsr.validation.figures import draw_figures
    from sunpy_magsr.validation.report import table, write_report, write_tables

    simulation = {"blur": options.blur, "noise": options.noise, "seed": options.seed}
    if options.low_resolution is not None:
        regions, failed = read_pairs(options.data, options.low_resolution, component=options.component)
    else:
        regions, failed = read_regions(options.data, component=options.component, **simulation)
    regions, missing = check_results(results, regions)
    failed |= missing
    check_any(regions, missing, "--results must have a result for a file of --data, got none")
    judged = [*models, *results]
    common = {"folder": folder, "n_samples": options.n_samples, "seed": options.seed, "device": options.device}
    common["progress"] = True
    found = evaluate_regions(regions, judged, two_samples=options.two_samples, **common)
    title = (
        f"Mean over {_count(found.regions, 'region')}; {options.n_samples} sample{'s' if options.n_samples > 1 else ''}, seed "
        f"{options.seed}; spectra over squares of {found.settings['segment']:.0f} arcsec."
    )
    products = [*write_report(found, folder, failed=failed), *draw_figures(found, folder)]
    _show(title, _lines(table(found)), products)
    failed |= found.failed
    if options.low_resolution is None and options.component == "los":
        disks, missing = evaluate_disks(read_disks(options.data, **simulation), judged, **common)
        failed |= missing
        if len(disks):
            products = write_tables(folder, {"disks.csv": disks, "disks.ecsv": disks})
            _show(_disks_title(options), _lines(disks, n_names=4), products)
    return failed


def _disks_title(options):
    seen = (
        f", blurred by {options.blur:g} arcsec, with noise of {options.noise:g} G"
        if options.blur or options.noise
        else ""
    )
    return (
        f"\nWhole disks by distance from the center (mu) and strength of the input{seen}. RMSE and MAE are those of the mean. "
        'Intervals that are "fitted" are an error bar from the other half of the disk, and CRPS and spread are those of that '
        "error bar. Power and flux are those of a sample over the truth's."
    )


def _on_pairs(options, models, results, folder):
    """Write tables and the figure of published pairs; returns the reasons for what is not in them."""
    from sunpy_magsr.validation.figures import draw_pairs
    from sunpy_magsr.validation.report import pair_table, response_table, turn, write_tables

    pairs, failed = read_published_pairs(options.pairs)
    pairs, missing = check_results(results, pairs)
    failed |= missing
    check_any(pairs, missing, "--results must have a result for a pair of --pairs, got none")
    common = {"folder": folder, "n_samples": options.n_samples, "seed": options.seed, "device": options.device}
    found = evaluate_pairs(pairs, [*models, *results], progress=True, **common)
    table, responses = pair_table(found), response_table(pairs)
    tables = {"pairs.csv": table, "pairs.ecsv": table, "pairs.rst": turn(table), "response.ecsv": responses}
    title = f"{_count(pairs, 'true pair')}, HMI's scale; {options.n_samples} samples, seed {options.seed}."
    lines = [*_lines(turn(table)), *responses.pformat(max_lines=-1, max_width=-1)]
    _show(title, lines, [*write_tables(folder, tables), *draw_pairs(found, folder)])
    return failed | found.failed


def _count(what, name):
    return f"{len(what)} {name}{'s' if len(what) > 1 else ''}"


def _lines(table, n_names=1):
    """The lines of a table, with columns of names on the left and of numbers on the right."""
    align = ["<"] * n_names + [">"] * (len(table.columns) - n_names)
    return table.pformat(max_lines=-1, max_width=-1, align=align)


def _show(title, lines, products):
    sys.stdout.write("\n".join([title, *lines, *map(str, products)]) + "\n")
