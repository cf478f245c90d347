"""A folder of magnetograms made into a store of training data, with a report."""

import dataclasses
import warnings
from pathlib import Path

import numpy as np
import sunpy.map
from astropy.table import Table
from astropy.time import Time
from tqdm.auto import tqdm

from sunpy_magsr._files import whole_folder
from sunpy_magsr.exceptions import reason
from sunpy_magsr.maps import prepare
from sunpy_magsr.maps.disk import limb_cosine
from sunpy_magsr.training.data.fields import (
    Split,
    content_digest,
    describe,
    read_training_field,
    window_weights,
    windows_of,
)
from sunpy_magsr.training.data.report import write_report
from sunpy_magsr.training.data.store import FACTOR, PatchStore, StoreWriter, is_store, store_folder
from sunpy_magsr.validation.regions import LARGEST_DELAY, paired_region

_LEAST_LOW = (64 // FACTOR) ** 2  # pixels of a partner
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
    with whole_folder(folder) as new:
        with StoreWriter(new) as writer, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of FITS headers; what cannot be read is in the report
            build = _Build(config.data, writer, progress=progress)
            if config.data.pairs:
                build.find_partners()
            build.add_fields()
            build.finish()
        write_report(PatchStore(new), new / "report", dropped=build.dropped)
    return folder


class _Build:
    """What has been kept and dropped so far."""

    def __init__(self, config, writer, *, progress):
        self.config, self.writer, self.progress = config, writer, progress
        self.split = Split(
            harps=config.validation_harps,
            dates=config.validation_dates,
            test_dates=config.test_dates,
            least_gap=config.least_gap_days,
        )
        self.test, self.partners, self.found = [], [], 0
        self.fields, self.patches, self.dropped, self.names = [], [], {}, {}

    def _files(self, folder):
        paths = [path for path in sorted(Path(folder).rglob(self.config.pattern)) if path.is_file()]
        bar = tqdm(paths, desc=Path(folder).name, disable=None if self.progress else True)
        return ((path, path.relative_to(folder).as_posix()) for path in bar)

    def find_partners(self):
        """Find the low-resolution magnetograms that may be partners."""
        for path, name in self._files(self.config.pairs):
            try:
                low = read_training_field(path, name=name, config=self.config, least_pixels=_LEAST_LOW)
                if low is not None:
                    self.partners.append((path, low.facts["component"], Time(low.facts["date"])))
            except Exception as error:  # noqa: BLE001  whatever a damaged file raises, the others go on
                self.dropped[f"data.pairs: {name}"] = reason(error)

    def add_fields(self):
        """Add each field, and its pair with the low-resolution one that overlaps with it and is nearest in time."""
        config = self.config
        for path, name in self._files(config.root):
            what = name
            try:
                field = read_training_field(path, name=name, config=config)
                if field is None or not self._is_kept(field.facts):
                    continue
                self.found += 1
                if not config.pairs_only:
                    self._add(field.facts, field.data, field.mu)
                if config.pairs and field.facts["is_fine"]:
                    what = f"pair of {name}"
                    self._add_pair(field)
            except Exception as error:  # noqa: BLE001  as above
                self.dropped[what] = reason(error)
        if not self.found:
            wanted = f"magnetograms of {', '.join(config.components)} matching {config.pattern!r}"
            self._fail(f"data.root must hold {wanted}, got none that can be used in {config.root}")

    def _is_kept(self, facts):
        """Say whether a field goes into the store; those of a test are remembered for the check of the split."""
        if self.split.side(facts) == "test":
            self.test.append(facts)
            return False
        if self.config.drop_gap and self.split.is_in_gap(facts):
            msg = f"it is within {self.config.least_gap_days:g} days of dates that are set aside."
            raise ValueError(msg)
        return True

    def _add_pair(self, high):
        """Add a field with the low-resolution one that overlaps with it and is nearest in time."""
        facts, time = high.facts, Time(high.facts["date"])
        delays = [(abs(when - time), path) for path, kind, when in self.partners if kind == facts["component"]]
        near = sorted((item for item in delays if item[0] <= LARGEST_DELAY), key=lambda item: item[0].sec)
        why = f"data.pairs must hold a magnetogram within {LARGEST_DELAY:.0f}, got none."
        for _, path in near:
            low = read_training_field(path, name=path.name, config=self.config, least_pixels=_LEAST_LOW)
            cut = sunpy.map.Map(np.where(np.isfinite(high.data), high.smap.data, np.nan), high.smap.meta)
            try:
                region = paired_region(low.smap, cut, name=facts["name"], component=facts["component"])
            except ValueError as error:
                why = reason(error)
                continue
            y, x = (part - whole for part, whole in zip(region.low.origin, prepare(low.smap).origin, strict=True))
            rows, columns = region.low.data.shape
            mu = limb_cosine(low.smap)[y : y + rows, x : x + columns].repeat(FACTOR, 0).repeat(FACTOR, 1)
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
            self._add(row, region.truth, mu, low=np.where(region.low.valid, region.low.data, np.nan))
            return
        raise ValueError(why)

    def _add(self, facts, data, mu, *, low=None):
        """Write a field into the store, unless its data are there already or too few are measured."""
        config, key = self.config, (facts["sha256"], self.split.side(facts))
        if key in self.names:
            msg = f"it holds the same data as {self.names[key]}."
            raise ValueError(msg)
        limits = {"strong_field": config.strong_field, "max_missing": config.max_missing}
        windows = windows_of(data, mu, side=config.patch, **limits)
        if not windows:
            msg = f"it must have a window of which at most the share {config.max_missing:g} is missing, got none."
            raise ValueError(msg)
        self.names[key] = facts["name"]
        offsets = {"offset": self.writer.add(data), "low_offset": -1 if low is None else self.writer.add(low)}
        self.patches += [{"field": len(self.fields), **window} for window in windows]
        self.fields.append({"gain": 1.0, **facts, "side": key[1], **offsets})

    def finish(self):
        """Check the split, and write the tables."""
        if not self.fields:
            wanted = "partners of the magnetograms in data.root if data.pairs_only is true"
            self._fail(f"data.pairs must hold {wanted}, got none")
        self.split.check([*self.fields, *self.test])
        fields, patches = Table(self.fields), Table(self.patches)
        patches["weight"] = window_weights(patches, fields, helioprojective_share=self.config.helioprojective_share)
        settings = dataclasses.asdict(self.config)
        settings.update({key: Path(settings[key]).name for key in _PATHS})
        self.writer.finish(fields=fields, patches=patches, settings=settings)

    def _fail(self, what):
        raise ValueError("; ".join([what, *(f"{name}: {why}" for name, why in self.dropped.items())]))
