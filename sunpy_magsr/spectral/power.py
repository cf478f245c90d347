"""Power spectrum."""

import astropy.units as u
import numpy as np

from sunpy_magsr.prep.field import read_field
from sunpy_magsr.spectral.segments import ring_moments
from sunpy_magsr.spectral.spectrum import Spectrum

__all__ = ["power_spectrum"]


def power_spectrum(field, *, plate_scale=None, segment=None, window="hann"):
    r"""
    Power spectral density, averaged over rings of the wavenumber plane.

    :math:`P(k) = \langle |F|^2 \rangle \Delta x \Delta y / \sum w^2` with :math:`F` the transform of the field less
    its mean times the weights :math:`w`, averaged over segments that overlap by half (Welch 1967,
    :doi:`10.1109/TAU.1967.1161901`; the last one is flush with the edge) and over rings of the plane. The integral
    :math:`\int P \, dk_x \, dk_y` is the variance of the field inside segments (Parseval); wavenumbers are cycles per
    arcsec.

    Pixels without measurement have weight 0, and the weights rise over 8 pixels beside them: zeros in the data would
    add the power of a step, and so would a sharp mask on larger structure. Segments with less than half of the
    window's energy on measured pixels are left out.

    Parameters
    ----------
    field : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic field ``[y, x]``; a plain array is in Gauss.
    plate_scale : `~astropy.units.Quantity`, optional
        Of an array, in arcsec/pix or (CEA) deg/pix.
    segment : `~astropy.units.Quantity` or `float`, optional
        Side of the segments in arcsec. Defaults to the largest square that fits in the field, at most 256 pixels.
    window : `str` or `tuple`
        Of `scipy.signal.get_window`; "boxcar" for none. Defaults to "hann".

    Returns
    -------
    `Spectrum`
        In G2 arcsec2, rings 1 / segment wide up to the Nyquist wavenumber of the coarser axis. The error is from the
        scatter between segments with Welch's correction for their overlap, or from the number of modes if there are
        less than two independent segments.

    Raises
    ------
    ValueError
        If an argument is not valid, a plate scale is missing, or too little is measured for any segment.

    Notes
    -----
    The corners of the plane beyond the Nyquist circle are not part of it. With a tapered window the removal of the mean
    takes part of the longest wavelength, the segment's own (0.7 remains of white noise with "hann"). The spectrum is
    that on the plane of the sky: foreshortening is not undone. Beside missing pixels some leakage remains: in
    simulations with a limb or a hole a few per cent for a spectrum as :math:`k^{-3}`, for one as :math:`k^{-5}` up to 1.8
    times the power at 4 to 8 arcsec and 1.4 times below 2 arcsec. Scattered missing pixels cost 8 pixels around each
    and leak more: fill them before.

    Examples
    --------
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
    rings = moments.rings
    return Spectrum(rings.wavenumber / u.arcsec, power * unit, error * unit, moments.n_modes, rings.area / u.arcsec**2)
