"""Power, cross spectrum, coherence, transfer function and effective resolution."""

from __future__ import annotations

import astropy.units as u
import numpy as np

from sunpy_magsr.maps.field import FieldLike, read_field, read_pair
from sunpy_magsr.spectral.spectrum import Moments, Scale, Side, Spectrum, Window, ring_moments


def cross_spectrum(
    result: FieldLike, truth: FieldLike, *, plate_scale: Scale = None, segment: Side = None, window: Window = "hann"
) -> Spectrum:
    r"""
    Cross spectrum :math:`\langle F G^* \rangle` of result (F) and truth (G).

    It is normalized as `power_spectrum`. Opposite modes of real fields are conjugates, so the mean over a whole ring
    has no imaginary part. A displacement :math:`d` lowers the mean, for isotropic fields by :math:`J_0(2 \pi k d)`,
    instead of turning its phase.

    Parameters
    ----------
    result : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic field that is compared with the truth, ``[y, x]``; a plain array is in Gauss.
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        True magnetic field on the same grid. A pixel that is missing in one of the two fields is left out of both.
    plate_scale : `~astropy.units.Quantity`, optional
        Size of the pixels of a plain array: one number, or ``(x, y)``, in arcsec/pix, or in deg/pix for a heliographic
        (CEA) grid. A Map knows its own.
    segment : `~astropy.units.Quantity` or `float`, optional
        Side of the segments in arcsec. Defaults to the largest square that fits in the field, at most 256 pixels.
    window : `str` or `tuple`
        Window of a segment, as `scipy.signal.get_window` takes it; "boxcar" for none. Defaults to "hann".

    Returns
    -------
    `Spectrum`
        The cross spectrum, complex in G2 arcsec2. The error is that of the real part.

    Raises
    ------
    ValueError
        If a field or an option cannot be read, an array has no plate scale, the fields are not on one grid, or no segment
        has enough pixels that are measured in both.

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


def transfer_function(
    result: FieldLike, truth: FieldLike, *, plate_scale: Scale = None, segment: Side = None, window: Window = "hann"
) -> Spectrum:
    r"""
    Transfer function: how much of the truth's amplitude at each scale is in the result.

    It is :math:`H = |\langle G^* F \rangle| / \langle |G|^2 \rangle`. What is in the result but unrelated to the truth
    does not count. A result that is :math:`a` times the truth has :math:`H = a`, and a Gaussian blur has
    :math:`e^{-2 \pi^2 \sigma^2 k^2}`. The standard deviation is :math:`\sqrt{(1 - \gamma^2) \langle |F|^2 \rangle /
    (2 n \langle |G|^2 \rangle)}` (Bendat & Piersol 2010, :doi:`10.1002/9781118032428`).

    Parameters
    ----------
    result : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic field that is compared with the truth, ``[y, x]``; a plain array is in Gauss.
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        True magnetic field on the same grid. A pixel that is missing in one of the two fields is left out of both.
    plate_scale : `~astropy.units.Quantity`, optional
        Size of the pixels of a plain array: one number, or ``(x, y)``, in arcsec/pix, or in deg/pix for a heliographic
        (CEA) grid. A Map knows its own.
    segment : `~astropy.units.Quantity` or `float`, optional
        Side of the segments in arcsec. Defaults to the largest square that fits in the field, at most 256 pixels.
    window : `str` or `tuple`
        Window of a segment, as `scipy.signal.get_window` takes it; "boxcar" for none. Defaults to "hann".

    Returns
    -------
    `Spectrum`
        The transfer function, plain numbers. NaN where the truth has no power.

    Raises
    ------
    ValueError
        If a field or an option cannot be read, an array has no plate scale, the fields are not on one grid, or no segment
        has enough pixels that are measured in both.

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


def pair_moments(result: FieldLike, truth: FieldLike, plate_scale: Scale, segment: Side, window: Window) -> Moments:
    """Read two fields and average the products of their Fourier modes."""
    return ring_moments(read_pair(result, truth, plate_scale=plate_scale), segment=segment, window=window)


def make_spectrum(moments: Moments, value: u.Quantity | np.ndarray, error: u.Quantity | np.ndarray) -> Spectrum:
    """Put values and their errors on the rings of the moments from which they were made."""
    rings = moments.rings
    return Spectrum(rings.wavenumber / u.arcsec, value, error, moments.n_modes, rings.area / u.arcsec**2)


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
    field : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic field ``[y, x]``; a plain array is in Gauss.
    plate_scale : `~astropy.units.Quantity`, optional
        Size of the pixels of a plain array: one number, or ``(x, y)``, in arcsec/pix, or in deg/pix for a heliographic
        (CEA) grid. A Map knows its own.
    segment : `~astropy.units.Quantity` or `float`, optional
        Side of the segments in arcsec. Defaults to the largest square that fits in the field, at most 256 pixels.
    window : `str` or `tuple`
        Window of a segment, as `scipy.signal.get_window` takes it; "boxcar" for none. Defaults to "hann".

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

    Parameters
    ----------
    result : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic field that is compared with the truth, ``[y, x]``; a plain array is in Gauss.
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        True magnetic field on the same grid. A pixel that is missing in one of the two fields is left out of both.
    plate_scale : `~astropy.units.Quantity`, optional
        Size of the pixels of a plain array: one number, or ``(x, y)``, in arcsec/pix, or in deg/pix for a heliographic
        (CEA) grid. A Map knows its own.
    segment : `~astropy.units.Quantity` or `float`, optional
        Side of the segments in arcsec. Defaults to the largest square that fits in the field, at most 256 pixels.
    window : `str` or `tuple`
        Window of a segment, as `scipy.signal.get_window` takes it; "boxcar" for none. Defaults to "hann".

    Returns
    -------
    `Spectrum`
        The squared coherence, plain numbers. NaN where a field has no power or a ring has too few modes to remove the
        bias.

    Raises
    ------
    ValueError
        If a field or an option cannot be read, an array has no plate scale, the fields are not on one grid, or no segment
        has enough pixels that are measured in both.

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


def squared_coherence(
    first: np.ndarray, second: np.ndarray, cross: np.ndarray, n_modes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Squared coherence without its bias, and its standard deviation; see `coherence`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        biased = cross**2 / (first * second)
        bias = np.where(n_modes > 0.5, 1 / (2 * n_modes), np.nan)
        value = (biased - bias) / (1 - bias)
    positive = np.clip(value, 0, 1)
    return value, (1 - positive) * np.sqrt(2 * positive / n_modes + 1 / (2 * n_modes**2))


def effective_resolution(spectrum: Spectrum, *, threshold: float = 0.5) -> u.Quantity:
    """
    Wavelength at which a coherence first falls below a threshold.

    The wavelength is interpolated between rings, linearly in wavenumber. At the default threshold of 0.5, half of the
    power is linear in the truth.

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
        msg = f"spectrum must be a coherence, a real number without unit, got {value.dtype} {value.unit}."
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
