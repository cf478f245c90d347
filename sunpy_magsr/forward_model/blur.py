"""Blur of a frame, measured on the frame itself: spectra of its network against the mean spectra of HMI's network."""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import itertools
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.ndimage
from numpy.lib.stride_tricks import sliding_window_view
from scipy.interpolate import CubicSpline

from sunpy_magsr.forward_model.gain import MDI_GAIN

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = [
    "INTERPOLATED_BLUR",
    "NATIVE_BLUR",
    "Blur",
    "NetworkSpectra",
    "Windows",
    "is_interpolated",
    "measure_blur",
    "network_spectra",
    "noise_whiteness",
    "window_spectra",
]

#: Blur that is expected of a native MDI frame, and its standard deviation, in arcsec: native frames have 1.6 to 2.4.
NATIVE_BLUR = (2.0, 0.35)
#: The same for a map that was rotated, interpolated or published on another grid, which blurs it once more. The published
#: pairs of ``docs/validation.rst`` have 3.2 to 3.4 arcsec.
INTERPOLATED_BLUR = (2.6, 0.8)

#: Edges of the bands of spatial frequency in cycles per pixel. Below, spectra differ most from place to place.
BANDS = np.array([9, 12, 15, 18, 21, 24, 27, 30, 33, 36, 40, 44, 48, 53, 58, 64, 71]) / 100
#: Edges of the classes of network, in Gauss on HMI's scale: mean of the smoothed unsigned field over a window.
CLASSES = np.array([0.0, 2.0, 3.0, 4.5, 7.0, 11.0, 18.0, 30.0])

_DATA = "network_spectra.json"
_SIZE, _STEP = 32, 16  # pixels: side of the windows, and their distance
_SMOOTHING = 2.5  # pixels: so much smoothed, the field depends little on the blur and the noise of the frame
_SPOT = 400.0  # Gauss of the smoothed field on HMI's scale: no such window is network
_LIMITS = (0.8, 0.6, 0.5)  # least mu: the first with which the blur is known to _ENOUGH, or the last
_ENOUGH = 0.12  # arcsec
_FEWEST = 8  # windows
_FEWEST_OF_CLASS = 3  # windows
_PIXELS = (1.6, 2.4)  # arcsec
_LARGEST = 5.0  # arcsec of blur
_VAGUE = 1.0  # arcsec: standard error with which nothing is known (that of any blur from 0 to _LARGEST is 1.4)
_STRAY = 0.1  # share of frames that may have any blur up to _LARGEST, whatever the prior says
_BLOCKS = 4  # along each axis, for the jackknife

# The share of the Fourier coefficients of overlapping Hann windows that are independent of the others.
_INDEPENDENT = 0.09
# Relative errors of the mean spectra in one band, of the slope of one window's spectrum, and of the whiteness of noise.
_BAND_ERROR, _SLOPE_ERROR, _WHITENESS_ERROR = 0.08, 0.35, 0.005
# Standard deviation of the logarithm of the noise's power from band to band in native frames, and in others.
_WHITE, _COLORED = 0.003, 1.0
# Standard deviation of the logarithm of the noise's power from class to class: MDI's noise grows with the field.
_NOISE_SPREAD, _NOISE_SPREAD_PER_CLASS = 0.1, 0.07
_KNOWN_NOISE = 0.2  # the same, of noise that the caller gives
_LEAST_POWER = 50.0  # Gauss squared

# For the whiteness: windows with at most so many times the power in LOW as in _MIDDLE, how many and which share of all are
# needed, and the Sun's power in _MIDDLE and _CORNER relative to that in LOW with a blur of 2 arcsec.
_CLEAN, _FEWEST_CLEAN, _SHARE_CLEAN = 3.5, 8, 0.05
_SUN_MIDDLE, _SUN_CORNER = 0.02, 0.004
_INTERPOLATED = 0.6

_AXIS = np.sin(np.pi * (np.arange(_SIZE) + 0.5) / _SIZE) ** 2
_TAPER = np.outer(_AXIS, _AXIS)
_FREQUENCY = np.hypot(np.fft.fftfreq(_SIZE)[:, None], np.fft.rfftfreq(_SIZE)[None])
_TIMES = np.where(
    np.arange(_SIZE // 2 + 1) % (_SIZE // 2) == 0, 1.0, 2.0
)  # the half of the plane that rfft2 leaves out
_IN_BAND = np.stack(
    [(_TIMES * ((low <= _FREQUENCY) & (high > _FREQUENCY))).ravel() for low, high in itertools.pairwise(BANDS)],
    axis=1,
)
_MODES = _IN_BAND.sum(0)
_MEAN_OVER_BAND = _IN_BAND / _MODES
#: Mean frequency of each band in cycles per pixel.
BAND_FREQUENCY = _FREQUENCY.ravel() @ _MEAN_OVER_BAND
#: The bands of which the mean says how strong the Sun's power is.
LOW = slice(0, 4)
_MIDDLE, _CORNER = slice(10, 12), slice(14, 16)  # of the bands: 0.40 to 0.48 and 0.58 to 0.71 cycles per pixel
#: The logarithm of frequency by which spectra of weak and of strong network differ.
SLOPE = np.log(BAND_FREQUENCY / 0.15)


@dataclasses.dataclass(frozen=True)
class Blur:
    """
    Result of `measure_blur`.

    Parameters
    ----------
    fwhm : `float`
        Full width at half maximum of the frame's Gaussian point-spread function relative to HMI's, in arcsec, without the
        averaging over the frame's pixels. NaN if it could not be measured and no prior was given.
    error : `float`
        Its standard error in arcsec. Infinite if ``fwhm`` is NaN.
    windows : `int`
        Number of windows of network that were used.
    noise : `float`
        Standard deviation of the noise of a pixel in these windows in Gauss, on the frame's scale. NaN if not measured.
    origin : {"measured", "combined", "prior", "unknown"}
        From where ``fwhm`` is: the frame, the frame and the prior, the prior alone, or nowhere.
    """

    fwhm: float
    error: float
    windows: int
    noise: float
    origin: str


@dataclasses.dataclass(frozen=True)
class Windows:
    """
    Spectra of the windows of a frame, on HMI's scale.

    Parameters
    ----------
    power : `numpy.ndarray`
        Mean power in each of the bands `BANDS` in Gauss squared ``[window, band]``. That of white noise is its variance.
    strength : `numpy.ndarray`
        Mean of the smoothed unsigned field in Gauss ``[window]``.
    place : `numpy.ndarray`
        Row and column of the middle ``[window, 2]``.
    mu : `numpy.ndarray`
        Least cosine of the heliocentric angle ``[window]``.
    """

    power: npt.NDArray[np.float64]
    strength: npt.NDArray[np.float64]
    place: npt.NDArray[np.int64]
    mu: npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class NetworkSpectra:
    """
    Mean spectra of HMI's network, averaged over 4 x 4 pixels, by its power and by blur.

    Parameters
    ----------
    pixel : `float`
        Pixel of the averaged frames in arcsec.
    fwhm : `numpy.ndarray`
        Blur in arcsec, from 0 upwards ``[blur]``.
    power : `numpy.ndarray`
        The Sun's mean power in the bands `LOW` in Gauss squared, upwards ``[power]``.
    windows : `numpy.ndarray`
        Number of windows with about this power from which the spectra were made ``[power]``.
    spread : `numpy.ndarray`
        Standard deviation of ``ratio`` from disk to disk ``[band]``; 0 if there was one disk.
    ratio : `numpy.ndarray`
        Logarithm of the power in each band divided by ``power`` ``[blur, power, band]``.
    """

    pixel: float
    fwhm: npt.NDArray[np.float64]
    power: npt.NDArray[np.float64]
    windows: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]
    ratio: npt.NDArray[np.float64]

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> NetworkSpectra:
        """
        Make the object from the content of its JSON file.

        Parameters
        ----------
        content : `dict`
            Numbers and lists of numbers by the names of the attributes. Other entries are not used.

        Returns
        -------
        `NetworkSpectra`
            The spectra.
        """
        names = [field.name for field in dataclasses.fields(cls) if field.name != "pixel"]
        return cls(pixel=float(content["pixel"]), **{name: np.array(content[name], dtype=float) for name in names})


@functools.cache
def network_spectra() -> NetworkSpectra:
    """
    Read the mean spectra that the package carries. ``python benchmarks/blur.py --make`` makes them from whole HMI disks.

    Returns
    -------
    `NetworkSpectra`
        The spectra.
    """
    text = importlib.resources.files("sunpy_magsr.data").joinpath(_DATA).read_text(encoding="utf-8")
    return NetworkSpectra.from_dict(json.loads(text))


def window_spectra(
    data: npt.NDArray, valid: npt.NDArray[np.bool_], mu: npt.NDArray, *, gain: float = 1.0, least_mu: float = 0.5
) -> Windows:
    """
    Compute the power spectra of all windows of 32 x 32 pixels without spots and bad pixels. Neighbors overlap by half.

    Parameters
    ----------
    data : `numpy.ndarray`
        Magnetogram in Gauss ``[y, x]``.
    valid : `numpy.ndarray`
        Pixels that are measurements, bool ``[y, x]``.
    mu : `numpy.ndarray`
        Cosine of the heliocentric angle ``[y, x]``; NaN off the disk.
    gain : `float`
        What the instrument reads where HMI reads 1 G. Defaults to 1.
    least_mu : `float`
        Least cosine of the pixels of a window. Defaults to 0.5.

    Returns
    -------
    `Windows`
        Spectra, strength and places of the windows.
    """
    if min(data.shape) < _SIZE:
        return Windows(np.zeros((0, len(_MODES))), np.zeros(0), np.zeros((0, 2), dtype=int), np.zeros(0))
    inside = valid & np.isfinite(data) & (np.nan_to_num(mu) >= least_mu)
    field = np.where(inside, data, 0).astype(np.float32) / np.float32(gain)
    smooth = np.abs(scipy.ndimage.gaussian_filter(field, _SMOOTHING))
    usable = _windows(inside).all((2, 3)) & (_windows(smooth).max((2, 3)) < _SPOT)
    taper, weight = _TAPER.astype(np.float32), _TAPER.sum()
    cut = _windows(field)[usable]
    cut = (cut - ((cut * taper).sum((1, 2), keepdims=True) / np.float32(weight))) * taper
    power = np.abs(np.fft.rfft2(cut)) ** 2 / (_TAPER**2).sum()
    return Windows(
        power=power.reshape(len(cut), _FREQUENCY.size) @ _MEAN_OVER_BAND,
        strength=(_windows(smooth)[usable] * taper).sum((1, 2)) / weight,
        place=np.argwhere(usable) * _STEP + _SIZE // 2,
        mu=_windows(np.asarray(mu))[usable].min((1, 2)).astype(float) if usable.any() else np.zeros(0),
    )


def measure_blur(
    data: npt.NDArray,
    valid: npt.NDArray[np.bool_],
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
    negative, times the prior if there is one.

    The error is the larger of that of the fit, which contains the known errors of the mean spectra, and that from the
    scatter of 4 x 4 blocks of the frame (jackknife). The center of the disk is used (:math:`\mu > 0.8`). If the blur is
    not known well enough from there, more of the disk is, down to :math:`\mu = 0.5`.

    Parameters
    ----------
    data : `numpy.ndarray`
        Native magnetogram of the line of sight in Gauss ``[y, x]``. Maps that were interpolated have no white noise: their
        blur can be measured where the Sun is much stronger than the noise only.
    valid : `numpy.ndarray`
        Pixels that are measurements, bool ``[y, x]``.
    mu : `numpy.ndarray`
        Cosine of the heliocentric angle ``[y, x]`` (`~sunpy_magsr.prep.limb_cosine`).
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
    model = _Model(reference or network_spectra(), pixel_arcsec)
    is_white = noise_whiteness(data, valid) >= _INTERPOLATED
    every = window_spectra(data, valid, mu, gain=gain, least_mu=_LIMITS[-1])
    known = None if noise is None else np.broadcast_to((np.asarray(noise, dtype=float) / gain) ** 2, data.shape)
    best = None
    for limit in _LIMITS:
        near = every.mu >= limit
        classes = _Classes(every.power[near], every.strength[near], every.place[near], known=known, is_white=is_white)
        if classes.windows < _FEWEST:
            continue
        best = _estimate(classes, model, prior, gain)
        if best.error < _ENOUGH:
            break
    return best or _nothing(prior, windows=0)


def noise_whiteness(data: npt.NDArray, valid: npt.NDArray[np.bool_]) -> float:
    """
    Measure whether the noise of an MDI frame is as strong at the shortest wavelengths as at longer ones.

    It is the ratio of the noise's power between 0.58 and 0.71 cycles per pixel (the corner of the spectrum, wavelengths near
    two pixels along both axes) to that between 0.40 and 0.48. Only windows are used in which the noise is not much weaker
    than the Sun, whose small share is subtracted. In native frames of MDI it is 0.9; every interpolation between pixels
    makes it smaller: a rotation by Maps' ``rotate`` to 0.1 to 0.5.

    Parameters
    ----------
    data : `numpy.ndarray`
        Magnetogram in Gauss ``[y, x]``.
    valid : `numpy.ndarray`
        Pixels that are measurements, bool ``[y, x]``.

    Returns
    -------
    `float`
        The ratio. NaN where the Sun is stronger than the noise, as in HMI's frames averaged over 4 x 4 pixels.
    """
    power = window_spectra(data, valid, np.ones(data.shape), gain=MDI_GAIN).power
    low, middle, corner = (np.average(power[:, part], weights=_MODES[part], axis=1) for part in (LOW, _MIDDLE, _CORNER))
    clean = low < _CLEAN * middle
    if clean.sum() < max(_FEWEST_CLEAN, _SHARE_CLEAN * len(power)):
        return math.nan
    low, middle, corner = low[clean].mean(), middle[clean].mean(), corner[clean].mean()
    sun = low - middle
    return float((corner - _SUN_CORNER * sun) / (middle - _SUN_MIDDLE * sun))


def is_interpolated(data: npt.NDArray, valid: npt.NDArray[np.bool_]) -> bool | None:
    """
    Tell whether an MDI frame was rotated or otherwise interpolated between pixels, from its noise alone.

    The `noise_whiteness` is compared with 0.6.

    Parameters
    ----------
    data : `numpy.ndarray`
        Magnetogram of MDI in Gauss ``[y, x]``.
    valid : `numpy.ndarray`
        Pixels that are measurements, bool ``[y, x]``.

    Returns
    -------
    `bool` or `None`
        Whether it was; nothing if the noise is too weak to tell.
    """
    ratio = noise_whiteness(data, valid)
    return None if math.isnan(ratio) else ratio < _INTERPOLATED


def _check(data, valid, mu, pixel_arcsec):
    if not data.shape == valid.shape == mu.shape or data.ndim != 2:
        msg = f"data, valid and mu must be images of one shape, got {data.shape}, {valid.shape} and {mu.shape}."
        raise ValueError(msg)
    if not _PIXELS[0] <= pixel_arcsec <= _PIXELS[1]:
        msg = f"pixel_arcsec must be {_PIXELS[0]} to {_PIXELS[1]}, got {pixel_arcsec}."
        raise ValueError(msg)


def _windows(image):
    """All windows of an image ``[row, column, y, x]``, without a copy."""
    return sliding_window_view(image, (_SIZE, _SIZE))[::_STEP, ::_STEP]


def _nothing(prior, *, windows):
    if prior is None:
        return Blur(fwhm=math.nan, error=math.inf, windows=windows, noise=math.nan, origin="unknown")
    return Blur(fwhm=prior[0], error=prior[1], windows=windows, noise=math.nan, origin="prior")


def _estimate(classes, model, prior, gain):
    """The blur from windows of network, and from the prior."""
    fit = _Fit(model, classes.mean(), classes.count(), classes.rank, known=classes.noise(), is_white=classes.is_white)
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
    found = []
    for kept in classes.without_blocks():
        again = _Fit(
            fit.model,
            classes.mean(kept),
            classes.count(kept),
            fit.rank,
            known=fit.known,
            is_white=classes.is_white,
            start=fit.parameters,
        )
        found.append(again.run(steps=3)[0])
    if len(found) < 3:
        return 0.0
    return math.sqrt((len(found) - 1) * np.var(found))


class _Classes:
    """Windows of network by its strength."""

    def __init__(self, power, strength, place, *, known, is_white):
        index = np.digitize(strength, CLASSES) - 1
        member = index[None] == np.arange(len(CLASSES) - 1)[:, None]
        self.rank = np.flatnonzero(member.sum(1) >= _FEWEST_OF_CLASS)
        used = member[self.rank].any(0)
        self.member = member[self.rank][:, used].astype(float)
        self.power, self.place = power[used], place[used]
        self.known = None if known is None else known[tuple(self.place.T)]
        self.windows = int(member[1:].any(0).sum())
        self.is_white = is_white

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


class _Model:
    """The spectrum of network by squared blur and power, at the frequencies of a frame's bands."""

    def __init__(self, reference, pixel):
        there = BAND_FREQUENCY * reference.pixel / pixel
        # a pixel's average suppresses the power by about exp(-pi^2 k^2 / 3)
        pixels = np.pi**2 / 3 * (there**2 - BAND_FREQUENCY**2)
        line = CubicSpline(np.log(BAND_FREQUENCY), reference.ratio, axis=2)
        self.spline = CubicSpline(reference.fwhm**2, line(np.log(there)) + pixels)
        self.change = self.spline.derivative()
        self.largest = reference.fwhm[-1] ** 2
        self.level = np.log(reference.power)
        self.windows = reference.windows
        self.band_error = np.maximum(reference.spread, _BAND_ERROR)

    def __call__(self, squared, level):
        """Logarithm of the spectrum ``[class, band]`` and its derivative; a straight line where there is no reference."""
        inside = min(max(squared, 0.0), self.largest)
        change = self.change(inside)
        value = self.spline(inside) + change * (squared - inside)
        index = np.clip(np.searchsorted(self.level, level) - 1, 0, len(self.level) - 2)
        share = (level - self.level[index]) / (self.level[index + 1] - self.level[index])
        share = np.clip(share, -0.5, 1.5)[:, None]
        return tuple(table[index] * (1 - share) + table[index + 1] * share for table in (value, change))

    def windows_at(self, level):
        return np.exp(np.interp(level, self.level, np.log(self.windows)))


class _Fit:
    """
    Fit of the mean spectra of the classes by Gauss-Newton steps.

    The parameters are the squared width; for each class its slope and the logarithm of its power; the logarithm of the
    noise's power, and for each class by how much its own differs.
    """

    def __init__(self, model, power, count, rank, *, known, is_white, start=None):
        self.model, self.power, self.count, self.rank, self.known = model, power, count, rank, known
        self.classes = len(power)
        self.parameters = self._start() if start is None else start
        number, bands = power.shape
        self.own = 2 + 2 * number + np.arange(number)  # the parameters of the noise in each class, and in each band
        self.color = 2 + 3 * number + np.arange(bands)
        self.middle = np.zeros_like(self.parameters)
        known_to = np.full(len(self.parameters), np.inf)
        known_to[self.own] = _NOISE_SPREAD + _NOISE_SPREAD_PER_CLASS * rank
        known_to[self.color] = _WHITE if is_white else _COLORED
        if known is not None:
            mean = np.log(np.average(known, weights=count))
            self.middle[1 + 2 * number] = mean
            self.middle[self.own] = np.log(known) - mean
            known_to[1 + 2 * number] = _KNOWN_NOISE
        self.precision = np.diag(1 / known_to**2)

    def _start(self):
        noise = max(0.7 * self.power[:, -3:].mean(1).min(), 1e-3)
        level = np.log(np.maximum(self.power[:, LOW].mean(1) - noise, _LEAST_POWER))
        none = np.zeros(self.classes)
        return np.concatenate([[3.0], none, level, [np.log(noise)], none, np.zeros(self.power.shape[1])])

    @property
    def noise_power(self):
        """Power of the noise ``[class, band]``."""
        log = self.parameters[1 + 2 * self.classes] + self.parameters[self.own, None] + self.parameters[self.color]
        return np.exp(log)

    def run(self, steps=15):
        """The squared width and its standard error."""
        for number in range(steps):
            solar, change, noise, level = self._spectra()
            if number < 4:  # then the weights stay, so that the steps converge
                weight = 1 / self._variance(solar, noise)
                self._slopes_known(level)
            curvature, gradient = self._system(solar, change, noise, weight)
            step = np.linalg.solve(curvature, gradient)
            step /= max(1.0, abs(step[0]) / 2, np.abs(step[1:]).max() / 0.7)
            self.parameters = self.parameters + step
            if abs(step[0]) < 0.005 and number > 1:
                break
        return float(self.parameters[0]), math.sqrt(np.linalg.inv(curvature)[0, 0])

    def _spectra(self):
        number = self.classes
        noise = self.noise_power
        level = np.log(np.maximum((self.power - noise)[:, LOW].mean(1), _LEAST_POWER))
        ratio, change = self.model(self.parameters[0], level)
        slope, amplitude = self.parameters[1 : 1 + number, None], self.parameters[1 + number : 1 + 2 * number, None]
        return np.exp(amplitude + ratio + slope * SLOPE), change, noise, level

    def _variance(self, solar, noise):
        scatter = (solar + noise) ** 2 / (_INDEPENDENT * self.count[:, None] * _MODES)
        return scatter + (self.model.band_error * solar) ** 2 + (_WHITENESS_ERROR * noise) ** 2

    def _slopes_known(self, level):
        """How well the slopes are known: spectra differ from window to window, in the frame and in the reference."""
        variance = _SLOPE_ERROR**2 * (1 / self.count + 1 / self.model.windows_at(level))
        slopes = np.arange(1, 1 + self.classes)
        self.precision[slopes, slopes] = 1 / variance

    def _system(self, solar, change, noise, weight):
        """Curvature and gradient of the logarithm of the likelihood."""
        number = self.classes
        own = np.arange(number)
        slopes = np.zeros((number, solar.shape[1], len(self.parameters)))
        slopes[:, :, 0] = solar * change
        slopes[own, :, 1 + own] = solar * SLOPE
        slopes[own, :, 1 + number + own] = solar
        slopes[:, :, 1 + 2 * number] = noise
        slopes[own, :, self.own] = noise
        slopes[:, np.arange(len(self.color)), self.color] = noise
        slopes = slopes.reshape(-1, len(self.parameters))
        weighted = slopes * weight.reshape(-1, 1)
        curvature = weighted.T @ slopes + self.precision
        misfit = (self.power - solar - noise).ravel()
        return curvature, weighted.T @ misfit - self.precision @ (self.parameters - self.middle)
