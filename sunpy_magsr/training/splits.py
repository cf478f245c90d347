"""Training and validation fields that have nothing to do with each other."""

import datetime

import numpy as np

__all__ = ["check_leak", "side_of", "split_fields"]


def side_of(field, *, harps=(), dates=()):
    """
    Whether a field is set aside for validation, by region or by date, never by patch.

    Parameters
    ----------
    field : `dict` or `~astropy.table.Row`
        With ``name``, ``harp`` and ``date`` (ISO).
    harps : sequence of `int`
        Regions to set aside.
    dates : sequence of `str`
        First and last day (ISO) of a span to set aside; empty for none.

    Returns
    -------
    `str`
        ``"training"`` or ``"validation"``.

    Raises
    ------
    ValueError
        If the span is not one, or the field has no date and something is set aside.
    """
    if dates and len(dates) != 2:
        msg = f"data.validation_dates must be empty or the first and last day, got {list(dates)!r}."
        raise ValueError(msg)
    if not (harps or dates):
        return "training"
    try:
        day = datetime.date.fromisoformat(field["date"][:10])
    except ValueError as error:
        msg = f"data must have dates to be split, got {field['date']!r} for {field['name']}."
        raise ValueError(msg) from error
    span = [datetime.date.fromisoformat(text) for text in dates]
    aside = field["harp"] in harps or (span and span[0] <= day <= span[1])
    return "validation" if aside else "training"


def split_fields(fields, *, harps=(), dates=(), least_gap=3.0):
    """
    Set fields aside for validation; see `side_of`.

    Parameters
    ----------
    fields : `list` of `dict`, or `~astropy.table.Table`
        All of them, with ``name``, ``harp``, ``date`` and ``sha256`` (of the content).
    harps : sequence of `int`
        Regions to set aside.
    dates : sequence of `str`
        First and last day (ISO) of a span to set aside; empty for none.
    least_gap : `float`
        Days between a training and a validation field.

    Returns
    -------
    `list` of `str`
        The side of each.

    Raises
    ------
    ValueError
        If the span is not one, a region asked for is not there, nothing is left to train on, or something leaks; see
        `check_leak`.
    """
    unknown = sorted(set(harps) - {int(field["harp"]) for field in fields})
    if unknown:
        msg = f"data.validation_harps must be regions of the data, got {unknown}."
        raise ValueError(msg)
    sides = [side_of(field, harps=harps, dates=dates) for field in fields]
    training, validation = (
        [field for field, of_field in zip(fields, sides, strict=True) if of_field == side]
        for side in ("training", "validation")
    )
    if (harps or dates) and not (training and validation):
        msg = f"data must hold fields to train on and to validate on, got {len(training)} and {len(validation)}."
        raise ValueError(msg)
    check_leak(training, validation, least_gap=least_gap)
    return sides


def check_leak(training, validation, *, least_gap=3.0):
    """
    Raise if a validation field is nearly in the training data.

    Two fields of one HARP, two with the same content, or two of one Sun that has hardly changed in between: frames of
    neighboring dates show the same network, and patches of one date can overlap on the disk.

    Parameters
    ----------
    training, validation : `list` of `dict` or `~astropy.table.Row`
        The two sides; see `split_fields`.
    least_gap : `float`
        Days.

    Raises
    ------
    ValueError
        The message names the first pair that leaks.
    """
    if not (training and validation):
        return
    harps = {field["harp"]: field for field in training if field["harp"]}
    contents = {field["sha256"]: field for field in training}
    times = np.array([field["date"] for field in training], dtype="datetime64[s]")
    for field in validation:
        if field["harp"] in harps:
            _leak(field, harps[field["harp"]], f"both are of HARP {field['harp']}")
        if field["sha256"] in contents:
            _leak(field, contents[field["sha256"]], "they hold the same data")
        gaps = np.abs(times - np.datetime64(field["date"], "s")) / np.timedelta64(1, "D")
        nearest = int(np.argmin(gaps))
        if gaps[nearest] < least_gap:
            why = f"they are {gaps[nearest]:.1f} days apart, less than data.least_gap_days = {least_gap:g}"
            _leak(field, training[nearest], why)


def _leak(validation, training, why):
    msg = f"validation data leak: {validation['name']} (validation) and {training['name']} (training): {why}."
    raise ValueError(msg)
