"""Traces that the grid of the input left in a result."""

import numpy as np

_WINDOW = 128  # pixels
_ON, _BESIDE = 1, (3, 6)  # cells of the wavenumber plane from the period
_LEAST_SHARE = 0.9


def grid_excess(field, *, period=4, where=None):
    """
    Power at the period of the input's pixels over the power beside it, along x and y.

    It is 1 for a field in which the pixels of the input left no trace, and somewhat below for a field with a steep
    spectrum. The power is measured in squares of 128 pixels of which nine tenths are in ``where`` and all are finite.
    """
    where = np.ones(field.shape, dtype=bool) if where is None else where
    taper = np.outer(*[np.hanning(_WINDOW)] * 2)
    total, count = np.zeros((_WINDOW, _WINDOW)), 0
    for y in range(0, field.shape[0] - _WINDOW + 1, _WINDOW // 2):
        for x in range(0, field.shape[1] - _WINDOW + 1, _WINDOW // 2):
            window = (slice(y, y + _WINDOW), slice(x, x + _WINDOW))
            if where[window].mean() >= _LEAST_SHARE and np.isfinite(field[window]).all():
                total += np.abs(np.fft.fft2(field[window] * taper)) ** 2
                count += 1
    if not count:
        msg = f"field must hold a square of {_WINDOW} pixels that is wanted and finite, got none in {field.shape}."
        raise ValueError(msg)
    center = _WINDOW // period
    on = slice(center - _ON, center + _ON + 1)
    beside = np.r_[center - _BESIDE[1] : center - _BESIDE[0] + 1, center + _BESIDE[0] : center + _BESIDE[1] + 1]
    return np.array([power[on].mean() / power[beside].mean() for power in (total.T, total)])


def border_steps(field, *, period=4, where=None):
    """
    Mean square of the steps across borders of the input's pixels over that of the steps within them, along x and y.

    This shows blocks that differ by constants, which `grid_excess` cannot see, as the spectrum of a block is zero at its
    period.
    """
    where = np.isfinite(field) if where is None else where & np.isfinite(field)
    ratios = []
    for values, wanted in ((field, where), (field.T, where.T)):
        both = wanted[:, 1:] & wanted[:, :-1]
        squared = np.where(both, np.diff(np.nan_to_num(values), axis=1) ** 2, 0)
        is_border = np.arange(1, values.shape[1]) % period == 0
        means = [squared[:, columns].sum() / both[:, columns].sum() for columns in (is_border, ~is_border)]
        ratios.append(means[0] / means[1])
    return np.array(ratios)
