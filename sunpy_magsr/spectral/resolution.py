"""Down to which scale a result is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

if TYPE_CHECKING:
    from sunpy_magsr.spectral.spectrum import Spectrum

__all__ = ["effective_resolution"]


def effective_resolution(spectrum: Spectrum, *, threshold: float = 0.5) -> u.Quantity:
    """
    Wavelength at which a coherence or Fourier ring correlation first falls below a threshold.

    The wavelength is interpolated between rings, linearly in wavenumber. For a `coherence`, 0.5 means that half of the
    power is linear in the truth. For a Fourier ring correlation 1/7 is customary (Van Heel & Schatz 2005,
    :doi:`10.1016/j.jsb.2005.05.009`, discuss that and others); a coherence of 0.5 is a correlation of 0.71.

    Parameters
    ----------
    spectrum : `Spectrum`
        A spectrum of plain numbers. Rings with NaN are left out.
    threshold : `float`
        The threshold, between 0 and 1. Defaults to 0.5.

    Returns
    -------
    `~astropy.units.Quantity`
        The wavelength in arcsec. If the spectrum never falls below the threshold, it is the shortest wavelength of the
        spectrum (that of Nyquist). It is NaN if the spectrum is below from the start.

    Raises
    ------
    ValueError
        If the spectrum has a unit or the threshold is not between 0 and 1.

    Notes
    -----
    The first crossing counts, even if noise made it. A wavelength spans two pixels of the coarsest grid that holds it.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_magsr.spectral import Spectrum, effective_resolution
    >>> k = np.array([0.1, 0.2, 0.3, 0.4])
    >>> spectrum = Spectrum(k / u.arcsec, 1 - 2 * k, np.zeros(4), np.ones(4))
    >>> effective_resolution(spectrum)
    <Quantity 4. arcsec>
    """
    value = u.Quantity(spectrum.value)
    if value.unit != u.dimensionless_unscaled or np.iscomplexobj(value):
        msg = (
            f"spectrum must be a coherence or correlation, a real number without unit, got {value.dtype} {value.unit}."
        )
        raise ValueError(msg)
    if not 0 < threshold < 1:
        msg = f"threshold must be between 0 and 1, got {threshold!r}."
        raise ValueError(msg)
    known = np.isfinite(value.value)
    value, wavenumber = value.value[known], spectrum.wavenumber.to_value(1 / u.arcsec)[known]
    below = np.flatnonzero(value < threshold)
    if not len(value) or (len(below) and below[0] == 0):
        return np.nan * u.arcsec
    if not len(below):
        return 1 / wavenumber[-1] * u.arcsec
    pair = slice(below[0], below[0] - 2 if below[0] > 1 else None, -1)
    return 1 / np.interp(threshold, value[pair], wavenumber[pair]) * u.arcsec
