"""Training and validation fields that have nothing to do with each other."""

import datetime

import numpy as np

__all__ = ["check_leak", "is_in_gap", "side_of", "split_fields"]


def side_of(field, *, harps=(), dates=(), test_dates=()):
    """
    Whether a field is set aside for validation or a test, by region or by date, never by patch.

    Parameters
    ----------
    field : `dict` or `~astropy.table.Row`
        With ``name``, ``harp`` and ``date`` (ISO).
    harps : sequence of `int`
        Regions to set aside.
    dates, test_dates : sequence of `str`
        First and last day (ISO) of a span to set aside for validation, and for a test; empty for none.

    Returns
    -------
    `str`
        ``"training"``, ``"validation"`` or ``"test"``.

    Raises
    ------
    ValueError
        If the span is not one, or the field has no date and something is set aside.
    """
    for key, span in (("validation_dates", dates), ("test_dates", test_dates)):
        if span and len(span) != 2:
            msg = f"data.{key} must be empty or the first and last day, got {list(span)!r}."
            raise ValueError(msg)
    if not (harps or dates or test_dates):
        return "training"
    try:
        day = datetime.date.fromisoformat(field["date"][:10])
    except ValueError as error:
        msg = f"data must have dates to be split, got {field['date']!r} for {field['name']}."
        raise ValueError(msg) from error
    if _is_within(day, test_dates):
        return "test"
    return "validation" if field["harp"] in harps or _is_within(day, dates) else "training"


def _is_within(day, span):
    first, last = (datetime.date.fromisoformat(text) for text in span) if span else (day, None)
    return bool(span) and first <= day <= last


def is_in_gap(field, *, dates=(), test_dates=(), least_gap=3.0):
    """
    Whether a field is too near in time to dates that are set aside, and not of them.

    Parameters
    ----------
    field : `dict` or `~astropy.table.Row`
        With ``date`` (ISO).
    dates, test_dates : sequence of `str`
        See `side_of`. What is of the former must not be near the latter either.
    least_gap : `float`
        Days.

    Returns
    -------
    `bool`
    """
    spans = [span for span in (dates, test_dates) if span]
    day = datetime.date.fromisoformat(field["date"][:10]) if spans else None
    if not spans or _is_within(day, test_dates):
        return False
    time = np.datetime64(field["date"], "s")
    for span in [test_dates] if _is_within(day, dates) else spans:
        if not span:
            continue
        first, last = np.datetime64(span[0], "s"), np.datetime64(span[1], "s") + np.timedelta64(1, "D")
        if max(first - time, time - last) / np.timedelta64(1, "D") < least_gap:
            return True
    return False


def split_fields(fields, *, harps=(), dates=(), test_dates=(), least_gap=3.0):
    """
    Set fields aside for validation and for a test; see `side_of`.

    Parameters
    ----------
    fields : `list` of `dict`, or `~astropy.table.Table`
        All of them, with ``name``, ``harp``, ``date`` and ``sha256`` (of the content).
    harps : sequence of `int`
        Regions to set aside.
    dates, test_dates : sequence of `str`
        First and last day (ISO) of a span to set aside for validation, and for a test; empty for none.
    least_gap : `float`
        Days between fields of different sides.

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
    sides = [side_of(field, harps=harps, dates=dates, test_dates=test_dates) for field in fields]
    training, validation, test = (
        [field for field, of_field in zip(fields, sides, strict=True) if of_field == side]
        for side in ("training", "validation", "test")
    )
    if (harps or dates) and not (training and validation):
        msg = f"data must hold fields to train on and to validate on, got {len(training)} and {len(validation)}."
        raise ValueError(msg)
    check_leak(training, validation, least_gap=least_gap)
    check_leak([*training, *validation], test, least_gap=least_gap, kind="test")
    return sides


def check_leak(training, validation, *, least_gap=3.0, kind="validation"):
    """
    Raise if a field that was set aside is nearly in the training data.

    Two fields of one HARP, two with the same content, or two of one Sun that has hardly changed in between: frames of
    neighboring dates show the same network, and patches of one date can overlap on the disk.

    Parameters
    ----------
    training, validation : `list` of `dict` or `~astropy.table.Row`
        The two sides; see `split_fields`.
    least_gap : `float`
        Days.
    kind : {"validation", "test"}
        What the second are for.

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
            _leak(field, harps[field["harp"]], f"both are of HARP {field['harp']}", kind)
        if field["sha256"] in contents:
            _leak(field, contents[field["sha256"]], "they hold the same data", kind)
        gaps = np.abs(times - np.datetime64(field["date"], "s")) / np.timedelta64(1, "D")
        nearest = int(np.argmin(gaps))
        if gaps[nearest] < least_gap:
            why = f"they are {gaps[nearest]:.1f} days apart, less than data.least_gap_days = {least_gap:g}"
            _leak(field, training[nearest], why, kind)


def _leak(aside, training, why, kind):
    msg = f"{kind} data leak: {aside['name']} ({kind}) and {training['name']} (training): {why}."
    raise ValueError(msg)
