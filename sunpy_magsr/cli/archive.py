"""The ``magsr archive`` commands."""

import logging
import sqlite3
import sys
from pathlib import Path

from sunpy_magsr.archive.ledger import Ledger
from sunpy_magsr.archive.plan import load_plan
from sunpy_magsr.archive.report import status_lines, write_report
from sunpy_magsr.archive.run import run_plan


def archive(options):
    """Do one of the actions of ``magsr archive`` with a plan."""
    logging.getLogger("sunpy").setLevel(logging.ERROR)
    plan = load_plan(options.plan, options.set)
    try:
        return {"run": _run, "status": _status, "report": _report, "pack": _pack}[options.action](plan, options)
    except sqlite3.Error as error:
        msg = f"the ledger {plan.ledger} cannot be used: {error}."
        raise RuntimeError(msg) from error


def _run(plan, options):
    counts = run_plan(plan, retry=options.retry_failed, say=lambda line: sys.stderr.write(f"magsr: {line}\n"))
    _status(plan, options)
    return 1 if counts["failed"] else 0


def _status(plan, _options):
    with Ledger(plan.ledger, read_only=True) as ledger:
        sys.stdout.write("\n".join(status_lines(ledger)) + "\n")
    return 0


def _report(plan, options):
    folder = Path(options.output) if options.output else Path(plan.output.folder) / "report"
    with Ledger(plan.ledger, read_only=True) as ledger:
        products = write_report(ledger, folder)
    for what, path in products.items():
        sys.stdout.write(f"{what}: {path}\n")
    return 0


def _pack(plan, options):
    from sunpy_magsr.maps.cube import write_cube

    with Ledger(plan.ledger, read_only=True) as ledger:
        names = ledger.outputs()
    kinds = sorted({kind for kinds in names for kind in kinds})
    if options.product not in kinds:
        msg = f"--product must be one of those that the plan has kept ({', '.join(kinds) or 'none'}), got {options.product!r}."
        raise ValueError(msg)
    folder = Path(plan.output.folder)
    files = [folder / kinds[options.product] for kinds in names if options.product in kinds]
    path = write_cube(files, options.output, precision=plan.output.step, overwrite=options.overwrite)
    sys.stdout.write(f"{path}: {len(files)} frames\n")
    return 0
