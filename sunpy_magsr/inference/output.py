"""What a super-resolution gives: the finer grid, its header, and the Maps on it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.nddata import StdDevUncertainty

from sunpy_magsr.inference.header import finer_header
from sunpy_magsr.maps.grid import resampled_size
from sunpy_magsr.maps.wcs import plate_scale as plate_scale_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sunpy.map import GenericMap


#: Cards in which results of the same input, model and settings may differ.
_FREE = {"magsrver", "magsrrev", "magsrsta", "magsrpso", "magsrrnd"}
_PLACE = {"crpix1", "crpix2", "date-obs"}


@dataclasses.dataclass
class Output:
    """
    The grid of a result, its header, and Maps of fields on it.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The input; never changed.
    measured : `numpy.ndarray`
        The pixels of the input that are measurements, bool ``[y, x]``.
    ratio : `tuple` of `float`
        Output pixels along one input pixel, in x and y.
    tell : callable
        Makes the cards of the model and the settings for a statistic; see ``provenance``.

    Raises
    ------
    ValueError
        If the input's class of Map does not read of the result's header what it should.
    """

    smap: GenericMap
    measured: np.ndarray
    ratio: tuple[float, float]
    tell: Callable[[str], dict[str, Any]]

    def __post_init__(self):
        rows, columns = self.measured.shape
        sides = zip((columns, rows), self.ratio, strict=True)
        (self._columns, x), (self._rows, y) = (resampled_size(side, ratio) for side, ratio in sides)
        self._offset = (x, y)
        self._check_class()

    @property
    def valid(self):
        """Output pixels whose center lies in a measured input pixel, bool ``[Y, X]``."""
        return self.on_grid(self.measured)

    def on_grid(self, low):
        """Give each output pixel the value of the input pixel that holds its center, ``[y, x]`` to ``[Y, X]``."""
        sizes, sides = (self._columns, self._rows), reversed(low.shape)
        x, y = (
            np.minimum(((np.arange(size) + 0.5 + offset) / ratio).astype(int), side - 1)
            for size, offset, ratio, side in zip(sizes, self._offset, self.ratio, sides, strict=True)
        )
        return low[np.ix_(y, x)]

    def describes(self, header):
        """Whether a header is that of a result on this grid with these settings, whatever its statistic and version."""
        expected = self._header((self._rows, self._columns), "")
        if (header["naxis1"], header["naxis2"]) != (self._columns, self._rows):
            return False
        told = {card for card in (*header, *expected) if card.startswith("magsr")} - _FREE
        return all(header.get(card) == expected.get(card) for card in told | _PLACE)

    def map(self, data, statistic, *, std=None, flagged=None):
        """Make a Map of the input's class."""
        uncertainty = None if std is None else StdDevUncertainty(std, unit=u.G)
        header = self._header(data.shape, statistic)
        mask = ~self.valid if flagged is None else ~self.valid | flagged
        return type(self.smap)(data, header, mask=mask, uncertainty=uncertainty)

    def _header(self, shape, statistic):
        header = finer_header(self.smap, self.ratio, self._offset, shape)
        cards = self.tell(statistic)
        earlier = str(header.pop("history", "") or "").strip()
        return {**header, **cards, "history": f"{earlier}\n{cards['history']}".strip()}

    def _check_class(self):
        advice = "take a sunpy.map.GenericMap or a file whose header holds the WCS."
        name = type(self.smap).__name__
        try:
            probe = type(self.smap)(np.zeros((2, 2)), self._header((2, 2), ""))
        except Exception as error:
            msg = (
                f"smap must be of a class that takes the header of a result, got {name}, which says: {error}; {advice}"
            )
            raise ValueError(msg) from error
        wanted = [scale / ratio for scale, ratio in zip(plate_scale_of(self.smap), self.ratio, strict=True)]
        if not all(u.isclose(*pair, rtol=1e-6) for pair in zip(plate_scale_of(probe), wanted, strict=True)):
            msg = f"smap must be of a class that reads its plate scale from CDELT, got {name}; {advice}"
            raise ValueError(msg)
        if not u.isclose(probe.rsun_obs, self.smap.rsun_obs, rtol=1e-6):
            msg = f"smap must be of a class that reads the Sun's radius in arcsec, not in pixels, got {name}; {advice}"
            raise ValueError(msg)
