"""What is in a store, for a reader who was not there."""

import collections

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = ["write_report"]

_COUNTED = ("side", "component", "instrument", "noise_class")
_STRENGTHS = np.geomspace(1, 4096, 61)  # Gauss
_PANELS = 40
_COLUMNS = 8
_LIMIT = 500.0  # Gauss


def write_report(store, folder, *, dropped):
    """
    Write ``report.rst`` (counts, files that were dropped and why, the check of the split), ``histogram.png`` (field
    strength of both sides) and ``contact_sheet.png`` (windows with the most strong field, one of each file first).

    Parameters
    ----------
    store : `~sunpy_magsr.training.data.store.PatchStore`
        The store.
    folder : `pathlib.Path`
        Where to.
    dropped : `dict`
        What is wrong with the files that are not in it, by name.
    """
    folder.mkdir(parents=True)
    (folder / "report.rst").write_text(_text(store, dropped))
    for name, figure in (("histogram", _histogram(store)), ("contact_sheet", _contact_sheet(store))):
        figure.savefig(folder / f"{name}.png", dpi=110)


def _text(store, dropped):
    fields, patches = store.fields, store.patches
    side = fields["side"][patches["field"]]
    lines = ["*************", "Training data", "*************", ""]
    lines += [
        f"{len(fields)} fields, {int((fields['low_offset'] >= 0).sum())} of them true pairs; {len(patches)} windows."
    ]
    lines += ["", "Counts", "======", "", ".. list-table::", "   :header-rows: 1", ""]
    lines += _row("what", "fields", "windows")
    for name in _COUNTED:
        windows = collections.Counter(fields[name][patches["field"]].tolist())
        for value, count in sorted(collections.Counter(fields[name].tolist()).items()):
            lines += _row(f"{name.replace('_', ' ')}: {value}", count, windows[value])
    lines += ["", "Split", "=====", ""]
    lines += [_split(store, side)]
    lines += ["", "Dropped", "=======", ""]
    lines += [f"- ``{name}``: {why}" for name, why in dropped.items()] or ["Nothing."]
    return "\n".join(lines) + "\n"


def _row(first, *others):
    return [f"   * - {first}", *(f"     - {value}" for value in others)]


def _split(store, side):
    if not (side == "validation").any():
        return "Nothing is set aside for validation."
    gap = store.settings["least_gap_days"]
    return (
        "No leak between training and validation: no HARP on both sides, no field with the same content, none less "
        f"than {gap:g} days from one of the other side."
    )


def _histogram(store):
    figure = Figure(figsize=(6, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    counts = {}
    for number, (side, rows, columns) in enumerate(store.fields["side", "rows", "columns"].iterrows()):
        strength = np.abs(store.read(number, 0, 0, rows, columns))
        counts[side] = counts.get(side, 0) + np.histogram(strength[np.isfinite(strength)], _STRENGTHS)[0]
    for side, count in sorted(counts.items()):
        axes.stairs(count / np.diff(_STRENGTHS) / max(1, count.sum()), _STRENGTHS, label=side)
    axes.set(xscale="log", yscale="log", xlabel="|B| (G)", ylabel="share of the pixels per G")
    axes.legend()
    return figure


def _contact_sheet(store):
    figure = Figure(figsize=(16, 11), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(_PANELS // _COLUMNS, _COLUMNS).ravel()
    for axes in panels:
        axes.axis("off")
    for axes, row in zip(panels, _strongest(store.patches), strict=False):
        field, y, x, height, width = (int(store.patches[name][row]) for name in ("field", "y", "x", "height", "width"))
        picture = store.read(field, y, x, height, width)
        axes.imshow(picture, origin="lower", cmap="gray", vmin=-_LIMIT, vmax=_LIMIT)
        axes.set_title("\n".join(_halves(store.fields["name"][field])), fontsize=5)
    return figure


def _strongest(patches):
    """Rows in the order of their strong share, the strongest of each field before the second of any."""
    order = np.argsort(-np.asarray(patches["strong"]), kind="stable")
    seen = collections.Counter()
    ranks = []
    for row in order:
        field = int(patches["field"][row])
        ranks.append(seen[field])
        seen[field] += 1
    return order[np.argsort(ranks, kind="stable")]


def _halves(name):
    middle = (len(name) + 1) // 2
    return name[:middle], name[middle:]
