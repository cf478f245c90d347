"""Windows of a field that patches are drawn from, and their chances."""

import itertools

import numpy as np

__all__ = ["window_weights", "windows_of"]


def windows_of(data, mu, *, side, strong_field, max_missing):
    """
    Cut a field into windows that overlap by half.

    Parameters
    ----------
    data : `numpy.ndarray`
        Gauss ``[y, x]``, NaN where there is no measurement.
    mu : `numpy.ndarray`
        Cosine of the heliocentric angle ``[y, x]``.
    side : `int`
        Pixels; where the field is smaller, its whole side is taken.
    strong_field : `float`
        Gauss; a pixel above it is a strong one.
    max_missing : `float`
        Largest share of a window that is missing.

    Returns
    -------
    `list` of `dict`
        ``y``, ``x``, ``height``, ``width`` in pixels, the share ``finite`` that is measured and the share ``strong``
        that is strong, the median ``mu`` and the root mean square ``rms`` in Gauss of what is measured.
    """
    height, width = (min(side, length) for length in data.shape)
    windows = []
    for y, x in itertools.product(_starts(data.shape[0], height), _starts(data.shape[1], width)):
        part = (slice(y, y + height), slice(x, x + width))
        finite = np.isfinite(data[part])
        share = float(finite.mean())
        if not share or 1 - share > max_missing:
            continue
        values = data[part][finite]
        windows.append(
            {
                "y": y,
                "x": x,
                "height": height,
                "width": width,
                "finite": share,
                "mu": float(np.median(mu[part][finite])),
                "rms": float(np.sqrt(np.mean(np.square(values, dtype=float)))),
                "strong": float((np.abs(values) > strong_field).sum() / finite.size),
            }
        )
    return windows


def _starts(length, side):
    starts = list(range(0, length - side + 1, max(1, side // 2)))
    return starts if starts[-1] == length - side else [*starts, length - side]


def window_weights(patches, fields, *, helioprojective_share=0.0):
    """
    Chance of each window: its measured area, balanced between regions by a square root.

    Parameters
    ----------
    patches, fields : `~astropy.table.Table`
        Of the store.
    helioprojective_share : `float`
        Share of the weight of the windows on the pixels of a detector. With 0, the areas decide.

    Returns
    -------
    `numpy.ndarray`
        Sums to 1 over each side of the split, and over its true pairs; 0 in fields that are too coarse to be the truth
        of anything.
    """
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
    known = {key: position for position, key in enumerate(dict.fromkeys(keys))}
    position = np.array([known[key] for key in keys])
    totals = np.bincount(position, weights=values)[position]
    return np.where(totals == 0, 1, totals)
