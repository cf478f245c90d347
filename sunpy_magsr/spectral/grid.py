"""Traces that the input's pixels leave in a result."""

import numpy as np

__all__ = ["border_steps", "grid_excess"]

_WINDOW = 128  # pixels
_ON, _BESIDE = 1, (3, 6)  # cells of the wavenumber plane from the period
_LEAST_SHARE = 0.9


def grid_excess(field, *, period=4, where=None):
    """
    Power at the period of the input's pixels over that beside it, along x and y.

    Parameters
    ----------
    field : `numpy.ndarray`
        ``[y, x]``, any unit.
    period : `int`
        Pixels.
    where : `numpy.ndarray`, optional
        bool ``[y, x]``; squares of 128 pixels are looked at of which nine tenths are true (and all is finite). All by
        default.

    Returns
    -------
    `numpy.ndarray`
        Two ratios, along x and y; 1 for a field that knows nothing of the pixels, or somewhat less where its spectrum is
        steep.

    Raises
    ------
    ValueError
        If there is no such square.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.spectral import grid_excess
    >>> noise = np.random.default_rng(0).standard_normal((512, 512))
    >>> bool((abs(grid_excess(noise) - 1) < 0.1).all())
    True
    >>> pattern = np.tile([1.0, 0, 0, 0], 128)
    >>> bool(grid_excess(noise + pattern)[0] > 2)
    True
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
    Mean square of the step from pixel to pixel across borders of the input's pixels over that within them.

    This sees blocks that differ by constants, to which `grid_excess` is blind, as the spectrum of a block has a zero at
    its period.

    Parameters
    ----------
    field : `numpy.ndarray`
        ``[y, x]``, any unit; borders are at multiples of the period.
    period : `int`
        Pixels.
    where : `numpy.ndarray`, optional
        bool ``[y, x]``: pixels to look at. All that are finite by default.

    Returns
    -------
    `numpy.ndarray`
        Two ratios, along x and y; 1 for a field that knows nothing of the pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.spectral import border_steps
    >>> noise = np.random.default_rng(0).standard_normal((512, 512))
    >>> bool((abs(border_steps(noise) - 1) < 0.05).all())
    True
    >>> blocks = noise[::4, ::4].repeat(4, 0).repeat(4, 1)
    >>> bool((border_steps(noise + blocks) > 1.5).all())
    True
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
