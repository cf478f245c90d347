"""Magnetograms for training: what they are, their split, their windows."""

import dataclasses
import hashlib
import itertools
import re

import numpy as np
from astropy.time import Time

from sunpy_magsr.instrument.defects import without_constant_pixels
from sunpy_magsr.instrument.noise import mdi_exposure, quiet_noise
from sunpy_magsr.maps.disk import limb_cosine
from sunpy_magsr.maps.field import read_field
from sunpy_magsr.maps.fits import read_fits
from sunpy_magsr.maps.header import exposure_time, observation_time, product_of
from sunpy_magsr.maps.reading import check_magnetogram, read_map
from sunpy_magsr.validation.regions import COARSEST, component_of

_DAY = np.timedelta64(1, "D")
_HARP = re.compile(r"sharp_cea_720s\.(\d+)\.")
_T_REC = re.compile(r"\.(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)_TAI")
_DATES = ("t_obs", "date-obs", "date_obs")
_GAUSS = 0.1


class Split:
    """
    What is set aside for validation and for a test: by region or by date, never by patch.

    Patches of one field can overlap, and frames of neighboring dates show nearly the same network.
    """

    def __init__(self, *, harps=(), dates=(), test_dates=(), least_gap=3.0):
        self.harps, self.least_gap = set(harps), least_gap
        self.spans = {}
        for key, days in (("validation", dates), ("test", test_dates)):
            if days and len(days) != 2:
                msg = f"data.{key}_dates must be empty or the first and last day, got {list(days)!r}."
                raise ValueError(msg)
            if days:
                self.spans[key] = np.datetime64(days[0], "s"), np.datetime64(days[1], "s") + _DAY

    def side(self, field):
        """Say whether a field is for training, validation or test."""
        time = _time(field) if self.harps or self.spans else None
        within = [key for key, (first, last) in self.spans.items() if first <= time < last]
        if "test" in within:
            return "test"
        return "validation" if within or field["harp"] in self.harps else "training"

    def is_in_gap(self, field):
        """Say whether a field is too near in time to dates that are set aside, and not of them."""
        if not self.spans:
            return False
        time = _time(field)
        others = [(first, last) for first, last in self.spans.values() if not first <= time < last]
        return any(max(first - time, time - last) / _DAY < self.least_gap for first, last in others)

    def check(self, fields):
        """Raise if a side is missing, or if something that is set aside is nearly in the training data."""
        unknown = sorted(self.harps - {int(field["harp"]) for field in fields})
        if unknown:
            msg = f"data.validation_harps must be regions of the data, got {unknown}."
            raise ValueError(msg)
        of_side = {"training": [], "validation": [], "test": []}
        for field in fields:
            of_side[self.side(field)].append(field)
        training, validation, test = of_side.values()
        if (self.harps or "validation" in self.spans) and not (training and validation):
            msg = f"data must hold fields to train on and to validate on, got {len(training)} and {len(validation)}."
            raise ValueError(msg)
        self._check_leak("validation", validation, training)
        self._check_leak("test", test, [*training, *validation])

    def _check_leak(self, kind, aside, training):
        """Raise if two fields are of one HARP, hold the same data, or are of a Sun that has hardly changed in between."""
        if not (aside and training):
            return
        harps = {field["harp"]: field for field in training if field["harp"]}
        contents = {field["sha256"]: field for field in training}
        times = np.array([field["date"] for field in training], dtype="datetime64[s]")
        for field in aside:
            gaps = np.abs(times - _time(field)) / _DAY
            nearest = int(np.argmin(gaps))
            if field["harp"] in harps:
                other, why = harps[field["harp"]], f"both are of HARP {field['harp']}"
            elif field["sha256"] in contents:
                other, why = contents[field["sha256"]], "they hold the same data"
            elif gaps[nearest] < self.least_gap:
                other = training[nearest]
                why = f"they are {gaps[nearest]:.1f} days apart, less than data.least_gap_days = {self.least_gap:g}"
            else:
                continue
            msg = f"{kind} data leak: {field['name']} ({kind}) and {other['name']} (training): {why}."
            raise ValueError(msg)


def _time(field):
    time = np.datetime64(field["date"], "s")
    if np.isnat(time):
        msg = f"data must have dates to be split, got {field['date']!r} for {field['name']}."
        raise ValueError(msg)
    return time


def windows_of(data, mu, *, side, strong_field, max_missing):
    """Cut a field into windows that overlap by half."""
    height, width = (min(side, length) for length in data.shape)
    windows = []
    for y, x in itertools.product(_starts(data.shape[0], height), _starts(data.shape[1], width)):
        part = (slice(y, y + height), slice(x, x + width))
        finite = np.isfinite(data[part])
        share = float(finite.mean())
        if not share or 1 - share > max_missing:
            continue
        values = data[part][finite]
        statistics = {
            "finite": share,
            "mu": float(np.median(mu[part][finite])),
            "rms": float(np.sqrt(np.mean(np.square(values, dtype=float)))),
            "strong": float((np.abs(values) > strong_field).sum() / finite.size),
        }
        windows.append({"y": y, "x": x, "height": height, "width": width, **statistics})
    return windows


def _starts(length, side):
    starts = list(range(0, length - side + 1, max(1, side // 2)))
    return starts if starts[-1] == length - side else [*starts, length - side]


def window_weights(patches, fields, *, helioprojective_share=0.0):
    """Chance of each window: its measured area, balanced between regions by a square root."""
    area = np.asarray(patches["finite"] * patches["height"] * patches["width"], dtype=float)
    number = np.asarray(patches["field"])
    area[~np.asarray(fields["is_fine"])[number]] = 0
    kinds = [(row["side"], bool(row["low_offset"] >= 0)) for row in fields]
    regions = [(*kind, row["harp"], row["component"]) for kind, row in zip(kinds, fields, strict=True)]
    weights = area / np.sqrt(_totals(area, [regions[field] for field in number]))
    if helioprojective_share:
        on_detector = np.array(["arcsec" in row["plate_scale_unit"] for row in fields])[number]
        grids = [(*kinds[field], is_on) for field, is_on in zip(number, on_detector, strict=True)]
        shares = np.where(on_detector, helioprojective_share, 1 - helioprojective_share)
        weights = weights / _totals(weights, grids) * shares
    return weights / _totals(weights, [kinds[field] for field in number])


def _totals(values, keys):
    """Sum over all with the same key, for each; 1 where it is 0."""
    known = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    number = np.array([known[key] for key in keys])
    totals = np.bincount(number, weights=values)[number]
    return np.where(totals == 0, 1, totals)


@dataclasses.dataclass
class TrainingField:
    """
    One magnetogram: Gauss, NaN where there is no measurement or the limb is too near; cosine of the heliocentric angle; the
    Map it came from; its row in the store's table of fields.
    """

    data: np.ndarray
    mu: np.ndarray
    smap: object
    facts: dict


def read_training_field(path, *, name, config, least_pixels=64**2):
    """Read a file, or give `None` if it is of a component that is not wanted; raise if it is not good enough."""
    smap = read_fits(path)
    component = component_of(smap, path.name)
    if component not in [wanted.lower() for wanted in config.components]:
        return None
    check_magnetogram(smap, read_map(smap, name="the file"))
    quality, missing = (_whole(smap.meta.get(card)) for card in ("quality", "missvals"))
    if quality & ~config.allowed_quality:
        msg = f"QUALITY must have no bits but those of {config.allowed_quality:#x}, got {quality:#x}."
        raise ValueError(msg)
    if missing > config.max_missvals:
        msg = f"MISSVALS must be at most {config.max_missvals}, got {missing}."
        raise ValueError(msg)
    field = read_field(smap, name="the file")
    digest = content_digest(field.data)
    mu = limb_cosine(smap)
    least_mu = max(config.least_mu, config.least_mu_heliographic) if field.is_cea else config.least_mu
    data = np.where(mu >= least_mu, without_constant_pixels(field.data), np.nan).astype(np.float32)
    measured = np.isfinite(data).sum()
    if measured < least_pixels:
        msg = f"it must have {least_pixels} measured pixels with mu of {least_mu:g} or more, got {measured}."
        raise ValueError(msg)
    facts = describe(
        data,
        name=name,
        sha256=digest,
        harp=_harp_of(smap, path.name),
        date=_date_of(smap, path.name),
        component=component,
        instrument=product_of(smap).instrument,
        scales=field.plate_scale,
        noise_class=noise_class_of(smap, component),
        quality=quality,
    )
    facts["is_fine"] = max(field.arcsec) <= COARSEST
    return TrainingField(data, mu, smap, facts)


def describe(data, *, scales, **facts):
    """Make the row of a field in the store's table."""
    return {
        **facts,
        "rows": data.shape[0],
        "columns": data.shape[1],
        "plate_scale": float(max(scale.value for scale in scales)),
        "plate_scale_unit": scales[0].unit.to_string(),
        "noise": quiet_noise(data),
    }


def content_digest(data):
    """Compute the digest of a field to 0.1 G, so that neither the file's name nor its compression matters."""
    rounded = np.round(np.nan_to_num(data) / _GAUSS).astype(np.int32)
    return hashlib.sha256(rounded.tobytes() + repr(rounded.shape).encode()).hexdigest()


def noise_class_of(smap, component):
    """Name the kind of magnetogram, as far as its noise goes."""
    instrument = product_of(smap).instrument
    if instrument == "MDI":
        return f"mdi-{mdi_exposure(exposure_time(smap))}s"
    kind = {"los": "los", "br": "radial"}.get(component, "transverse")
    return f"{instrument.lower()}-{kind}"


def _whole(card):
    return int(card, 0) if isinstance(card, str) and card.strip() else int(card or 0)


def _harp_of(smap, name):
    match = _HARP.search(name)
    return int(smap.meta.get("harpnum") or (match[1] if match else 0))


def _date_of(smap, name):
    if any(smap.meta.get(card) for card in _DATES):
        return observation_time(smap).utc.isot
    match = _T_REC.search(name)
    return Time("{}-{}-{}T{}:{}:{}".format(*match.groups()), scale="tai").utc.isot if match else ""
