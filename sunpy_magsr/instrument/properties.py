"""What is known of the instrument for one frame: blur, noise and gain, each with its error."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from sunpy_magsr.instrument.gain import MDI_GAIN, MDI_GAIN_SPREAD
from sunpy_magsr.instrument.noise import MDI_RESPONSE_ERROR, input_noise
from sunpy_magsr.maps import Magnetogram
from sunpy_magsr.maps.wcs import angular_scale


@dataclasses.dataclass(frozen=True, kw_only=True)
class Instrument:
    """
    What is known of the instrument for one frame, from `instrument_of`.

    Parameters
    ----------
    fwhm, fwhm_error : `float`
        Full width at half maximum of the Gaussian point-spread function, without the averaging over a pixel, and its
        standard error, in input pixels. NaN if nothing is known.
    noise : `numpy.ndarray`
        Standard deviation of the noise of each pixel in Gauss ``[y, x]``, float32.
    response_error : `float`
        Share of a reading by which it may differ from what the forward model gives, besides the noise.
    gain, gain_error : `float`
        Reading for a field of 1 G on the scale of the model's results, and the standard deviation of its logarithm.
    """

    fwhm: float
    fwhm_error: float
    noise: np.ndarray
    response_error: float
    gain: float
    gain_error: float

    @property
    def widths(self) -> tuple[float, float]:
        """Smallest and largest width that the point-spread function may have (two standard errors), in input pixels."""
        return max(self.fwhm - 2 * self.fwhm_error, 0.0), self.fwhm + 2 * self.fwhm_error

    def misfit_error(self, reading: npt.NDArray) -> np.ndarray:
        """
        Compute by how much each pixel may differ from what the forward model makes of the true field.

        Parameters
        ----------
        reading : `numpy.ndarray`
            The frame in Gauss ``[y, x]``.

        Returns
        -------
        `numpy.ndarray`
            Standard deviation of the difference in Gauss ``[y, x]``, float32: the noise, and the error of the response in
            quadrature.
        """
        if not self.response_error:
            return self.noise
        return np.hypot(self.noise, np.float32(self.response_error) * reading)


def instrument_of(magnetogram: Magnetogram, card: Any = None) -> Instrument:
    """
    Gather what is known of the instrument for a frame, for the network, the consistency step and all comparisons.

    Parameters
    ----------
    magnetogram : `~sunpy_magsr.maps.Magnetogram`
        The frame. Its blur and its noise are taken if it holds them.
    card : `~sunpy_magsr.store.ModelCard`, optional
        The model. It says which blur it expects if that of the frame is not known, and on which scale its results are.

    Returns
    -------
    `Instrument`
        Blur, noise and gain. The noise is that of `input_noise`.
    """
    is_mdi = magnetogram.instrument == "MDI"
    if magnetogram.blur is not None:
        pixel = angular_scale(magnetogram.plate_scale)[0]
        width = magnetogram.blur.fwhm / pixel, magnetogram.blur.error / pixel
    else:
        width = (math.nan, math.nan) if card is None else (card.psf_fwhm, card.psf_fwhm_spread)
    is_on_hmi_scale = is_mdi and card is not None and card.calibration == "hmi"
    return Instrument(
        fwhm=width[0],
        fwhm_error=width[1],
        noise=input_noise(magnetogram),
        response_error=MDI_RESPONSE_ERROR if is_mdi else 0.0,
        gain=MDI_GAIN if is_on_hmi_scale else 1.0,
        gain_error=MDI_GAIN_SPREAD if is_on_hmi_scale else 0.0,
    )
