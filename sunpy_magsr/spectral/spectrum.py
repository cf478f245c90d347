"""A quantity against wavenumber."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

if TYPE_CHECKING:
    from typing import Any

    import numpy.typing as npt

__all__ = ["Spectrum", "in_arcsec"]

# Wavenumbers are ratios of floats: a bin on the edge of a band must not depend on the last digit.
_ROUNDING = 1e-9


def in_arcsec(value: u.Quantity | float, name: str) -> float:
    """
    Give a positive length on the sky as a number of arcsec.

    Parameters
    ----------
    value : `~astropy.units.Quantity` or `float`
        The length. A plain number is in arcsec.
    name : `str`
        What the message of an error calls the value.

    Returns
    -------
    `float`
        The length in arcsec.

    Raises
    ------
    ValueError
        If it is not a positive scalar angle.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_magsr.spectral.spectrum import in_arcsec
    >>> in_arcsec(2 * u.arcmin, "segment")
    120.0
    """
    try:
        number = float(u.Quantity(value, u.arcsec).value)
    except (TypeError, ValueError):  # a unit that does not fit is a TypeError of astropy
        number = np.nan
    if not (np.isfinite(number) and number > 0):
        msg = f"{name} must be a positive number or Quantity in arcsec, got {value!r}."
        raise ValueError(msg)
    return number


@dataclasses.dataclass(frozen=True)
class Spectrum:
    r"""
    A quantity as a function of wavenumber, averaged over rings of the wavenumber plane.

    Parameters
    ----------
    wavenumber : `~astropy.units.Quantity`
        Wavenumber at the center of each ring in cycles per arcsec, ascending.
    value : `~astropy.units.Quantity` or `numpy.ndarray`
        The quantity in each ring: a power in G2 arcsec2, or a plain number such as a coherence.
    error : `~astropy.units.Quantity` or `numpy.ndarray`
        Standard deviation of the value, in the same unit.
    n_modes : `numpy.ndarray`
        Number of independent Fourier modes in each ring over all segments. A mode and its conjugate count once, and
        modes that the window or the overlap of segments makes depend on each other count for less. A power has the
        relative error ``n_modes**-0.5`` in a Gaussian field with the same statistics everywhere.
    area : `~astropy.units.Quantity`, optional
        Area of each ring in arcsec-2, measured by the Fourier modes inside. By default
        :math:`2 \pi k \, \Delta k`.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_magsr.spectral import Spectrum
    >>> spectrum = Spectrum([0.25, 0.5] / u.arcsec, np.array([0.9, 0.1]), np.array([0.1, 0.1]), np.array([10, 30]))
    >>> spectrum.wavelength
    <Quantity [4., 2.] arcsec>
    >>> spectrum.band(5, 1)
    0.3
    """

    wavenumber: u.Quantity
    value: u.Quantity | npt.NDArray[Any]
    error: u.Quantity | npt.NDArray[Any]
    n_modes: npt.NDArray[np.floating]
    area: u.Quantity | None = None

    @property
    def wavelength(self) -> u.Quantity:
        """Wavelength of each ring in arcsec, descending."""
        return (1 / self.wavenumber).to(u.arcsec)

    def band(self, longest: u.Quantity | float, shortest: u.Quantity | float) -> Any:
        """
        Mean over a band of wavelengths, weighted by the number of modes.

        Parameters
        ----------
        longest : `~astropy.units.Quantity` or `float`
            Longest wavelength of the band in arcsec, which is not part of it.
        shortest : `~astropy.units.Quantity` or `float`
            Shortest wavelength of the band in arcsec, which is part of it.

        Returns
        -------
        `~astropy.units.Quantity` or `float`
            The mean, in the unit of ``value``.

        Raises
        ------
        ValueError
            If an end is not a positive angle or no ring lies in the band.
        """
        high, low = in_arcsec(longest, "longest"), in_arcsec(shortest, "shortest")
        wavelength = self.wavelength.to_value(u.arcsec)
        inside = (wavelength >= low * (1 - _ROUNDING)) & (wavelength < high * (1 - _ROUNDING))
        if not inside.any():
            msg = (
                f"longest and shortest must enclose one of the wavelengths {wavelength[-1]:.4g} to {wavelength[0]:.4g} "
                f"arcsec, got {high:.4g} and {low:.4g}."
            )
            raise ValueError(msg)
        mean = np.average(self.value[inside], weights=self.n_modes[inside])
        return mean if isinstance(mean, u.Quantity) else mean.item()

    def integral(self) -> Any:
        """
        Integral over the wavenumber plane inside the Nyquist circle.

        Returns
        -------
        `~astropy.units.Quantity`
            The integral. For a power spectrum it is the variance of the field in G2, without the part in the corners of
            the plane.
        """
        area = self.area
        if area is None:
            area = 2 * np.pi * self.wavenumber * np.gradient(self.wavenumber)
        return (self.value * area).sum()
