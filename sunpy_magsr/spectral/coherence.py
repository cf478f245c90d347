"""How far two fields agree at each scale."""

import numpy as np

from sunpy_magsr.spectral.cross import make_spectrum, pair_moments

__all__ = ["coherence", "fourier_ring_correlation", "squared_coherence"]


def coherence(result, truth, *, plate_scale=None, segment=None, window="hann"):
    r"""
    Squared coherence: the share of the power at each scale that is linear in the truth.

    :math:`g = |\langle F G^* \rangle|^2 / (\langle |F|^2 \rangle \langle |G|^2 \rangle)`, less its bias to first
    order, :math:`\gamma^2 = (g - 1/m) / (1 - 1/m)` with :math:`m = 2 n`: the mean over a ring is real (see
    `cross_spectrum`), and :math:`n` independent complex modes are :math:`2 n` real ones. Unrelated fields scatter
    about 0 (single values may be negative), a field with itself has 1. White noise added with power N to a truth with
    power S leaves 1 / (1 + N / S). It does not see a gain or a blur: see `transfer_function`.

    The standard deviation is :math:`\sqrt{2 \gamma^2 / n} (1 - \gamma^2)` (Bendat & Piersol 2010,
    :doi:`10.1002/9781118032428`), with :math:`(1 - \gamma^2) / (\sqrt 2 n)` for :math:`\gamma^2 \to 0` added in
    quadrature.

    Parameters
    ----------
    result, truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic fields ``[y, x]`` on one grid; plain arrays are in Gauss. Pixels missing in one are left out of both.
    plate_scale : `~astropy.units.Quantity`, optional
        Of arrays, in arcsec/pix or (CEA) deg/pix.
    segment : `~astropy.units.Quantity` or `float`, optional
        Side of the segments in arcsec, see `power_spectrum`.
    window : `str` or `tuple`
        Of `scipy.signal.get_window`. Defaults to "hann".

    Returns
    -------
    `Spectrum`
        Plain numbers; NaN where a field has no power or a ring has too few modes to remove the bias.

    Raises
    ------
    ValueError
        As `cross_spectrum`.

    Notes
    -----
    Bias and error are those of Gaussian fields with the same statistics everywhere. Where little of the area holds
    most of the power, as in active regions, there are fewer independent modes than counted and both are larger.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_magsr.spectral import coherence
    >>> truth = np.random.default_rng(0).normal(size=(64, 64))
    >>> same = coherence(1.4 * truth, truth, plate_scale=0.5 * u.arcsec / u.pix)
    >>> same.band(4, 1)
    1.0
    """
    moments = pair_moments(result, truth, plate_scale, segment, window)
    return make_spectrum(moments, *squared_coherence(*moments.mean, moments.n_modes))


def fourier_ring_correlation(result, truth, *, plate_scale=None, segment=None, window="hann"):
    r"""
    Fourier ring correlation: the correlation coefficient of two fields at each scale.

    :math:`\mathrm{Re} \langle F G^* \rangle / \sqrt{\langle |F|^2 \rangle \langle |G|^2 \rangle}` (Saxton &
    Baumeister 1982, :doi:`10.1111/j.1365-2818.1982.tb00405.x`; Van Heel & Schatz 2005,
    :doi:`10.1016/j.jsb.2005.05.009`), from -1 to 1. Its square is `coherence` before the bias is removed. The standard
    deviation is :math:`(1 - r^2) / \sqrt{2 n}`.

    Parameters
    ----------
    result, truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic fields ``[y, x]`` on one grid; plain arrays are in Gauss. Pixels missing in one are left out of both.
    plate_scale : `~astropy.units.Quantity`, optional
        Of arrays, in arcsec/pix or (CEA) deg/pix.
    segment : `~astropy.units.Quantity` or `float`, optional
        Side of the segments in arcsec, see `power_spectrum`.
    window : `str` or `tuple`
        Of `scipy.signal.get_window`. Defaults to "hann".

    Returns
    -------
    `Spectrum`
        Plain numbers; NaN where a field has no power.

    Raises
    ------
    ValueError
        As `cross_spectrum`.

    Notes
    -----
    The two fields are not two noisy images of one truth with independent noise, for which the customary thresholds
    are made: the truth's own noise counts as truth.

    Examples
    --------
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


def squared_coherence(first, second, cross, n_modes):
    """
    Squared coherence without bias, and its standard deviation; see `coherence`.

    Parameters
    ----------
    first, second, cross : `numpy.ndarray`
        Powers of the two and the real part of their cross spectrum.
    n_modes : `numpy.ndarray`
        Independent modes.

    Returns
    -------
    value, error : `numpy.ndarray`

    Examples
    --------
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
