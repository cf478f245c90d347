"""The real MDI magnetogram that comes with the package."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from sunpy_magsr.prep.files import open_magnetogram

if TYPE_CHECKING:
    from sunpy.map import GenericMap

__all__ = ["mdi_cutout"]

_FILE = "mdi_20110401.fits"


def mdi_cutout() -> GenericMap:
    """
    Read a cutout of an MDI full disk: 256 x 256 pixels with an active region and quiet Sun near disk center.

    It was observed on 2011 April 1 at 00:03:30 TAI and averaged over 300 s (series ``mdi.fd_M_96m_lev182``). The plate
    scale is 1.986 arcsec/pix. Courtesy of the SOHO/MDI consortium; SOHO is a project of international cooperation between
    ESA and NASA.

    Returns
    -------
    `sunpy.map.sources.MDIMap`
        Line-of-sight magnetogram in Gauss.

    Examples
    --------
    >>> from sunpy_magsr.data import mdi_cutout
    >>> mdi = mdi_cutout()
    >>> mdi.data.shape, mdi.date.isot[:10]
    ((256, 256), '2011-04-01')
    """
    with resources.as_file(resources.files("sunpy_magsr") / "data" / "samples" / _FILE) as path:
        return open_magnetogram(path)
