"""Training and validation fields that have nothing to do with each other."""

import datetime
import hashlib
import re

import numpy as np

__all__ = ["check_leak", "split_fields"]

_COMPACT = re.compile(r"(\d{8})_(\d{6})")
_GAUSS = 0.1


def split_fields(fields, *, harps=(), dates=(), least_gap=3.0):
    """
    Set fields aside for validation, by region or by date, never by patch.

    Parameters
    ----------
    fields : `list` of `~sunpy_magsr.training.data.TrainingField`
        All of them.
    harps : sequence of `int`
        Regions to set aside.
    dates : sequence of `str`
        First and last day (ISO) of a span to set aside; empty for none.
    least_gap : `float`
        Days between a training and a validation field.

    Returns
    -------
    training, validation : `list` of `~sunpy_magsr.training.data.TrainingField`
        The second is empty if nothing is asked for.

    Raises
    ------
    ValueError
        If the span is not one, a region asked for is not there, nothing is left to train on, or something leaks; see
        `check_leak`.
    """
    if dates and len(dates) != 2:
        msg = f"data.validation_dates must be empty or the first and last day, got {list(dates)!r}."
        raise ValueError(msg)
    span = [datetime.date.fromisoformat(day) for day in dates]
    unknown = sorted(set(harps) - {field.harp for field in fields})
    if unknown:
        msg = f"data.validation_harps must be regions of the data, got {unknown}."
        raise ValueError(msg)
    training, validation = [], []
    for field in fields:
        aside = field.harp in harps or (span and span[0] <= _time(field).date() <= span[1])
        (validation if aside else training).append(field)
    if (harps or dates) and not (training and validation):
        msg = f"data must hold fields to train on and to validate on, got {len(training)} and {len(validation)}."
        raise ValueError(msg)
    check_leak(training, validation, least_gap=least_gap)
    return training, validation


def check_leak(training, validation, *, least_gap=3.0):
    """
    Raise if a validation field is nearly in the training data.

    Two fields of one HARP, two with the same content, or two of one Sun that has hardly changed in between: frames of
    neighboring dates show the same network, and patches of one date can overlap on the disk.

    Parameters
    ----------
    training, validation : `list` of `~sunpy_magsr.training.data.TrainingField`
        The two sides.
    least_gap : `float`
        Days.

    Raises
    ------
    ValueError
        The message names the first pair that leaks.
    """
    harps = {field.harp: field for field in training if field.harp}
    contents = {_content(field): field for field in training} if validation else {}
    times = [(_time(field), field) for field in training] if validation else []
    for field in validation:
        if field.harp in harps:
            _leak(field, harps[field.harp], f"both are of HARP {field.harp}")
        same = contents.get(_content(field))
        if same is not None:
            _leak(field, same, "they hold the same data")
        moment = _time(field)
        for other_moment, other in times:
            gap = abs((moment - other_moment).total_seconds()) / 86400
            if gap < least_gap:
                _leak(field, other, f"they are {gap:.1f} days apart, less than data.least_gap_days = {least_gap:g}")


def _leak(validation, training, why):
    msg = f"validation data leak: {validation.name} (validation) and {training.name} (training): {why}."
    raise ValueError(msg)


def _content(field):
    """Digest of the field to 0.1 G, so that neither the file's name nor its compression matters."""
    rounded = np.round(np.nan_to_num(field.data) / _GAUSS).astype(np.int32)
    return hashlib.sha256(rounded.tobytes() + repr(rounded.shape).encode()).hexdigest()


def _time(field):
    match = _COMPACT.search(field.date)
    text = f"{match[1]}T{match[2]}" if match else field.date.strip()[:19].replace(".", "-").replace("_", "T")
    try:
        return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)
    except ValueError as error:
        msg = f"data must have dates to be split, got {field.date!r} for {field.name}."
        raise ValueError(msg) from error
