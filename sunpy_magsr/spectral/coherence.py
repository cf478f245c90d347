"""How far two fields agree at each scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sunpy_magsr._fields import described_with
from sunpy_magsr.spectral.cross import PAIR_TEXTS, make_spectrum, pair_moments

if TYPE_CHECKING:
    import numpy.typing as npt

    from sunpy_magsr._fields import FieldLike
    from sunpy_magsr.spectral.segments import Scale, Side, Window
    from sunpy_magsr.spectral.spectrum import Spectrum

__all__ = ["coherence", "fourier_ring_correlation", "squared_coherence"]


@described_with(**PAIR_TEXTS)
def coherence(
    result: FieldLike, truth: FieldLike, *, plate_scale: Scale = None, segment: Side = None, window: Window = "hann"
) -> Spectrum:
    r"""
    Squared coherence: the share of the result's power at each scale that is linear in the truth.

    The estimate :math:`g = |\langle F G^* \rangle|^2 / (\langle |F|^2 \rangle \langle |G|^2 \rangle)` is corrected for its
    bias to first order, :math:`\gamma^2 = (g - 1/m) / (1 - 1/m)`. Here :math:`m = 2 n`, because the mean over a ring is
    real (see `cross_spectrum`), and :math:`n` independent complex modes are :math:`2 n` real ones.

    Unrelated fields scatter about 0, so that single values may be negative; a field with itself has 1. White noise of
    power N on top of a truth of power S leaves 1 / (1 + N / S). A factor or a blur does not change the coherence: see
    `transfer_function` for these.

    The standard deviation is :math:`\sqrt{2 \gamma^2 / n} (1 - \gamma^2)` (Bendat & Piersol 2010,
    :doi:`10.1002/9781118032428`), with :math:`(1 - \gamma^2) / (\sqrt 2 n)` for :math:`\gamma^2 \to 0` added in
    quadrature.

    {parameters}

    Returns
    -------
    `Spectrum`
        The squared coherence, plain numbers. NaN where a field has no power or a ring has too few modes to remove the
        bias.

    {raises}

    Notes
    -----
    Bias and error are those of Gaussian fields with the same statistics everywhere. Where little of the area holds
    most of the power, as in active regions, there are fewer independent modes than counted and both are larger.

    Examples
    --------
    A field has the coherence 1 with 1.4 times itself:

    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_magsr.spectral import coherence
    >>> truth = np.random.default_rng(0).normal(size=(64, 64))
    >>> same = coherence(1.4 * truth, truth, plate_scale=0.5 * u.arcsec / u.pix)
    >>> same.band(4, 1)
    1.0
    """
    moments = pair_moments(result, truth, plate_scale, segment, window)
    first, second, cross = moments.mean
    return make_spectrum(moments, *squared_coherence(first, second, cross, moments.n_modes))


@described_with(**PAIR_TEXTS)
def fourier_ring_correlation(
    result: FieldLike, truth: FieldLike, *, plate_scale: Scale = None, segment: Side = None, window: Window = "hann"
) -> Spectrum:
    r"""
    Fourier ring correlation: the correlation coefficient of two fields at each scale.

    It is :math:`\mathrm{Re} \langle F G^* \rangle / \sqrt{\langle |F|^2 \rangle \langle |G|^2 \rangle}` (Saxton &
    Baumeister 1982, :doi:`10.1111/j.1365-2818.1982.tb00405.x`; Van Heel & Schatz 2005,
    :doi:`10.1016/j.jsb.2005.05.009`), from -1 to 1. Its square is `coherence` before the bias is removed. The standard
    deviation is :math:`(1 - r^2) / \sqrt{2 n}`.

    {parameters}

    Returns
    -------
    `Spectrum`
        The correlation, plain numbers. NaN where a field has no power.

    {raises}

    Notes
    -----
    The usual thresholds are made for two images of one object with independent noise. Here the truth has noise too, but
    it counts as part of the truth.

    Examples
    --------
    A field is anticorrelated with its negative:

    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_magsr.spectral import fourier_ring_correlation
    >>> truth = np.random.default_rng(0).normal(size=(64, 64))
    >>> opposite = fourier_ring_correlation(-truth, truth, plate_scale=0.5 * u.arcsec / u.pix)
    >>> opposite.band(4, 1)
    -1.0
    """
    moments = pair_moments(result, truth, plate_scale, segment, window)
    first, second, cross = moments.mean
    with np.errstate(divide="ignore", invalid="ignore"):
        value = cross / np.sqrt(first * second)
    return make_spectrum(moments, value, (1 - value**2) / np.sqrt(2 * moments.n_modes))


def squared_coherence(
    first: npt.NDArray[np.float64],
    second: npt.NDArray[np.float64],
    cross: npt.NDArray[np.float64],
    n_modes: npt.NDArray[np.floating],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """
    Squared coherence without its bias, and its standard deviation; see `coherence`.

    Parameters
    ----------
    first, second, cross : `numpy.ndarray`
        Powers of the two fields and the real part of their cross spectrum, in each ring.
    n_modes : `numpy.ndarray`
        Number of independent modes in each ring.

    Returns
    -------
    value : `numpy.ndarray`
        Squared coherence in each ring.
    error : `numpy.ndarray`
        Standard deviation of the squared coherence in each ring.

    Examples
    --------
    Two fields that have nothing in common in a ring of 50 modes:

    >>> import numpy as np
    >>> from sunpy_magsr.spectral.coherence import squared_coherence
    >>> squared_coherence(np.ones(1), np.ones(1), np.zeros(1), np.array([50]))
    (array([-0.01010101]), array([0.01414214]))
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        biased = cross**2 / (first * second)
        bias = np.where(n_modes > 0.5, 1 / (2 * n_modes), np.nan)
        value = (biased - bias) / (1 - bias)
    positive = np.clip(value, 0, 1)
    return value, (1 - positive) * np.sqrt(2 * positive / n_modes + 1 / (2 * n_modes**2))
