"""The report on a store of training data: counts, files that were dropped, pictures."""

import collections
import io
import itertools
import textwrap

import numpy as np
from astropy.table import Table
from matplotlib.figure import Figure

_COUNTED = ("side", "component", "instrument", "noise_class")
_STRENGTHS = np.geomspace(1, 4096, 61)  # Gauss
_ROWS, _COLUMNS = 5, 8  # of the contact sheet
_LIMIT = 500.0  # Gauss
_NO_LEAK = (
    "No leak between training and validation: no HARP on both sides, no field with the same content, none less than "
    "{:g} days from one of the other side."
)


def write_report(store, folder, *, dropped):
    """
    Write ``report.rst`` (counts, files that were dropped and why, the check of the split), ``histogram.png`` (field
    strength of both sides) and ``contact_sheet.png`` (windows with the most strong field, one of each file first).
    """
    folder.mkdir(parents=True)
    (folder / "report.rst").write_text(_text(store, dropped))
    for name, draw in (("histogram", _draw_histogram), ("contact_sheet", _draw_contact_sheet)):
        figure = Figure(layout="constrained")
        draw(store, figure)
        figure.savefig(folder / f"{name}.png", dpi=110)


def _text(store, dropped):
    fields, patches = store.fields, store.patches
    pairs = int((fields["low_offset"] >= 0).sum())
    is_split = (fields["side"][patches["field"]] == "validation").any()
    sections = {
        "Training data": f"{len(fields)} fields, {pairs} of them true pairs; {len(patches)} windows.",
        "Counts": _counts(fields, patches["field"]),
        "Split": _NO_LEAK.format(store.settings["least_gap_days"])
        if is_split
        else "Nothing is set aside for validation.",
        "Dropped": "\n".join(f"- ``{name}``: {why}" for name, why in dropped.items()) or "Nothing.",
    }
    return "\n\n".join(f"{title}\n{'=' * len(title)}\n\n{text}" for title, text in sections.items()) + "\n"


def _counts(fields, field_of_window):
    rows = []
    for name in _COUNTED:
        windows = collections.Counter(fields[name][field_of_window].tolist())
        found = collections.Counter(fields[name].tolist())
        rows += [(f"{name.replace('_', ' ')}: {one}", count, windows[one]) for one, count in sorted(found.items())]
    stream = io.StringIO()
    Table(rows=rows, names=["what", "fields", "windows"]).write(stream, format="ascii.rst")
    return stream.getvalue()


def _draw_histogram(store, figure):
    axes = figure.subplots()
    counts = collections.defaultdict(int)
    for number, (side, rows, columns) in enumerate(store.fields["side", "rows", "columns"].iterrows()):
        strength = np.abs(store.read(number, 0, 0, rows, columns))
        counts[side] = counts[side] + np.histogram(strength[np.isfinite(strength)], _STRENGTHS)[0]
    for side, count in sorted(counts.items()):
        axes.stairs(count / np.diff(_STRENGTHS) / max(1, count.sum()), _STRENGTHS, label=side)
    axes.set(xscale="log", yscale="log", xlabel="|B| (G)", ylabel="share of the pixels per G")
    axes.legend()


def _draw_contact_sheet(store, figure):
    figure.set_size_inches(16, 11)
    for panel, row in enumerate(_strongest(store.patches)[: _ROWS * _COLUMNS], start=1):
        axes = figure.add_subplot(_ROWS, _COLUMNS, panel)
        field, *window = (int(store.patches[name][row]) for name in ("field", "y", "x", "height", "width"))
        axes.imshow(store.read(field, *window), origin="lower", cmap="gray", vmin=-_LIMIT, vmax=_LIMIT)
        name = store.fields["name"][field]
        axes.set_title(textwrap.fill(name, len(name) // 2 + 1), fontsize=5)
        axes.axis("off")


def _strongest(patches):
    """Sort rows by their strong share, the strongest of each field before the second of any."""
    order = np.argsort(-np.asarray(patches["strong"]), kind="stable")
    rank_in_field = collections.defaultdict(itertools.count)
    return sorted(order, key=lambda row: next(rank_in_field[patches["field"][row]]))
