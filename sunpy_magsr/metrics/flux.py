"""Magnetic flux and its error."""

import astropy.units as u
import numpy as np

from sunpy_magsr.metrics.geometry import MINIMUM_MU, pixel_areas
from sunpy_magsr.metrics.options import read_option
from sunpy_magsr.prep.field import read_field, read_pair

__all__ = ["net_flux", "pixel_fluxes", "relative_error", "unsigned_flux", "unsigned_flux_error"]

_THRESHOLD = 0 * u.G


def pixel_fluxes(field, geometry, *, deproject):
    r"""
    Signed flux through every pixel.

    :math:`B A_\mathrm{sky}`, or deprojected :math:`B A / \mu` with the surface area :math:`A`, and :math:`B A` for a
    Map of the radial component.

    Parameters
    ----------
    field : `~sunpy_magsr.prep.field.Field`
        ``[y, x]``.
    geometry : `~sunpy_magsr.metrics.geometry.PixelGeometry`
        Of its pixels.
    deproject : `bool`
        Whether the field counts as radial.

    Returns
    -------
    `numpy.ndarray`
        In Mx ``[y, x]``, NaN where not measured, and deprojected where :math:`\mu` is below 0.1.
    """
    if not deproject:
        return field.data * geometry.sky_area
    return field.data * geometry.surface_area / (1 if field.is_radial else np.maximum(geometry.mu, MINIMUM_MU))


def unsigned_flux(field, *, threshold=_THRESHOLD, plate_scale=None, deproject=False):
    r"""
    Unsigned magnetic flux.

    :math:`\Phi = \sum_{|B| > t} |B| A_\mathrm{sky}` with the area that a pixel covers on the plane of the sky: the
    flux along the line of sight. With ``deproject`` the field counts as radial, :math:`B_r = B / \mu`, and
    :math:`\Phi = \sum |B| A / \mu` with the surface area :math:`A = A_\mathrm{sky} / \mu`; a Map of the radial
    component needs no :math:`1 / \mu`. `~sunpy_magsr.metrics.geometry.pixel_areas` says how areas are found.

    Without a threshold the result measures noise first: white Gaussian noise of standard deviation :math:`\sigma`
    alone gives :math:`\sigma \sqrt{2 / \pi}` a pixel, and more so the finer the pixels. State the threshold and the
    noise with the flux.

    Parameters
    ----------
    field : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        ``[y, x]``; arrays in Gauss. Pixels that are not measured carry no flux.
    threshold : `~astropy.units.Quantity`
        Pixels with :math:`|B|` at or below it are left out, as measured and not deprojected. Defaults to 0 G.
    plate_scale : `~astropy.units.Quantity`, optional
        Of an array, which counts as lying at disk center, 1 AU away.
    deproject : `bool`
        Whether to take the field as radial. Pixels with :math:`\mu < 0.1` are then left out. Defaults to `False`.

    Returns
    -------
    `~astropy.units.Quantity`
        In Mx.

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
    field = read_field(field, plate_scale=plate_scale)
    return _total(field, pixel_areas(field), threshold, deproject, np.abs)


def net_flux(field, *, threshold=_THRESHOLD, plate_scale=None, deproject=False):
    r"""
    Net magnetic flux, :math:`\sum_{|B| > t} B A`, as `unsigned_flux` with the sign.

    Parameters
    ----------
    field : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        ``[y, x]``; arrays in Gauss. Pixels that are not measured carry no flux.
    threshold : `~astropy.units.Quantity`
        Pixels with :math:`|B|` at or below it are left out. Defaults to 0 G.
    plate_scale : `~astropy.units.Quantity`, optional
        Of an array, which counts as lying at disk center, 1 AU away.
    deproject : `bool`
        Whether to take the field as radial. Pixels with :math:`\mu < 0.1` are then left out. Defaults to `False`.

    Returns
    -------
    `~astropy.units.Quantity`
        In Mx.

    Raises
    ------
    ValueError
        As `unsigned_flux`.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_magsr.metrics import net_flux
    >>> net_flux([[500.0, -500.0]], plate_scale=2 * u.arcsec / u.pix)
    <Quantity 0. Mx>
    """
    field = read_field(field, plate_scale=plate_scale)
    return _total(field, pixel_areas(field), threshold, deproject, np.asarray)


def unsigned_flux_error(result, truth, *, threshold=_THRESHOLD, plate_scale=None, deproject=False):
    r"""
    Relative error of the unsigned flux, :math:`100 (\Phi / \Phi_0 - 1)` per cent.

    Positive where the result has more flux. Both are measured over the pixels they have in common and with one
    geometry, the truth's. See `unsigned_flux` on noise: with no threshold a smoother result has less flux even where
    every structure is right.

    Parameters
    ----------
    result, truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Fields ``[y, x]`` on one grid; arrays in Gauss.
    threshold, plate_scale, deproject
        As in `unsigned_flux`.

    Returns
    -------
    `~astropy.units.Quantity`
        In per cent, with a sign.

    Raises
    ------
    ValueError
        As `unsigned_flux`, and if the shapes differ or the truth has no flux above the threshold.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_magsr.metrics import unsigned_flux_error
    >>> unsigned_flux_error([[110.0, -110.0]], [[100.0, -100.0]], plate_scale=2 * u.arcsec / u.pix)
    <Quantity 10. %>
    """
    result, truth = read_pair(result, truth, plate_scale=plate_scale)
    geometry = pixel_areas(result if truth.smap is None else truth)
    return relative_error(*(_total(field, geometry, threshold, deproject, np.abs) for field in (result, truth)), "flux")


def relative_error(result, truth, what):
    r"""
    Relative error, :math:`100 (a / a_0 - 1)` per cent.

    Parameters
    ----------
    result, truth : `~astropy.units.Quantity`
        The two values.
    what : `str`
        What they are, for the message.

    Returns
    -------
    `~astropy.units.Quantity`
        In per cent.

    Raises
    ------
    ValueError
        If the truth is zero.
    """
    if truth == 0:
        msg = f"truth must have {what} above the threshold, got {truth}."
        raise ValueError(msg)
    return ((result / truth).to_value("") - 1) * 100 * u.percent


def _total(field, geometry, threshold, deproject, part):
    strong = np.abs(field.data) > read_option(threshold, u.G, "threshold")
    return np.nansum(part(pixel_fluxes(field, geometry, deproject=deproject)[strong])) * u.Mx
