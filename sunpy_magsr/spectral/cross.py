"""Cross spectrum and transfer function of two fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from sunpy_magsr._fields import PAIR, PARAMETERS, RAISES, described_with
from sunpy_magsr.prep.field import read_pair
from sunpy_magsr.spectral.segments import SEGMENTATION, ring_moments
from sunpy_magsr.spectral.spectrum import Spectrum

if TYPE_CHECKING:
    from typing import Any

    import numpy.typing as npt

    from sunpy_magsr._fields import FieldLike
    from sunpy_magsr.spectral.segments import Moments, Scale, Side, Window

__all__ = ["PAIR_TEXTS", "cross_spectrum", "make_spectrum", "pair_moments", "transfer_function"]

#: What docstrings say of functions that compare two fields at each scale.
PAIR_TEXTS = {
    "parameters": PARAMETERS + PAIR + SEGMENTATION,
    "raises": f"""{RAISES}ValueError
    If a field or an option cannot be read, an array has no plate scale, the fields are not on one grid, or no segment
    has enough pixels that are measured in both.
""",
}


@described_with(**PAIR_TEXTS)
def cross_spectrum(
    result: FieldLike, truth: FieldLike, *, plate_scale: Scale = None, segment: Side = None, window: Window = "hann"
) -> Spectrum:
    r"""
    Cross spectrum :math:`\langle F G^* \rangle` of result (F) and truth (G).

    It is normalized as `power_spectrum`. Opposite modes of real fields are conjugates, so the mean over a whole ring
    has no imaginary part. A displacement :math:`d` lowers the mean, for isotropic fields by :math:`J_0(2 \pi k d)`,
    instead of turning its phase.

    {parameters}

    Returns
    -------
    `Spectrum`
        The cross spectrum, complex in G2 arcsec2. The error is that of the real part.

    {raises}

    Examples
    --------
    The cross spectrum of a field with -3 times itself is -3 times its power:

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


@described_with(**PAIR_TEXTS)
def transfer_function(
    result: FieldLike, truth: FieldLike, *, plate_scale: Scale = None, segment: Side = None, window: Window = "hann"
) -> Spectrum:
    r"""
    Transfer function: how much of the truth's amplitude at each scale is in the result.

    It is :math:`H = |\langle G^* F \rangle| / \langle |G|^2 \rangle`. What is in the result but unrelated to the truth
    does not count. A result that is :math:`a` times the truth has :math:`H = a`, and a Gaussian blur has
    :math:`e^{-2 \pi^2 \sigma^2 k^2}`. The standard deviation is :math:`\sqrt{(1 - \gamma^2) \langle |F|^2 \rangle /
    (2 n \langle |G|^2 \rangle)}` (Bendat & Piersol 2010, :doi:`10.1002/9781118032428`).

    {parameters}

    Returns
    -------
    `Spectrum`
        The transfer function, plain numbers. NaN where the truth has no power.

    {raises}

    Notes
    -----
    It is an amplitude without sign. Between unrelated fields it is as large as its error and not 0, and it does not
    show a reversed sign.

    Examples
    --------
    A field that is 1.4 times the truth has a transfer function of 1.4:

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


@described_with(**PAIR_TEXTS)
def pair_moments(result: FieldLike, truth: FieldLike, plate_scale: Scale, segment: Side, window: Window) -> Moments:
    """
    Read two fields and average the products of their Fourier modes.

    {parameters}

    Returns
    -------
    `~sunpy_magsr.spectral.segments.Moments`
        Powers of both fields and their cross spectrum in rings.
    """
    return ring_moments(read_pair(result, truth, plate_scale=plate_scale), segment=segment, window=window)


def make_spectrum(
    moments: Moments, value: u.Quantity | npt.NDArray[Any], error: u.Quantity | npt.NDArray[Any]
) -> Spectrum:
    """
    Put values and their errors on the rings of the moments from which they were made.

    Parameters
    ----------
    moments : `~sunpy_magsr.spectral.segments.Moments`
        The moments, which give wavenumbers, areas and numbers of modes.
    value, error : `~astropy.units.Quantity` or `numpy.ndarray`
        One number for each ring.

    Returns
    -------
    `Spectrum`
        The spectrum of the values.
    """
    rings = moments.rings
    return Spectrum(rings.wavenumber / u.arcsec, value, error, moments.n_modes, rings.area / u.arcsec**2)
