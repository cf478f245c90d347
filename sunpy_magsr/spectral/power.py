"""Power spectrum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from sunpy_magsr._fields import FIELD, described_with
from sunpy_magsr.prep.field import read_field
from sunpy_magsr.spectral.cross import make_spectrum
from sunpy_magsr.spectral.segments import SEGMENTATION, ring_moments

if TYPE_CHECKING:
    from sunpy_magsr._fields import FieldLike
    from sunpy_magsr.spectral.segments import Scale, Side, Window
    from sunpy_magsr.spectral.spectrum import Spectrum

__all__ = ["power_spectrum"]


@described_with(field=FIELD, segmentation=SEGMENTATION)
def power_spectrum(
    field: FieldLike, *, plate_scale: Scale = None, segment: Side = None, window: Window = "hann"
) -> Spectrum:
    r"""
    Power spectral density of a field, averaged over rings of the wavenumber plane.

    It is :math:`P(k) = \langle |F|^2 \rangle \Delta x \Delta y / \sum w^2` with the Fourier transform :math:`F` of the
    field, after its mean was taken away and it was multiplied by the weights :math:`w`. The average is taken over rings
    of the plane and over segments of the field that overlap by half (Welch 1967, :doi:`10.1109/TAU.1967.1161901`; the
    last segment ends at the edge of the field). The integral :math:`\int P \, dk_x \, dk_y` is the variance of the field
    inside segments (Parseval). Wavenumbers are cycles per arcsec.

    Pixels without measurement have the weight 0, and within 8 pixels of them the weights rise smoothly. Zeros in the
    data would add the power of a step instead, and so would a mask with a sharp edge on larger structure. Segments with
    less than half of the window's energy on measured pixels are left out.

    Parameters
    ----------
    {field}
    {segmentation}

    Returns
    -------
    `Spectrum`
        The power in G2 arcsec2, in rings of the width 1 / segment up to the Nyquist wavenumber of the coarser axis. The
        error comes from the scatter between segments with Welch's correction for their overlap, or, with less than two
        independent segments, from the number of modes.

    Raises
    ------
    ValueError
        If the field or an option cannot be read, an array has no plate scale, or no segment has enough measured pixels.

    Notes
    -----
    The corners of the plane beyond the Nyquist circle are left out. With a tapered window, taking away the mean also
    takes part of the power at the longest wavelength, that of the segment (0.7 remains of white noise with "hann"). The
    spectrum is that on the plane of the sky: foreshortening is not corrected.

    Beside missing pixels some power still leaks from large scales to small ones. In simulations with a limb or a hole
    this was a few per cent for a spectrum as :math:`k^{-3}`. For one as :math:`k^{-5}` it gave up to 1.8 times the power at
    4 to 8 arcsec and 1.4 times below 2 arcsec. Single missing pixels in many places cost 8 pixels around each and leak
    more, so fill them first.

    Examples
    --------
    A wave of 100 G with a wavelength of 8 arcsec:

    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_magsr.spectral import power_spectrum
    >>> wave = 100 * np.sin(2 * np.pi * np.arange(64) / 16) * np.ones((64, 1))
    >>> spectrum = power_spectrum(wave, plate_scale=0.5 * u.arcsec / u.pix, window="boxcar")
    >>> spectrum.wavelength[np.argmax(spectrum.value)]
    <Quantity 8. arcsec>
    >>> spectrum.integral()
    <Quantity 5000. G2>
    """
    moments = ring_moments([read_field(field, plate_scale=plate_scale)], segment=segment, window=window)
    power, spread = moments.mean[0], moments.spread[0]
    error = np.where(np.isnan(spread), power / np.sqrt(moments.n_modes), spread)
    unit = u.G**2 * u.arcsec**2
    return make_spectrum(moments, power * unit, error * unit)
