"""Which small features of a result are real."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import astropy.units as u
import numpy as np
import sunpy.map

from sunpy_magsr.maps.field import FieldLike, read_pair
from sunpy_magsr.spectral.power import squared_coherence
from sunpy_magsr.spectral.spectrum import Scale, Side, Window, in_arcsec, ring_moments


@dataclasses.dataclass(frozen=True)
class SmallFeatures:
    """
    Power and coherence of a result in a band of small scales; made by `small_features`.

    Parameters
    ----------
    power_ratio : `float`
        Power of the result over that of the truth.
    coherence : `float`
        Squared coherence of result and truth, with its bias removed.
    coherence_error : `float`
        Standard deviation of the coherence.

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
    def verdict(self) -> Literal["missing", "texture", "partly predicted", "predicted"]:
        """
        What the numbers mean, in a word.

        The coherence counts if it is at least 0.1 and at least twice its error.

        - "missing": the result has too little power. If the coherence does not count, that is less than half of the
          truth's power. If it counts, it is less than half of the truth's power times the coherence: a best estimate
          (the posterior mean) has the truth's power times the coherence, so with less the features are there, but
          blurred away.
        - "texture": there is power, but the coherence does not count.
        - "partly predicted": the coherence counts and is below 0.5.
        - "predicted": the coherence is 0.5 or more.
        """
        counts = self.coherence >= 0.1 and self.coherence >= 2 * self.coherence_error
        if self.power_ratio < 0.5 * (self.coherence if counts else 1):
            return "missing"
        if not counts:
            return "texture"
        return "predicted" if self.coherence >= 0.5 else "partly predicted"


def small_features(
    result: FieldLike | Sequence[FieldLike],
    truth: FieldLike,
    *,
    plate_scale: Scale = None,
    band: Any = (2, 4 / 3) * u.arcsec,
    segment: Side = None,
    window: Window = "hann",
) -> SmallFeatures:
    """
    Compare the small features of a result with the truth: power and squared coherence in a band of wavelengths.

    Power alone may be texture: a result that has features of the right size and strength in the wrong places has a
    power ratio of 1 and a coherence of 0. The band is one ring of the wavenumber plane. So the coherence is the squared
    correlation of the two fields when only the wavelengths of the band are left (with bias removed and error as in
    `coherence`). The stronger scales in the band contribute more to it.

    Parameters
    ----------
    result : `sunpy.map.GenericMap`, `~astropy.units.Quantity`, array-like, or a sequence of them
        One magnetic field ``[y, x]``, or several samples: a list or tuple of fields, or ``[sample, y, x]``. Power and
        coherence are measured for each sample and then averaged.
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        The true field on the same grid. Plain arrays are in Gauss.
    plate_scale : `~astropy.units.Quantity`, optional
        Size of the pixels of a plain array: one number, or ``(x, y)``, in arcsec/pix, or in deg/pix for a heliographic
        (CEA) grid. A Map knows its own.
    band : `~astropy.units.Quantity`
        Longest and shortest wavelength in arcsec. Defaults to 2 to 4/3 arcsec: below the pixel of MDI, and above the
        wavelengths where HMI maps on a CEA grid have almost no power.
    segment : `~astropy.units.Quantity` or `float`, optional
        Side of the segments in arcsec. Defaults to the largest square that fits in the field, at most 256 pixels.
    window : `str` or `tuple`
        Window of a segment, as `scipy.signal.get_window` takes it; "boxcar" for none. Defaults to "hann".

    Returns
    -------
    `SmallFeatures`
        The power ratio and the coherence, and with them a verdict.

    Raises
    ------
    ValueError
        As for `coherence`. Also if the band is not between the Nyquist wavelength and the segment, or there is no
        sample.

    Notes
    -----
    The noise of the truth cannot be predicted, so it lowers the coherence. The error is that of one sample also where
    there are several: all are compared with one truth.

    Examples
    --------
    A field that is unrelated to the truth, and one that has the truth in it:

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


def _band(band: Any) -> tuple[float, float]:
    if np.shape(band) != (2,):
        msg = f"band must be the longest and shortest wavelength in arcsec, got {band!r}."
        raise ValueError(msg)
    longest, shortest = (in_arcsec(end, "band") for end in band)
    if longest <= shortest:
        msg = f"band must be the longest and shortest wavelength in arcsec, longest first, got {band!r}."
        raise ValueError(msg)
    return longest, shortest


def _samples(result: Any) -> Sequence[FieldLike]:
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
