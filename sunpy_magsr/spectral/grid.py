"""Traces that the input's pixels leave in a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sunpy_magsr._fields import described_with

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["border_steps", "grid_excess"]

_WINDOW = 128  # pixels
_ON, _BESIDE = 1, (3, 6)  # cells of the wavenumber plane from the period
_LEAST_SHARE = 0.9

_TEXTS = {
    "field_and_period": """\
field : `numpy.ndarray`
    The result ``[y, x]``, in any unit. The pixels of the input begin at multiples of the period.
period : `int`
    Side of an input pixel, in pixels of the result. Defaults to 4.
""",
    "ratios": """\
`numpy.ndarray`
    Two ratios, along x and along y. They are 1 for a field in which the pixels of the input left no trace.
""",
}


@described_with(**_TEXTS)
def grid_excess(
    field: npt.NDArray[np.floating], *, period: int = 4, where: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.float64]:
    """
    Power at the period of the input's pixels over the power beside it, along x and y.

    The power is measured in squares of 128 pixels. For a field with a steep spectrum the ratio is somewhat below 1.

    Parameters
    ----------
    {field_and_period}
    where : `numpy.ndarray`, optional
        Pixels to look at, bool ``[y, x]``; all by default. A square is used if ``where`` is true for at least nine
        tenths of it and the field is finite in all of it.

    Returns
    -------
    {ratios}

    Raises
    ------
    ValueError
        If there is no such square.

    Examples
    --------
    Noise has no trace of the pixels, a pattern with their period has:

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


@described_with(**_TEXTS)
def border_steps(
    field: npt.NDArray[np.floating], *, period: int = 4, where: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.float64]:
    """
    Mean square of the steps across borders of the input's pixels over that of the steps within them.

    A step is the difference between neighbors in the result. This shows blocks that differ by constants, which
    `grid_excess` cannot see, as the spectrum of a block is zero at its period.

    Parameters
    ----------
    {field_and_period}
    where : `numpy.ndarray`, optional
        Pixels to look at, bool ``[y, x]``. By default all that are finite.

    Returns
    -------
    {ratios}

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
