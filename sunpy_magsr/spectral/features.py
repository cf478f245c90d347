"""Whether features below the pixel of the input are predicted."""

import dataclasses

import astropy.units as u
import numpy as np
import sunpy.map

from sunpy_magsr.prep.field import read_pair
from sunpy_magsr.spectral.coherence import squared_coherence
from sunpy_magsr.spectral.segments import ring_moments
from sunpy_magsr.spectral.spectrum import in_arcsec

__all__ = ["SmallFeatures", "small_features"]


@dataclasses.dataclass(frozen=True)
class SmallFeatures:
    """
    What a result holds in a band of small scales; made by `small_features`.

    Attributes
    ----------
    power_ratio : `float`
        Power of the result over that of the truth.
    coherence : `float`
        Squared coherence, bias removed.
    coherence_error : `float`
        Its standard deviation.

    Examples
    --------
    >>> from sunpy_magsr.spectral import SmallFeatures
    >>> SmallFeatures(power_ratio=0.95, coherence=0.02, coherence_error=0.01).verdict
    'texture'
    """

    power_ratio: float
    coherence: float
    coherence_error: float

    @property
    def verdict(self):
        """
        In a word.

        A coherence counts if it is 0.1 or more and twice its error. "missing": less than half of the truth's power if
        the coherence does not count, or less than half of that times the coherence if it does (a best estimate, the
        posterior mean, has that share of the power; with less the features are there but blurred away). Else
        "texture" if the coherence does not count, "partly predicted" below 0.5, "predicted" from there on.
        """
        counts = self.coherence >= 0.1 and self.coherence >= 2 * self.coherence_error
        if self.power_ratio < 0.5 * (self.coherence if counts else 1):
            return "missing"
        if not counts:
            return "texture"
        return "predicted" if self.coherence >= 0.5 else "partly predicted"


def small_features(result, truth, *, plate_scale=None, band=(2, 4 / 3) * u.arcsec, segment=None, window="hann"):
    r"""
    Whether small features are predicted: power and squared coherence with the truth in a band of wavelengths.

    Power alone is texture: a generator that draws features of the right size and strength in the wrong places has a
    power ratio of 1 and a coherence of 0. The band is one ring of the wavenumber plane, so the coherence is the squared
    correlation of the two band-passed fields (bias removed and error as in `coherence`), to which the stronger
    scales in the band contribute more.

    Parameters
    ----------
    result : `sunpy.map.GenericMap`, `~astropy.units.Quantity`, array-like, or a sequence of them
        One magnetic field ``[y, x]``, or samples: a list or tuple of fields, or ``[sample, y, x]``. Of samples, power
        and coherence of each are averaged.
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        On the same grid. Plain arrays are in Gauss.
    plate_scale : `~astropy.units.Quantity`, optional
        Of arrays, in arcsec/pix or (CEA) deg/pix.
    band : `~astropy.units.Quantity`
        Longest and shortest wavelength in arcsec. Defaults to 2 to 4/3 arcsec: below the pixel of MDI, and above where
        HMI maps on a CEA grid hold next to no power.
    segment : `~astropy.units.Quantity` or `float`, optional
        Side of the segments in arcsec, see `power_spectrum`.
    window : `str` or `tuple`
        Of `scipy.signal.get_window`. Defaults to "hann".

    Returns
    -------
    `SmallFeatures`

    Raises
    ------
    ValueError
        As `coherence`, and if the band is not between the Nyquist wavelength and the segment, or there is no sample.

    Notes
    -----
    The truth's own noise cannot be predicted and lowers the coherence. The error is that of one sample: all share
    the truth.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_magsr.spectral import small_features
    >>> rng = np.random.default_rng(0)
    >>> truth, other = rng.normal(size=(2, 128, 128))
    >>> small_features(other, truth, plate_scale=0.5 * u.arcsec / u.pix).verdict
    'texture'
    >>> small_features(truth + 0.5 * other, truth, plate_scale=0.5 * u.arcsec / u.pix).verdict
    'predicted'
    """
    longest_shortest = _band(band)
    each = []
    for sample in _samples(result):
        fields = read_pair(sample, truth, plate_scale=plate_scale)
        moments = ring_moments(fields, segment=segment, window=window, band=longest_shortest)
        first, second, cross = moments.mean
        value, error = squared_coherence(first, second, cross, moments.n_modes)
        with np.errstate(divide="ignore", invalid="ignore"):
            each.append([(first / second)[0], value[0], error[0]])
    return SmallFeatures(*(float(number) for number in np.mean(each, axis=0)))


def _band(band):
    if np.shape(band) != (2,):
        msg = f"band must be the longest and shortest wavelength in arcsec, got {band!r}."
        raise ValueError(msg)
    longest, shortest = (in_arcsec(end, "band") for end in band)
    if longest <= shortest:
        msg = f"band must be the longest and shortest wavelength in arcsec, longest first, got {band!r}."
        raise ValueError(msg)
    return longest, shortest


def _samples(result):
    if isinstance(result, sunpy.map.GenericMap):
        return [result]
    if isinstance(result, (list, tuple)):
        if not len(result):
            msg = "result must be a field or at least one sample, got none."
            raise ValueError(msg)
        first = result[0]
        is_field = not isinstance(first, sunpy.map.GenericMap) and np.ndim(first) < 2
        return [result] if is_field else result
    return result if np.ndim(result) == 3 else [result]
