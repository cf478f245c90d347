"""A quantity against wavenumber."""

import dataclasses

import astropy.units as u
import numpy as np

__all__ = ["Spectrum", "in_arcsec"]

# Wavenumbers are ratios of floats: a bin on the edge of a band must not depend on the last digit.
_ROUNDING = 1e-9


def in_arcsec(value, name):
    """
    A positive length on the sky as a number of arcsec.

    Parameters
    ----------
    value : `~astropy.units.Quantity` or `float`
        A plain number is in arcsec.
    name : `str`
        Of the argument, for messages.

    Returns
    -------
    `float`

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
    A quantity averaged over rings of the wavenumber plane.

    Attributes
    ----------
    wavenumber : `~astropy.units.Quantity`
        Centers of the rings in cycles per arcsec, ascending.
    value : `~astropy.units.Quantity` or `numpy.ndarray`
        One number per ring: a power in G2 arcsec2, or a plain number such as a coherence.
    error : `~astropy.units.Quantity` or `numpy.ndarray`
        Its standard deviation, same unit.
    n_modes : `numpy.ndarray`
        Independent Fourier modes per ring over all segments. A mode and its conjugate count once; what the window
        and the overlap of segments correlate counts for less. A power has the relative error ``n_modes**-0.5`` in a
        Gaussian field with the same statistics everywhere.
    area : `~astropy.units.Quantity`, optional
        Area of the rings in arcsec-2, as the number of Fourier modes inside; without it
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
    value: u.Quantity | np.ndarray
    error: u.Quantity | np.ndarray
    n_modes: np.ndarray
    area: u.Quantity | None = None

    @property
    def wavelength(self):
        """Wavelength of the rings in arcsec, descending."""
        return (1 / self.wavenumber).to(u.arcsec)

    def band(self, longest, shortest):
        """
        Mean over a band of wavelengths, weighted by the number of modes.

        Parameters
        ----------
        longest, shortest : `~astropy.units.Quantity` or `float`
            In arcsec; the band is ``shortest <= wavelength < longest``.

        Returns
        -------
        `~astropy.units.Quantity` or `float`
            In the unit of `value`.

        Raises
        ------
        ValueError
            If the band is not a band or no ring lies in it.
        """
        longest, shortest = in_arcsec(longest, "longest"), in_arcsec(shortest, "shortest")
        wavelength = self.wavelength.to_value(u.arcsec)
        inside = (wavelength >= shortest * (1 - _ROUNDING)) & (wavelength < longest * (1 - _ROUNDING))
        if not inside.any():
            msg = (
                f"longest and shortest must enclose one of the wavelengths {wavelength[-1]:.4g} to {wavelength[0]:.4g} "
                f"arcsec, got {longest:.4g} and {shortest:.4g}."
            )
            raise ValueError(msg)
        mean = np.average(self.value[inside], weights=self.n_modes[inside])
        return mean if isinstance(mean, u.Quantity) else mean.item()

    def integral(self):
        """
        Integral over the wavenumber plane inside the Nyquist circle.

        Returns
        -------
        `~astropy.units.Quantity`
            Of a power spectrum the variance in G2, without what lies in the corners of the plane.
        """
        area = self.area
        if area is None:
            area = 2 * np.pi * self.wavenumber * np.gradient(self.wavenumber)
        return (self.value * area).sum()
