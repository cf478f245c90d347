"""Mean spectra of HMI's network by power and blur, and their fit to the spectra of a frame."""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import json
import math
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline

from sunpy_magsr.instrument.windows import BAND_FREQUENCY, BAND_MODES, CORNER, LOW, MIDDLE

#: The logarithm of frequency by which spectra of weak and of strong network differ.
SLOPE = np.log(BAND_FREQUENCY / 0.15)

_DATA = "network_spectra.json"
# The share of the Fourier coefficients of overlapping Hann windows that are independent of the others.
_INDEPENDENT = 0.09
# Relative errors of the mean spectra in one band, of the slope of one window's spectrum, and of the noise's spectrum.
_BAND_ERROR, _SLOPE_ERROR, _NOISE_ERROR = 0.08, 0.35, 0.005
# Standard deviation of the logarithm of the noise's power from band to band in native frames, and in others.
_WHITE, _COLORED = 0.003, 1.0
# Standard deviation of the logarithm of the noise's power from class to class: MDI's noise grows with the field.
_NOISE_SPREAD, _NOISE_SPREAD_PER_CLASS = 0.1, 0.07
_KNOWN_NOISE = 0.2  # the same, of noise that the caller gives
_LEAST_POWER, _LEAST_NOISE = 50.0, 1e-3  # Gauss squared
# How the logarithm of a native frame's noise falls off from MIDDLE to CORNER, and how well the whiteness tells it.
_FALL = np.maximum(BAND_FREQUENCY - 0.5, 0)
_FALL /= _FALL[CORNER].mean()
_FALL_ERROR = 0.01
_WHITENESS = (0.7, 1.1)


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
    fwhm: np.ndarray
    power: np.ndarray
    windows: np.ndarray
    spread: np.ndarray
    ratio: np.ndarray

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> NetworkSpectra:
        """Make the object from the content of its JSON file."""
        names = [field.name for field in dataclasses.fields(cls) if field.name != "pixel"]
        return cls(pixel=float(content["pixel"]), **{name: np.array(content[name], dtype=float) for name in names})


@functools.cache
def network_spectra() -> NetworkSpectra:
    """Read the mean spectra that the package carries. ``python benchmarks/blur.py --make`` makes them from whole HMI disks."""
    text = importlib.resources.files("sunpy_magsr.data").joinpath(_DATA).read_text(encoding="utf-8")
    return NetworkSpectra.from_dict(json.loads(text))


class NetworkModel:
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
        """Number of windows from which the spectrum was made."""
        return np.exp(np.interp(level, self.level, np.log(self.windows)))


class NetworkFit:
    """
    Fit of the mean spectra of the classes by Gauss-Newton steps.

    The parameters are the squared width; for each class its slope and the logarithm of its power; the logarithm of the
    noise's power, and for each class by how much its own differs.
    """

    def __init__(self, model, power, count, rank, *, known, whiteness, start=None):
        self.model, self.power, self.count, self.rank, self.known = model, power, count, rank, known
        self.classes = len(power)
        self.parameters = self._start() if start is None else start
        number, bands = power.shape
        self.own = 2 + 2 * number + np.arange(number)  # the parameters of the noise in each class, and in each band
        self.color = 2 + 3 * number + np.arange(bands)
        self.middle = np.zeros_like(self.parameters)
        known_to = np.full(len(self.parameters), np.inf)
        known_to[self.own] = _NOISE_SPREAD + _NOISE_SPREAD_PER_CLASS * rank
        self.whiteness = whiteness
        if whiteness is None:
            known_to[self.color] = _COLORED
        else:
            self.middle[self.color] = math.log(whiteness) * _FALL
            known_to[self.color] = _WHITE
        if known is not None:
            known = np.maximum(known, _LEAST_NOISE)
            mean = np.log(np.average(known, weights=count))
            self.middle[1 + 2 * number] = mean
            self.middle[self.own] = np.log(known) - mean
            known_to[1 + 2 * number] = _KNOWN_NOISE
        self.precision = np.diag(1 / known_to**2)
        covariance = np.diag(known_to[self.color] ** 2) + (
            0 if whiteness in {None, 1} else _FALL_ERROR
        ) ** 2 * np.outer(_FALL, _FALL)
        self.precision[np.ix_(self.color, self.color)] = np.linalg.inv(covariance)

    def again(self, power, count, *, whiteness=None):
        """The fit to other means of the same classes."""
        options = {"known": self.known, "whiteness": whiteness or self.whiteness, "start": self.parameters}
        return NetworkFit(self.model, power, count, self.rank, **options)

    def _start(self):
        noise = max(0.7 * self.power[:, -3:].mean(1).min(), _LEAST_NOISE)
        level = np.log(np.maximum(self.power[:, LOW].mean(1) - noise, _LEAST_POWER))
        none = np.zeros(self.classes)
        return np.concatenate([[3.0], none, level, [np.log(noise)], none, np.zeros(self.power.shape[1])])

    @property
    def noise_power(self):
        """Power of the noise ``[class, band]``."""
        log = self.parameters[1 + 2 * self.classes] + self.parameters[self.own, None] + self.parameters[self.color]
        return np.exp(log)

    def whiteness_left(self):
        """Whiteness of what the Sun's part of the fit leaves."""
        solar, _, noise, _ = self._spectra()
        ratio, weight = (self.power - solar) / noise, noise**2 / self._variance(solar, noise)
        corner, middle = (np.average(ratio[:, part], weights=weight[:, part]) for part in (CORNER, MIDDLE))
        return float(np.clip(self.whiteness * corner / middle, *_WHITENESS))

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
        scatter = (solar + noise) ** 2 / (_INDEPENDENT * self.count[:, None] * BAND_MODES)
        return scatter + (self.model.band_error * solar) ** 2 + (_NOISE_ERROR * noise) ** 2

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
