"""Whether a result carries the lattice of its input's pixels."""

import dataclasses

import numpy as np
import scipy.ndimage
from numpy.lib.stride_tricks import sliding_window_view

__all__ = ["LATTICE_BANDS", "Lattice", "measure_lattice"]

#: Bands of wavelengths, shortest and longest, in pixels of the result.
LATTICE_BANDS = ((2, 3), (3, 4.5), (4.5, 6.5), (6.5, 10), (10, 16))
_WINDOW = 32
_ALONG_AXIS, _ALONG_DIAGONAL = 15, 15  # degrees from an axis or a diagonal
_DETAIL, _AROUND = 1.5, 8.0  # pixels: what is smoother is no detail, and where the mean energy of detail is taken


@dataclasses.dataclass(frozen=True)
class Lattice:
    """
    Traces of a lattice; `measure_lattice` finds them.

    Parameters
    ----------
    axis_ratio : `numpy.ndarray`
        Power of waves along rows and columns over that of waves along the diagonals, in each of `LATTICE_BANDS`. It is 1
        for an isotropic field.
    phases : `numpy.ndarray`
        Energy of detail by place within an input pixel, ``[row, column]``, over its mean. It is 1 everywhere if detail does
        not know the input's pixels.
    windows : `int`
        Number of windows over which the power was averaged.
    """

    axis_ratio: np.ndarray
    phases: np.ndarray
    windows: int


def measure_lattice(field, *, where=None, factor=4):
    """
    Measure whether a field prefers directions along its axes, or places within the input's pixels.

    The Sun does neither. HMI's own pixels may, so compare with the same numbers of the truth. Power is compared at equal
    wavenumber.

    Parameters
    ----------
    field : `numpy.ndarray`
        A sample in Gauss ``[Y, X]``, NaN where it is not known. Its first pixel is the first within an input pixel.
    where : `numpy.ndarray`, optional
        Pixels to measure, bool ``[Y, X]``. By default all that are known.
    factor : `int`
        Number of pixels along one input pixel. Defaults to 4.

    Returns
    -------
    `Lattice`
        The traces. Windows of 32 x 32 pixels count if half of their pixels are to be measured and all are known; each
        has the same weight, whatever its power.

    Raises
    ------
    ValueError
        If there is no such window.
    """
    known = np.isfinite(field)
    chosen = known if where is None else known & where
    power = _mean_power(np.nan_to_num(np.asarray(field, dtype=float)), known, chosen)
    if power is None:
        msg = f"field must have a window of {_WINDOW} x {_WINDOW} known pixels of which half are measured, got none."
        raise ValueError(msg)
    plane, count = power
    ky, kx = np.meshgrid(np.fft.fftfreq(_WINDOW), np.fft.fftfreq(_WINDOW), indexing="ij")
    wavenumber, angle = np.hypot(ky, kx), np.degrees(np.arctan2(np.abs(ky), np.abs(kx)))
    along_axis = np.minimum(angle, 90 - angle) < _ALONG_AXIS
    along_diagonal = np.abs(angle - 45) < _ALONG_DIAGONAL
    plane = plane / _isotropic(plane, wavenumber)
    bands = [(wavenumber * shortest < 1) & (wavenumber * longest >= 1) for shortest, longest in LATTICE_BANDS]
    ratios = [plane[band & along_axis].mean() / plane[band & along_diagonal].mean() for band in bands]
    return Lattice(np.array(ratios), _phases(field, chosen, factor), count)


def _mean_power(field, known, chosen):
    """Mean of the windows' spectra, each over its sum, and number of windows; `None` if there is none."""
    step = (slice(None, None, _WINDOW // 2),) * 2
    views = [sliding_window_view(array, (_WINDOW, _WINDOW))[step] for array in (field, known, chosen)]
    usable = views[1].all(axis=(2, 3)) & (views[2].mean(axis=(2, 3)) > 0.5)
    windows = views[0][usable]
    hann = np.outer(np.hanning(_WINDOW), np.hanning(_WINDOW))
    power = np.abs(np.fft.fft2((windows - windows.mean(axis=(1, 2), keepdims=True)) * hann)) ** 2
    total = power.sum(axis=(1, 2))
    power = power[total > 0] / total[total > 0, None, None]
    return (power.mean(axis=0), len(power)) if len(power) else None


def _isotropic(plane, wavenumber):
    """Mean power at each wavenumber; a steep spectrum would differ between axes and diagonals, whose modes lie elsewhere."""
    ring = np.rint(_WINDOW * wavenumber).astype(int)
    count = np.bincount(ring.ravel())
    means = [np.bincount(ring.ravel(), weights=values.ravel()) / count for values in (wavenumber, plane)]
    return np.exp(np.interp(wavenumber, means[0], np.log(np.maximum(means[1], np.finfo(float).tiny))))


def _phases(field, chosen, factor):
    filled = np.nan_to_num(np.asarray(field, dtype=float))
    energy = (filled - scipy.ndimage.gaussian_filter(filled, _DETAIL)) ** 2
    energy /= np.maximum(scipy.ndimage.gaussian_filter(energy, _AROUND), 1e-6)
    phases = [
        [energy[y::factor, x::factor][chosen[y::factor, x::factor]].mean() for x in range(factor)]
        for y in range(factor)
    ]
    return np.array(phases) / np.mean(phases)
