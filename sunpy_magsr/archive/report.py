"""Reports from the ledger: how far the work on a plan is, and which frames somebody should look at."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy.stats import mad_std
from astropy.table import Table
from astropy.time import Time

from sunpy_magsr._files import whole_file
from sunpy_magsr.archive.frame import QUALITY

if TYPE_CHECKING:
    from sunpy_magsr.archive.ledger import Ledger


_NEIGHBORS = 25  # frames, before and after one, that it is compared with
_LEAST_NEIGHBORS = 8
_FAR = 6.0  # robust standard deviations
_LEAST = 0.02  # of the median: the least that counts for a standard deviation, beside that of each quantity


def status_lines(ledger: Ledger) -> list[str]:
    """Say how far the work on a plan is, how fast it goes, and what failed."""
    counts = ledger.counts()
    total = sum(counts.values())
    lines = [
        f"{counts['done']} of {total} frames done, "
        + ", ".join(f"{counts[state]} {state}" for state in ("running", "pending", "failed"))
    ]
    recent = [row for row in ledger.recent() if row[1] is not None]
    left = counts["pending"] + counts["running"]
    if len(recent) > 1:
        seconds = float(np.median([took for _, took in recent]))
        span = max(recent[0][0] - recent[-1][0], 1e-3)
        rate = (len(recent) - 1) / span
        lines.append(f"{3600 * rate:.0f} frames an hour over the last {len(recent)}, {seconds:.1f} s of a worker each")
        if left:
            ago = time.time() - recent[0][0]
            lines.append(f"{_duration(left / rate)} left at that rate; the last frame ended {_duration(ago)} ago")
    for why, count, name in ledger.reasons():
        lines.append(f"{count} failed, such as {name}: {why}")
    return lines


def _duration(seconds):
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def conspicuous(table: Table) -> Table:
    """
    Find frames whose numbers differ from those of the frames around them.

    A number is conspicuous if it differs from the median of the 25 frames before and the 25 frames after by more than 6
    of their robust standard deviations. This standard deviation is taken to be at least 2 % of the median, and at least
    a smallest value that each quantity has, such as one bad pixel.
    """
    done = table[table["state"] == "done"]
    rows = []
    for what, (_, least) in QUALITY.items():
        values = np.array(done[what])
        for number in np.flatnonzero(np.isfinite(values)):
            around = np.r_[values[max(0, number - _NEIGHBORS) : number], values[number + 1 : number + 1 + _NEIGHBORS]]
            around = around[np.isfinite(around)]
            if len(around) < _LEAST_NEIGHBORS:
                continue
            usual = float(np.median(around))
            scale = max(float(mad_std(around)), _LEAST * abs(usual), least)
            off = (values[number] - usual) / scale
            if abs(off) > _FAR:
                rows.append((done["name"][number], done["date"][number], what, values[number], usual, off))
    names = ("name", "date", "what", "value", "usual", "off")
    if not rows:
        return Table(names=names, dtype=("U1", "U1", "U1", float, float, float))
    return Table(rows=sorted(rows, key=lambda row: -abs(row[-1])), names=names)


def write_report(ledger: Ledger, folder: str | Path) -> dict[str, Path]:
    """
    Draw the quality of all frames over time, and list the frames that somebody should look at.

    Parameters
    ----------
    ledger : `~sunpy_magsr.archive.Ledger`
        The ledger of the plan.
    folder : `str` or `pathlib.Path`
        The folder for the report. Three files are written: ``quality.ecsv`` with the rows of all frames,
        ``look_at.ecsv`` with the frames that failed and those that `conspicuous` finds, and ``quality.png``.

    Returns
    -------
    `dict` of `pathlib.Path`
        The files by what they show.

    Raises
    ------
    ValueError
        If no frame is done.
    """
    folder, table = Path(folder), ledger.table()
    if not len(table) or not (table["state"] == "done").any():
        msg = f"the plan must have frames that are done for a report, and {ledger.path} has none."
        raise ValueError(msg)
    odd = conspicuous(table)
    failed = table[table["state"] == "failed"]
    listed = Table(
        {
            "name": [*failed["name"], *odd["name"]],
            "date": [*failed["date"], *odd["date"]],
            "what": [*(["failed"] * len(failed)), *odd["what"]],
            "off": [*([np.nan] * len(failed)), *odd["off"]],
            "why": [*failed["reason"], *(f"{row['value']:.4g}, usually {row['usual']:.4g}" for row in odd)],
        }
    )
    products = {"frames": folder / "quality.ecsv", "what to look at": folder / "look_at.ecsv"}
    for rows, path in zip((table, listed), products.values(), strict=True):
        text = io.StringIO()
        rows.write(text, format="ascii.ecsv", delimiter=",")
        with whole_file(path) as stream:
            stream.write(text.getvalue().encode())
    products["picture"] = _draw(table, odd, folder / "quality.png")
    return products


def _draw(table, odd, path):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    done = table[table["state"] == "done"]
    dates = Time(list(done["date"])).datetime
    measured = [name for name in QUALITY if np.isfinite(done[name]).any()]
    figure = Figure(figsize=(9, 1.5 * len(measured)), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, name in zip(np.atleast_1d(figure.subplots(len(measured), sharex=True)), measured, strict=True):
        axes.plot(dates, done[name], ".", markersize=2, color="0.3")
        far = odd[odd["what"] == name] if len(odd) else odd
        if len(far):
            axes.plot(Time(list(far["date"])).datetime, far["value"], "o", markersize=4, mfc="none", color="tab:red")
        unit, _ = QUALITY[name]
        axes.set_ylabel(f"{name.replace('_', ' ')}{f' ({unit})' if unit else ''}", rotation=0, ha="right", fontsize=8)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    with whole_file(path) as stream:
        stream.write(content.getbuffer())
    return path
