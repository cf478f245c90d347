"""A folder of magnetograms made into a store of training data, with a report."""

import collections
import dataclasses
import warnings
from pathlib import Path

import numpy as np
import sunpy.map
from astropy.table import Table
from astropy.time import Time
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from sunpy_magsr._files import whole_folder
from sunpy_magsr.exceptions import reason
from sunpy_magsr.maps import prepare
from sunpy_magsr.maps.disk import limb_cosine
from sunpy_magsr.training.data.fields import (
    content_digest,
    describe,
    is_in_gap,
    read_training_field,
    side_of,
    split_fields,
    window_weights,
    windows_of,
)
from sunpy_magsr.training.data.store import PatchStore, StoreWriter, is_store, store_folder
from sunpy_magsr.validation.regions import LARGEST_DELAY, paired_region

_COUNTED = ("side", "component", "instrument", "noise_class")
_STRENGTHS = np.geomspace(1, 4096, 61)  # Gauss
_PANELS = 40
_COLUMNS = 8
_LIMIT = 500.0  # Gauss


def write_report(store, folder, *, dropped):
    """
    Write ``report.rst`` (counts, files that were dropped and why, the check of the split), ``histogram.png`` (field
    strength of both sides) and ``contact_sheet.png`` (windows with the most strong field, one of each file first).
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


_FACTOR = 4
_LEAST_LOW = (64 // _FACTOR) ** 2  # pixels of a partner
_PATHS = ("root", "pairs", "store")


def prepare_store(config, *, progress=True):
    """
    Make the store of a run: magnetograms that are good enough, their windows, and a report.

    A file that cannot be used is named in the report with the reason, and the others go on. The store takes its name
    when it is whole, and only then replaces an older one.
    """
    folder = store_folder(config)
    if folder.exists() and not is_store(folder):
        msg = f"data.store must be a new folder or a store to replace, got {folder}."
        raise ValueError(msg)
    with whole_folder(folder) as partial:
        with StoreWriter(partial) as writer, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of FITS headers; what cannot be read is in the report
            build = _Build(config.data, writer)
            if config.data.pairs:
                build.find_partners(progress=progress)
            build.add_fields(progress=progress)
            build.finish()
        write_report(PatchStore.open(partial), partial / "report", dropped=build.dropped)
    return folder


class _Build:
    """What has been kept and dropped so far."""

    def __init__(self, config, writer):
        self.config, self.writer = config, writer
        self.split = {
            "harps": config.validation_harps,
            "dates": config.validation_dates,
            "test_dates": config.test_dates,
        }
        self.test, self.lows, self.found = [], [], 0
        self.fields, self.patches, self.dropped, self.names = [], [], {}, {}

    def find_partners(self, *, progress):
        """Read what low-resolution magnetograms there are."""
        for path, name in _files(self.config.pairs, self.config.pattern, progress=progress):
            try:
                low = read_training_field(path, name=name, config=self.config, least_pixels=_LEAST_LOW)
                if low is not None:
                    self.lows.append((path, low.facts["component"], Time(low.facts["date"])))
            except Exception as error:  # noqa: BLE001  whatever a damaged file raises, the others go on
                self.dropped[f"data.pairs: {name}"] = reason(error)

    def add_fields(self, *, progress):
        """Each field, and its pair with the low-resolution one that overlaps with it and is nearest in time."""
        for path, name in _files(self.config.root, self.config.pattern, progress=progress):
            what = name
            try:
                field = read_training_field(path, name=name, config=self.config)
                if field is None or not self._is_kept(field.facts):
                    continue
                self.found += 1
                if not self.config.pairs_only:
                    self._keep(field.facts, field.data, field.mu)
                if self.config.pairs and field.facts["is_fine"]:
                    what = f"pair of {name}"
                    self._pair(field)
            except Exception as error:  # noqa: BLE001  as above
                self.dropped[what] = reason(error)
        if not self.found:
            wanted = ", ".join(self.config.components)
            reasons = "".join(f"; {name}: {why}" for name, why in self.dropped.items())
            msg = f"data.root must hold magnetograms of {wanted} matching {self.config.pattern!r}, got none that can "
            msg += f"be used in {self.config.root}{reasons}."
            raise ValueError(msg)

    def _is_kept(self, facts):
        """Whether a field goes into the store; those of a test are remembered for the check of the split."""
        config = self.config
        if side_of(facts, **self.split) == "test":
            self.test.append(facts)
            return False
        dates = {"dates": config.validation_dates, "test_dates": config.test_dates}
        if config.drop_gap and is_in_gap(facts, **dates, least_gap=config.least_gap_days):
            msg = f"it is within {config.least_gap_days:g} days of dates that are set aside."
            raise ValueError(msg)
        return True

    def _pair(self, high):
        facts, time = high.facts, Time(high.facts["date"])
        near = [(abs(when - time), at) for at, component, when in self.lows if component == facts["component"]]
        near = sorted((item for item in near if item[0] <= LARGEST_DELAY), key=lambda item: item[0].sec)
        why = f"data.pairs must hold a magnetogram within {LARGEST_DELAY:.0f}, got none."
        cut = sunpy.map.Map(np.where(np.isfinite(high.data), high.smap.data, np.nan), high.smap.meta) if near else None
        for _, path in near:
            low = read_training_field(path, name=path.name, config=self.config, least_pixels=_LEAST_LOW)
            try:
                region = paired_region(low.smap, cut, name=facts["name"], component=facts["component"])
            except ValueError as error:
                why = reason(error)
                continue
            y, x = (part - whole for part, whole in zip(region.low.origin, prepare(low.smap).origin, strict=True))
            rows, columns = region.low.data.shape
            mu = limb_cosine(low.smap)[y : y + rows, x : x + columns].repeat(_FACTOR, 0).repeat(_FACTOR, 1)
            row = describe(
                region.truth,
                scales=tuple(region.plate_scale),
                name=f"{facts['name']} + {path.name}",
                sha256=content_digest(region.truth),
                is_fine=True,
                gain=region.gain,
                **{key: facts[key] for key in ("harp", "date", "component")},
                **{key: low.facts[key] for key in ("instrument", "noise_class", "quality")},
            )
            self._keep(row, region.truth, mu, low=np.where(region.low.valid, region.low.data, np.nan))
            return
        raise ValueError(why)

    def _keep(self, facts, data, mu, *, low=None):
        side = side_of(facts, **self.split)
        same = self.names.get((facts["sha256"], side))
        if same:
            msg = f"it holds the same data as {same}."
            raise ValueError(msg)
        config = self.config
        limits = {"strong_field": config.strong_field, "max_missing": config.max_missing}
        windows = windows_of(data, mu, side=config.patch, **limits)
        if not windows:
            msg = f"it must have a window of which at most the share {config.max_missing:g} is missing, got none."
            raise ValueError(msg)
        self.names[facts["sha256"], side] = facts["name"]
        offset = self.writer.add(data)
        low_offset = -1 if low is None else self.writer.add(low)
        self.patches += [{"field": len(self.fields), **window} for window in windows]
        self.fields.append({"gain": 1.0, **facts, "side": side, "offset": offset, "low_offset": low_offset})

    def finish(self):
        if not self.fields:
            reasons = "".join(f"; {name}: {why}" for name, why in self.dropped.items())
            msg = f"data.pairs must hold partners of the magnetograms in data.root if data.pairs_only is true, got none{reasons}."
            raise ValueError(msg)
        split_fields([*self.fields, *self.test], **self.split, least_gap=self.config.least_gap_days)
        fields = Table(self.fields)
        patches = Table(self.patches)
        patches["weight"] = window_weights(patches, fields, helioprojective_share=self.config.helioprojective_share)
        settings = dataclasses.asdict(self.config)
        settings.update({key: Path(settings[key]).name for key in _PATHS})
        self.writer.finish(fields=fields, patches=patches, settings=settings)


def _files(folder, pattern, *, progress):
    paths = [path for path in sorted(Path(folder).rglob(pattern)) if path.is_file()]
    bar = tqdm(paths, desc=Path(folder).name, disable=None if progress else True)
    return ((path, path.relative_to(folder).as_posix()) for path in bar)
