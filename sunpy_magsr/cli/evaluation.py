"""The ``magsr evaluate`` command."""

import logging
import sys
import warnings
from pathlib import Path

from sunpy_magsr.backends import load_backend
from sunpy_magsr.job import check_options
from sunpy_magsr.validation.evaluate import MODELS
from sunpy_magsr.validation.evaluate import evaluate as run
from sunpy_magsr.validation.pairs import read_pairs
from sunpy_magsr.validation.regions import read_regions

__all__ = ["evaluate"]


def evaluate(options):
    """Measure every model on every magnetogram; a run that was stopped goes on."""
    logging.getLogger("sunpy").setLevel(logging.ERROR)
    check_options(n_samples=options.samples, seed=options.seed, steps=None, batch_size=None)
    models = [name.strip() for name in options.models.split(",")] if options.models else MODELS
    for model in models:
        load_backend(model)  # a wrong name is said before the data are read
    folder = Path(options.output)
    for name, value in (("--data", options.data), ("--paired", options.paired)):
        if value is not None and not Path(value).is_dir():
            msg = f"{name} must be a folder, got {value!r}."
            raise ValueError(msg)
    if folder.exists() and not folder.is_dir():
        msg = f"-o must be a folder, got the file {folder}."
        raise ValueError(msg)
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
