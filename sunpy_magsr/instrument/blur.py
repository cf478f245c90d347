"""Blur of a frame, measured on the frame itself: spectra of its network against the mean spectra of HMI's network."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sunpy_magsr.instrument.gain import MDI_GAIN
from sunpy_magsr.instrument.network import NetworkFit, NetworkModel, NetworkSpectra, network_spectra
from sunpy_magsr.instrument.psf import MDI_PSF_FWHM, MDI_PSF_FWHM_SPREAD
from sunpy_magsr.instrument.windows import LEAST_WHITENESS, noise_whiteness, window_spectra
from sunpy_magsr.maps import Magnetogram
from sunpy_magsr.maps.reading import Blur

#: Blur that is expected of a native MDI frame, and its standard deviation, in arcsec: native frames have 1.6 to 2.4.
NATIVE_BLUR = (2.0, 0.35)
#: The same for a map that was rotated, interpolated or published on another grid, which blurs it once more. The published
#: pairs of ``docs/validation.rst`` have 3.2 to 3.4 arcsec.
INTERPOLATED_BLUR = (2.6, 0.8)
#: Edges of the classes of windows, in Gauss on HMI's scale: mean of the smoothed unsigned field over a window. There is
#: no network in the first class, but it shows the noise.
CLASSES = np.array([0.0, 2.0, 3.0, 4.5, 7.0, 11.0, 18.0, 30.0])

_LIMITS = (0.8, 0.6, 0.5)  # least mu: the first with which the blur is known to _ENOUGH, or the last
_ENOUGH = 0.12  # arcsec
_FEWEST = 8  # windows
_FEWEST_OF_CLASS = 3  # windows
_PIXELS = (1.6, 2.4)  # arcsec
_LARGEST = 5.0  # arcsec of blur
_VAGUE = 1.0  # arcsec: standard error with which nothing is known (that of any blur from 0 to _LARGEST is 1.4)
_STRAY = 0.1  # share of frames that may have any blur up to _LARGEST, whatever the prior says
_WHITE = 0.98  # whiteness: below, it is measured rather than taken as 1
_BLOCKS = 4  # along each axis, for the jackknife


def measure_blur(
    data: npt.NDArray,
    valid: np.ndarray,
    mu: npt.NDArray,
    pixel_arcsec: float,
    *,
    gain: float = MDI_GAIN,
    noise: float | npt.NDArray | None = None,
    prior: tuple[float, float] | None = None,
    reference: NetworkSpectra | None = None,
) -> Blur:
    r"""
    Measure the blur of a frame, or of a cutout of it, from the spectra of its network.

    The magnetic network has the same mean spectrum everywhere on the disk and in all years, up to a factor, if places of
    equal power are compared; HMI's is known (`network_spectra`). In windows of 32 x 32 pixels that hold neither spots nor
    bad pixels, the power spectra are averaged by strength of network. To these means,

    .. math:: P_c(k) = A_c\, S(k; A_c, w^2)\, e^{\tau_c \ln (k / k_0)} + N_c

    is fitted in all classes :math:`c` together. :math:`S` is the spectrum of HMI's network of the same power, blurred by a
    Gaussian of the width :math:`w`, then averaged over pixels and sampled, so aliases are contained. :math:`A_c`, the white
    noise :math:`N_c` and a slope :math:`\tau_c` (how spectra differ from sample to sample) are free within what is known
    of them. :math:`w^2` may be negative in the fit. The result is the mean of the likelihood over all widths that are not
    negative, times the prior if there is one. It is relative to HMI, whose own blur the mean spectra contain.

    The error is the larger of that of the fit, which contains the known errors of the mean spectra, and that from the
    scatter of 4 x 4 blocks of the frame (jackknife). The center of the disk is used (:math:`\mu > 0.8`). If the blur is
    not known well enough from there, more of the disk is, down to :math:`\mu = 0.5`.

    Parameters
    ----------
    data : `numpy.ndarray`
        Magnetogram of the line of sight in Gauss ``[y, x]``. The noise of native frames is white except for a little that is
        missing at the shortest wavelengths. If ``noise_whiteness`` does not show this
        (the frame was interpolated, or the Sun is stronger than the noise), the spectrum of the noise is found by the fit.
        The blur then contains that of the interpolation.
    valid : `numpy.ndarray`
        Pixels that are measurements, bool ``[y, x]``.
    mu : `numpy.ndarray`
        Cosine of the heliocentric angle ``[y, x]`` (``limb_cosine``).
    pixel_arcsec : `float`
        Plate scale, from 1.6 to 2.4 arcsec a pixel.
    gain : `float`
        What the instrument reads where HMI reads 1 G. It only decides with network of which power the frame is compared.
        Defaults to that of MDI.
    noise : `float` or `numpy.ndarray`, optional
        Standard deviation of the noise in Gauss, one number or ``[y, x]``, if it is known to 10 %. By default, it is found
        by the fit.
    prior : `tuple` of `float`, optional
        Blur that is expected and its standard deviation in arcsec, such as `NATIVE_BLUR` or `INTERPOLATED_BLUR`. One frame
        in ten may have any blur up to 5 arcsec all the same, so a frame that clearly differs from what is expected is
        believed. By default, the blur is from the frame alone.
    reference : `NetworkSpectra`, optional
        Mean spectra of HMI's network. Defaults to those of the package.

    Returns
    -------
    `Blur`
        The blur in arcsec and its error; the prior if there is too little network.

    Raises
    ------
    ValueError
        If the arrays differ in shape, or ``pixel_arcsec`` is out of range.
    """
    _check(data, valid, mu, pixel_arcsec)
    model = NetworkModel(reference or network_spectra(), pixel_arcsec)
    whiteness = 1.0 if noise_whiteness(data, valid) >= LEAST_WHITENESS else None
    every = window_spectra(data, valid, mu, gain=gain, least_mu=_LIMITS[-1])
    known = None if noise is None else np.broadcast_to((np.asarray(noise, dtype=float) / gain) ** 2, data.shape)
    best = None
    for limit in _LIMITS:
        near = every.mu >= limit
        classes = _Classes(every.power[near], every.strength[near], every.place[near], known=known, whiteness=whiteness)
        if classes.windows < _FEWEST:
            continue
        best = _estimate(classes, model, prior, gain)
        if best.error < _ENOUGH:
            break
    return best or _nothing(prior, windows=0)


def frame_blur(magnetogram: Magnetogram, mu: npt.NDArray) -> Blur | None:
    """
    Measure the blur of an MDI frame or cutout with what is expected of such frames.

    `NATIVE_BLUR` is expected if the noise shows that the frame is native, and `INTERPOLATED_BLUR` if it shows that the frame
    was interpolated. If there is too little quiet Sun to tell, it is `MDI_PSF_FWHM` with `MDI_PSF_FWHM_SPREAD`.

    Parameters
    ----------
    magnetogram : `~sunpy_magsr.maps.Magnetogram`
        Frame whose bad pixels are not valid.
    mu : `numpy.ndarray`
        Cosine of the heliocentric angle ``[y, x]``.

    Returns
    -------
    `Blur` or `None`
        The blur. `None` for other instruments, for heliographic maps, which were interpolated and stretched, and for
        pixels that are not about 2 arcsec wide.
    """
    scales = [scale.value for scale in magnetogram.plate_scale]
    if (
        magnetogram.instrument != "MDI"
        or magnetogram.is_cea
        or not all(_PIXELS[0] <= one <= _PIXELS[1] for one in scales)
    ):
        return None
    whiteness = noise_whiteness(magnetogram.data, magnetogram.valid)
    if math.isnan(whiteness):
        prior = (MDI_PSF_FWHM.value, MDI_PSF_FWHM_SPREAD.value)
    else:
        prior = INTERPOLATED_BLUR if whiteness < LEAST_WHITENESS else NATIVE_BLUR
    return measure_blur(magnetogram.data, magnetogram.valid, mu, float(np.mean(scales)), prior=prior)


def _check(data, valid, mu, pixel_arcsec):
    if not data.shape == valid.shape == mu.shape or data.ndim != 2:
        msg = f"data, valid and mu must be images of one shape, got {data.shape}, {valid.shape} and {mu.shape}."
        raise ValueError(msg)
    if not _PIXELS[0] <= pixel_arcsec <= _PIXELS[1]:
        msg = f"pixel_arcsec must be {_PIXELS[0]} to {_PIXELS[1]}, got {pixel_arcsec}."
        raise ValueError(msg)


def _nothing(prior, *, windows):
    if prior is None:
        return Blur(fwhm=math.nan, error=math.inf, windows=windows, noise=math.nan, origin="unknown")
    return Blur(fwhm=prior[0], error=prior[1], windows=windows, noise=math.nan, origin="prior")


def _estimate(classes, model, prior, gain):
    """The blur from windows of network, and from the prior."""
    fit = NetworkFit(
        model, classes.mean(), classes.count(), classes.rank, known=classes.noise(), whiteness=classes.whiteness
    )
    squared, error = fit.run()
    # even native frames have a little less noise at the shortest wavelengths
    if fit.whiteness is not None and (left := fit.whiteness_left()) < _WHITE:
        fit = fit.again(fit.power, fit.count, whiteness=left)
        squared, error = fit.run()
    error = max(error, _jackknife(fit, classes))
    fwhm, sigma = _posterior(squared, error, prior)
    if sigma > _VAGUE:
        return _nothing(prior, windows=classes.windows)
    noise = gain * math.sqrt(np.average(fit.noise_power.mean(1), weights=classes.count()))
    return Blur(fwhm, sigma, classes.windows, noise, "measured" if prior is None else "combined")


def _posterior(squared, error, prior):
    """Mean and standard deviation of a width that is not negative, of which the square is known with an error."""
    width = np.linspace(0, _LARGEST, 1001)
    log = -(((width**2 - squared) / error) ** 2) / 2
    weight = np.exp(log - log.max())
    if prior is not None:
        expected = np.exp(-(((width - prior[0]) / prior[1]) ** 2) / 2) / (prior[1] * math.sqrt(2 * math.pi))
        weight *= (1 - _STRAY) * expected + _STRAY / _LARGEST
    mean = np.average(width, weights=weight)
    return float(mean), math.sqrt(np.average((width - mean) ** 2, weights=weight))


def _jackknife(fit, classes):
    """Standard error of the squared width from fits without one block of the frame after the other."""
    kept = classes.without_blocks()
    found = [fit.again(classes.mean(some), classes.count(some)).run(steps=3)[0] for some in kept]
    if len(found) < 3:
        return 0.0
    return math.sqrt((len(found) - 1) * np.var(found))


class _Classes:
    """Windows of network by its strength."""

    def __init__(self, power, strength, place, *, known, whiteness):
        index = np.digitize(strength, CLASSES) - 1
        member = index[None] == np.arange(len(CLASSES) - 1)[:, None]
        self.rank = np.flatnonzero(member.sum(1) >= _FEWEST_OF_CLASS)
        used = member[self.rank].any(0)
        self.member = member[self.rank][:, used].astype(float)
        self.power, self.place = power[used], place[used]
        self.known = None if known is None else known[tuple(self.place.T)]
        self.windows = int(member[1:].any(0).sum())
        self.whiteness = whiteness

    def count(self, kept=1.0):
        """Number of windows in each class; next to nothing rather than 0."""
        return np.maximum((self.member * kept).sum(1), 1e-3)

    def mean(self, kept=1.0):
        """Mean spectrum of each class; that of all windows if none is kept."""
        left = np.where((self.member * kept).any(1, keepdims=True), self.member * kept, self.member)
        return left @ self.power / left.sum(1, keepdims=True)

    def noise(self):
        """Power of the noise in each class if it is known."""
        return None if self.known is None else self.member @ self.known / self.count()

    def without_blocks(self):
        """For each block of the frame, which windows are outside of it."""
        first, last = self.place.min(0), self.place.max(0) + 1
        row, column = ((self.place - first) * _BLOCKS // (last - first)).T
        block = row * _BLOCKS + column
        return [block != number for number in np.unique(block)]
