"""Magnetic flux and its error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np

from sunpy_magsr._fields import FIELD, PAIR, PARAMETERS, described_with
from sunpy_magsr.metrics.geometry import AREA_PLATE_SCALE, MINIMUM_MU, pixel_areas, read_pair_areas
from sunpy_magsr.metrics.options import read_option
from sunpy_magsr.prep.field import read_field

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from sunpy_magsr._fields import FieldLike
    from sunpy_magsr.metrics.geometry import PixelGeometry
    from sunpy_magsr.prep.field import Field

__all__ = ["net_flux", "pixel_fluxes", "relative_error", "unsigned_flux", "unsigned_flux_error"]

_OPTIONS = rf"""threshold : `~astropy.units.Quantity`
    Pixels with :math:`|B|` at or below it are left out. It applies to the field as measured, also with ``deproject``.
    Defaults to 0 G.
{AREA_PLATE_SCALE}deproject : `bool`
    Whether the field counts as radial. Pixels with :math:`\mu < 0.1` are then left out. Defaults to `False`.
"""
_TEXTS = {"field_parameters": PARAMETERS + FIELD + _OPTIONS, "pair_parameters": PARAMETERS + PAIR + _OPTIONS}


def pixel_fluxes(field: Field, geometry: PixelGeometry, *, deproject: bool) -> npt.NDArray[np.float64]:
    r"""
    Magnetic flux through every pixel, with the sign of the field.

    The flux is :math:`B A_\mathrm{sky}`. If the field counts as radial, it is :math:`B A / \mu` with the surface area
    :math:`A`, and :math:`B A` for a Map that shows the radial component.

    Parameters
    ----------
    field : `~sunpy_magsr.prep.field.Field`
        The field ``[y, x]``.
    geometry : `~sunpy_magsr.metrics.geometry.PixelGeometry`
        The areas of its pixels.
    deproject : `bool`
        Whether the field counts as radial.

    Returns
    -------
    `numpy.ndarray`
        Flux in Mx ``[y, x]``. NaN where the field is not measured, and with ``deproject`` also where :math:`\mu` is
        below 0.1.
    """
    if not deproject:
        return field.data * geometry.sky_area
    return field.data * geometry.surface_area / (1 if field.is_radial else np.maximum(geometry.mu, MINIMUM_MU))


@described_with(**_TEXTS)
def unsigned_flux(
    field: FieldLike, *, threshold: u.Quantity = 0 * u.G, plate_scale: u.Quantity | None = None, deproject: bool = False
) -> u.Quantity:
    r"""
    Unsigned magnetic flux of a field.

    It is :math:`\Phi = \sum_{|B| > t} |B| A_\mathrm{sky}` with the area that a pixel covers on the plane of the sky:
    the flux along the line of sight. With ``deproject`` the field counts as radial, :math:`B_r = B / \mu`, and
    :math:`\Phi = \sum |B| A / \mu` with the surface area :math:`A = A_\mathrm{sky} / \mu`; a Map of the radial
    component needs no :math:`1 / \mu`. Pixels that are not measured carry no flux.
    `~sunpy_magsr.metrics.geometry.pixel_areas` says how areas are found.

    Without a threshold most of the flux may be noise: white Gaussian noise of standard deviation :math:`\sigma` alone
    has a mean :math:`|B|` of :math:`\sigma \sqrt{2 / \pi}`. State the threshold and the noise with the flux.

    {field_parameters}

    Returns
    -------
    `~astropy.units.Quantity`
        Unsigned flux in Mx.

    Raises
    ------
    ValueError
        If the field cannot be read, an array comes without a plate scale, or the threshold is negative or no field.

    Examples
    --------
    A field of 1000 G over 10 Mm^2:

    >>> import astropy.units as u
    >>> import numpy as np
    >>> from sunpy_magsr.metrics import unsigned_flux
    >>> side = (np.sqrt(0.1) * u.Mm / u.au * u.rad).to(u.arcsec) / u.pix
    >>> unsigned_flux(np.full((10, 10), 1000.0), plate_scale=side)
    <Quantity 1.e+20 Mx>
    """
    measured = read_field(field, plate_scale=plate_scale)
    return _total(measured, pixel_areas(measured), threshold, deproject, np.abs)


@described_with(**_TEXTS)
def net_flux(
    field: FieldLike, *, threshold: u.Quantity = 0 * u.G, plate_scale: u.Quantity | None = None, deproject: bool = False
) -> u.Quantity:
    r"""
    Net magnetic flux of a field, :math:`\sum_{|B| > t} B A`.

    It is `unsigned_flux` with the sign of the field.

    {field_parameters}

    Returns
    -------
    `~astropy.units.Quantity`
        Net flux in Mx, with the sign of the polarity that has more flux.

    Raises
    ------
    ValueError
        As for `unsigned_flux`.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_magsr.metrics import net_flux
    >>> net_flux([[500.0, -500.0]], plate_scale=2 * u.arcsec / u.pix)
    <Quantity 0. Mx>
    """
    measured = read_field(field, plate_scale=plate_scale)
    return _total(measured, pixel_areas(measured), threshold, deproject, np.asarray)


@described_with(**_TEXTS)
def unsigned_flux_error(
    result: FieldLike,
    truth: FieldLike,
    *,
    threshold: u.Quantity = 0 * u.G,
    plate_scale: u.Quantity | None = None,
    deproject: bool = False,
) -> u.Quantity:
    r"""
    Relative error of the unsigned flux of a result, :math:`100 (\Phi / \Phi_0 - 1)` per cent.

    It is positive where the result has more flux than the truth. Both fluxes are measured over the pixels that both
    fields have and with the same areas, those of the truth. Noise counts as flux (see `unsigned_flux`): with no
    threshold a smoother result has less flux even where every structure is right.

    {pair_parameters}

    Returns
    -------
    `~astropy.units.Quantity`
        The error in per cent, with its sign.

    Raises
    ------
    ValueError
        As for `unsigned_flux`, and if the shapes differ or the truth has no flux above the threshold.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_magsr.metrics import unsigned_flux_error
    >>> unsigned_flux_error([[110.0, -110.0]], [[100.0, -100.0]], plate_scale=2 * u.arcsec / u.pix)
    <Quantity 10. %>
    """
    pair, geometry = read_pair_areas(result, truth, plate_scale=plate_scale)
    flux, true_flux = (_total(field, geometry, threshold, deproject, np.abs) for field in pair)
    return relative_error(flux, true_flux, "flux")


def relative_error(result: u.Quantity, truth: u.Quantity, what: str) -> u.Quantity:
    r"""
    Relative error of a value :math:`a` whose true value is :math:`a_0`, :math:`100 (a / a_0 - 1)` per cent.

    Parameters
    ----------
    result, truth : `~astropy.units.Quantity`
        The two values.
    what : `str`
        The name of what is measured, for the message of the error.

    Returns
    -------
    `~astropy.units.Quantity`
        The error in per cent, positive where the result is larger than the truth.

    Raises
    ------
    ValueError
        If the true value is zero.
    """
    if truth == 0:
        msg = f"truth must have {what} above the threshold, got {truth}."
        raise ValueError(msg)
    return ((result / truth).to_value("") - 1) * 100 * u.percent


def _total(
    field: Field, geometry: PixelGeometry, threshold: u.Quantity, deproject: bool, part: Callable[..., np.ndarray]
) -> u.Quantity:
    strong = np.abs(field.data) > read_option(threshold, u.G, "threshold")
    return np.nansum(part(pixel_fluxes(field, geometry, deproject=deproject)[strong])) * u.Mx
