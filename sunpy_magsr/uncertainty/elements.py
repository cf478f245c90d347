"""A catalogue of flux elements with the probability that each of them is real."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import QTable, vstack
from numpy.typing import ArrayLike
from sunpy.map import GenericMap

from sunpy_magsr.maps.field import Field, pixel_areas, read_field
from sunpy_magsr.metrics.elements import MIN_AREA, PROMINENCE, THRESHOLD, match_elements, read_limits, segment
from sunpy_magsr.metrics.ensemble import draws_of
from sunpy_magsr.metrics.flux import pixel_fluxes
from sunpy_magsr.uncertainty.ensemble import Ensemble, check_ensemble, read_truth
from sunpy_magsr.uncertainty.intervals import check_level, half_width

_FORMATS = {u.pix: ".2f", u.arcsec: ".2f", u.deg: ".3f", u.G: ".0f", u.Mm**2: ".1f", u.Mx: ".2e"}


def flux_elements(
    ensemble: Ensemble,
    *,
    number: int | None = None,
    truth: GenericMap | u.Quantity | ArrayLike | None = None,
    threshold: u.Quantity = THRESHOLD,
    prominence: u.Quantity = PROMINENCE,
    min_area: u.Quantity = MIN_AREA,
    level: float = 0.9,
    deproject: bool = False,
) -> QTable:
    r"""
    Make a catalogue of the flux elements of an ensemble, with the probability that each of them is real.

    `~sunpy_magsr.metrics.element_labels` divides the mean of the members (or one of them) and every member into elements.
    The probability of detection is the share of the members (or of the other members) that have the element too, as
    ``match_elements`` finds it. On magnetograms whose truth is known, this probability is close to the
    share of such elements that are in the truth (:ref:`uncertainty`).

    The interval of the flux is :math:`m \pm t_{S-1} \sqrt{1 + 1/S}\,\sigma` of the fluxes of these S members through the
    element's pixels. Its lower end is negative where the other polarity is possible. It is not calibrated.

    Parameters
    ----------
    ensemble : `~sunpy_magsr.uncertainty.Ensemble`
        The ensemble, with its members.
    number : `int`, optional
        The number of the member whose elements are listed. The ensemble must then have three members or more. By default
        the elements of the mean are listed, which are fewer and more probable.
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like, optional
        The true field on the grid of the ensemble; plain arrays are in Gauss. Pixels that are not measured in it are left
        out.
    threshold, prominence, min_area : `~astropy.units.Quantity`
        As in `~sunpy_magsr.metrics.element_labels`.
    level : `float`
        Probability of the interval, between 0 and 1. Defaults to 0.9.
    deproject : `bool`
        Whether fluxes are computed as if the field were radial; see `~sunpy_magsr.metrics.unsigned_flux`. Defaults to
        `False`.

    Returns
    -------
    `~astropy.table.QTable`
        One row for each element, with the columns

        - ``id``: its number in `~sunpy_magsr.metrics.element_labels` of the same field (NaN where the truth is not
          measured) with the same options;
        - ``x``, ``y``: centroid of the flux in pixels, counted from 0 at the center of the first pixel, and then the same
          in world coordinates of the Map, such as ``Tx``, ``Ty`` in arcsec or ``lon``, ``lat`` in degrees;
        - ``polarity``: 1 or -1;
        - ``peak``: strongest field, with its sign, in G;
        - ``area``: area on the solar surface, in Mm^2;
        - ``flux``: flux in the field in which the element was found, in Mx, positive for both polarities;
        - ``flux_low``, ``flux_high``: ends of the interval of the flux;
        - ``detection``: probability of detection, from 0 to 1.

        With a truth there are two more columns: ``truth_flux``, the flux of the truth through the element's pixels, and
        ``outcome``, which is "improved" if the truth has the element, and "hallucinated" if not. Elements of the truth that
        the result does not have get rows of their own, with the outcome "omitted"; their ``id``, ``flux`` and ``polarity``
        are those in the truth.

    Raises
    ------
    TypeError
        If ``ensemble`` is not an Ensemble.
    ValueError
        If the members were not kept or are too few, the truth has another shape, or an option has a wrong unit or value.

    Examples
    --------
    >>> import astropy.units as u
    >>> import sunpy_magsr
    >>> from sunpy_magsr.data import sample_map
    >>> from sunpy_magsr.uncertainty import flux_elements
    >>> low = sample_map().submap([190, 80] * u.pix, top_right=[229, 119] * u.pix)
    >>> ensemble = sunpy_magsr.superresolve_ensemble(low, n_samples=4, seed=1)
    >>> elements = flux_elements(ensemble)
    >>> elements.colnames
    ['id', 'x', 'y', 'Tx', 'Ty', 'polarity', 'peak', 'area', 'flux', 'flux_low', 'flux_high', 'detection']
    >>> sure = elements[elements["detection"] >= 0.9]
    """
    check_ensemble(ensemble)
    check_level(level)
    least = 4 if ensemble.is_paired else 3
    if number is not None and len(ensemble) < least:
        msg = f"ensemble must have {least} members or more for the elements of one of them, got {len(ensemble)}."
        raise ValueError(msg)
    limits = read_limits(threshold, prominence, min_area)
    found_in = ensemble.mean() if number is None else ensemble.sample(number)
    field = read_field(found_in)
    geometry = pixel_areas(field)
    area = np.where(field.valid, np.nan_to_num(geometry.surface_area), 0)
    of_truth = None if truth is None else read_truth(truth, ensemble)
    if of_truth is not None:
        area[~of_truth.valid] = 0
    per_gauss = pixel_fluxes(Field(np.ones(area.shape), None, is_radial=field.is_radial), geometry, deproject=deproject)
    scene = (area, np.nan_to_num(per_gauss), limits)
    catalogues = [_Elements(one.data, scene) for one in (field, of_truth) if one is not None]
    # The partner of a member was drawn from its noise negated, and has what it has less often than others.
    left_out = () if number is None else (number, number ^ 1) if ensemble.is_paired else (number,)
    for at, member in enumerate(ensemble):
        if at not in left_out:
            other = _Elements(member.data, scene)
            for catalogue in catalogues:
                catalogue.look_for(other)
    table = catalogues[0].table(found_in, level, is_paired=ensemble.is_paired)
    if of_truth is not None:
        made, true = catalogues
        is_true = made.is_in(true)
        table["truth_flux"] = table["polarity"] * made.fluxes_of(true.data) * u.Mx
        table["outcome"] = np.where(is_true, "improved", "hallucinated")
        missed = true.table(found_in, level, is_paired=ensemble.is_paired)[~true.is_in(made)]
        missed["truth_flux"], missed["outcome"] = missed["flux"], "omitted"
        table = vstack([table, missed], metadata_conflicts="silent")
    for column in table.itercols():
        column.info.format = _FORMATS.get(getattr(column, "unit", None))
    table["detection"].info.format = ".2f"
    name = "mean" if number is None else f"sample {number}"
    table.meta.update(_describe(found_in, name, len(ensemble), level, threshold, prominence, min_area))
    return table


class _Elements:
    """
    The elements of one field, and how often and with what flux they are in other fields.

    The ``scene`` of all fields is the area of each pixel, its flux for 1 G, and the limits of `read_limits`.
    """

    def __init__(self, data: np.ndarray, scene: tuple[Any, Any, tuple[float, ...]]) -> None:
        self.area, self.per_gauss, limits = scene
        self.data = np.where(self.area > 0, np.nan_to_num(data), 0).astype(np.float32)
        self.labels = segment(self.data, self.area, *limits)
        self.count = int(self.labels.max(initial=0))
        self._inside = np.flatnonzero(self.labels)
        self._of = self.labels.ravel()[self._inside]
        self._hits = np.zeros(self.count)
        self._fluxes: list[np.ndarray] = []

    def is_in(self, other: _Elements) -> np.ndarray:
        return match_elements(self.labels, self.data, other.labels, other.data)

    def look_for(self, other: _Elements) -> None:
        self._hits += self.is_in(other)
        self._fluxes.append(self.fluxes_of(other.data))

    def fluxes_of(self, data: np.ndarray) -> np.ndarray:
        """Signed flux through the pixels of each element in Mx."""
        return self._sums((data * self.per_gauss).ravel()[self._inside])

    def table(self, smap: GenericMap, level: float, *, is_paired: bool) -> QTable:
        field = self.data.ravel()[self._inside].astype(float)
        rows, columns = np.divmod(self._inside, self.data.shape[1])
        weight = self._sums(np.abs(field))
        with np.errstate(invalid="ignore"):
            x, y = (self._sums(np.abs(field) * place) / weight for place in (columns, rows))
        polarity = np.sign(self._sums(field)).astype(int)
        strongest = np.zeros(self.count + 1)
        np.maximum.at(strongest, self._of, np.abs(field))
        fluxes = polarity * np.array(self._fluxes)
        n_members = len(fluxes)
        draws = draws_of(fluxes, is_paired=is_paired)
        middle = fluxes.mean(axis=0)
        width = half_width(level, draws) * np.sqrt(((fluxes - middle) ** 2).sum(axis=0) / draws.variance_divisor)
        table = QTable({"id": np.arange(1, self.count + 1), "x": x * u.pix, "y": y * u.pix})
        names = list(smap.coordinate_frame.get_representation_component_names())[:2]
        world = smap.wcs.pixel_to_world_values(x, y)
        for name, values, unit in zip(names, world, smap.wcs.world_axis_units, strict=True):
            table[name] = (values * u.Unit(unit)).to(u.deg if name in {"lon", "lat"} else u.arcsec)
        table["polarity"] = polarity
        table["peak"] = polarity * strongest[1:] * u.G
        table["area"] = self._sums(self.area.ravel()[self._inside]) * (u.cm**2).to(u.Mm**2) * u.Mm**2
        table["flux"] = polarity * self.fluxes_of(self.data) * u.Mx
        table["flux_low"], table["flux_high"] = (middle - width) * u.Mx, (middle + width) * u.Mx
        table["detection"] = self._hits / n_members
        return table

    def _sums(self, values: np.ndarray) -> np.ndarray:
        return np.bincount(self._of, weights=values, minlength=self.count + 1)[1:]


def _describe(smap: GenericMap, name: str, n_samples: int, level: float, *limits: u.Quantity) -> dict[str, Any]:
    """Header of the table, with names that FITS takes."""
    words = dict(zip(("thresh", "promin", "min_area"), map(str, limits), strict=True))
    known = {key: smap.meta[key] for key in ("magsrmod", "magsrrev", "magsrsed", "date-obs") if key in smap.meta}
    return {"found_in": name, "samples": n_samples, "level": level, **words, **known}
