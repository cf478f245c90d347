"""Cross spectrum and transfer function of two fields."""

import astropy.units as u
import numpy as np

from sunpy_magsr.prep.field import read_pair
from sunpy_magsr.spectral.segments import ring_moments
from sunpy_magsr.spectral.spectrum import Spectrum

__all__ = ["cross_spectrum", "make_spectrum", "pair_moments", "transfer_function"]


def cross_spectrum(result, truth, *, plate_scale=None, segment=None, window="hann"):
    r"""
    Cross spectrum :math:`\langle F G^* \rangle` of result (F) and truth (G), normalized as `power_spectrum`.

    Opposite modes of real fields are conjugates, so the mean over a whole ring has no imaginary part: a displacement
    :math:`d` lowers it, for isotropic fields by :math:`J_0(2 \pi k d)`, instead of turning its phase.

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
        Complex, G2 arcsec2. The error is of the real part.

    Raises
    ------
    ValueError
        As `power_spectrum`, and if the fields are not on one grid.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_magsr.spectral import cross_spectrum, power_spectrum
    >>> truth = np.random.default_rng(0).normal(size=(64, 64))
    >>> scale = 0.5 * u.arcsec / u.pix
    >>> cross = cross_spectrum(-3 * truth, truth, plate_scale=scale)
    >>> np.allclose(cross.value / power_spectrum(truth, plate_scale=scale).value, -3)
    True
    """
    moments = pair_moments(result, truth, plate_scale, segment, window)
    (first, second, cross), spread = moments.mean, moments.spread[2]
    from_modes = np.sqrt((first * second + cross**2) / (2 * moments.n_modes))
    unit = u.G**2 * u.arcsec**2
    return make_spectrum(moments, cross.astype(complex) * unit, np.where(np.isnan(spread), from_modes, spread) * unit)


def transfer_function(result, truth, *, plate_scale=None, segment=None, window="hann"):
    r"""
    Transfer function: the share of the truth's amplitude that comes through at each scale.

    :math:`H = |\langle G^* F \rangle| / \langle |G|^2 \rangle`: what is in the result but unrelated to the truth does
    not count. A gain :math:`a` gives :math:`a`, a Gaussian blur :math:`e^{-2 \pi^2 \sigma^2 k^2}`. The standard
    deviation is :math:`\sqrt{(1 - \gamma^2) \langle |F|^2 \rangle / (2 n \langle |G|^2 \rangle)}` (Bendat & Piersol
    2010, :doi:`10.1002/9781118032428`).

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
        Plain numbers; NaN where the truth has no power.

    Raises
    ------
    ValueError
        As `cross_spectrum`.

    Notes
    -----
    An amplitude: between unrelated fields it is of the order of its error and not 0, and a reversed sign is not seen.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_magsr.spectral import transfer_function
    >>> truth = np.random.default_rng(0).normal(size=(64, 64))
    >>> transfer_function(1.4 * truth, truth, plate_scale=0.5 * u.arcsec / u.pix).band(4, 1)
    1.4
    """
    moments = pair_moments(result, truth, plate_scale, segment, window)
    first, second, cross = moments.mean
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.abs(cross) / second
        unrelated = np.maximum(first - cross**2 / second, 0) / second
    return make_spectrum(moments, value, np.sqrt(unrelated / (2 * moments.n_modes)))


def pair_moments(result, truth, plate_scale, segment, window):
    """Moments of two fields, see `~sunpy_magsr.spectral.segments.ring_moments`."""
    return ring_moments(read_pair(result, truth, plate_scale=plate_scale), segment=segment, window=window)


def make_spectrum(moments, value, error):
    """A `Spectrum` on the rings of the moments."""
    rings = moments.rings
    return Spectrum(rings.wavenumber / u.arcsec, value, error, moments.n_modes, rings.area / u.arcsec**2)
