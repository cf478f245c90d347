"""A synthetic MDI magnetogram, which needs no download. Its header says that it is no observation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
import scipy.ndimage
import sunpy.map

from sunpy_magsr.data.features import bipole, network
from sunpy_magsr.data.views import RSUN
from sunpy_magsr.forward_model import degrade

if TYPE_CHECKING:
    import numpy.typing as npt
    from sunpy.map import GenericMap

__all__ = ["sample_map", "sample_truth"]

_SIDE = 320  # pixels
_FACTOR = 4
_PLATE_SCALE = 1.986059  # arcsec/pix
_RSUN_ARCSEC = 968.797926
_CENTER = (-560.0, 330.0)  # helioprojective x and y of the middle, arcsec
_CELL_ARCSEC = 30.0
_PSF_FWHM_ARCSEC = 3.32
_NOISE_GAUSS = 12.0

#: Cards of all synthetic frames.
SYNTHETIC_CARDS = {
    "wcsname": "Helioprojective-cartesian",
    "ctype1": "HPLN-TAN",
    "ctype2": "HPLT-TAN",
    "cunit1": "arcsec",
    "cunit2": "arcsec",
    "crval1": 0.0,
    "crval2": 0.0,
    "bunit": "Gauss",
    "rsun_ref": RSUN,
    "object": "SYNTHETIC",
    "origin": "sunpy_magsr sample maker",
}
#: Cards of MDI's 5-minute full disks.
MDI_CARDS = {"telescop": "SOHO", "camera": "MDI", "wavelnth": 6768, "quality": 512, "interval": 300.0}


def _grid():
    """Helioprojective coordinates in arcsec of the fine pixels ``[y, x]``, and the cosine of the heliocentric angle."""
    step = _PLATE_SCALE / _FACTOR
    axis = (np.arange(_SIDE * _FACTOR) - (_SIDE * _FACTOR - 1) / 2) * step
    x, y = np.meshgrid(axis + _CENTER[0], axis + _CENTER[1])
    mu = np.sqrt(np.clip(1 - (x**2 + y**2) / _RSUN_ARCSEC**2, 0, None))
    return x, y, mu


def sample_truth(seed: int = 7) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """
    Make the true field of `sample_map`.

    Parameters
    ----------
    seed : `int`
        Seed of the random numbers. For the same seed, this is the truth of the sample map. Defaults to 7.

    Returns
    -------
    field : `numpy.ndarray`
        Line-of-sight field in Gauss ``[1280, 1280]``, with four pixels along one pixel of `sample_map`.
    mu : `numpy.ndarray`
        Cosine of the heliocentric angle of each pixel ``[1280, 1280]``, 0 off the disk.
    """
    rng = np.random.default_rng(seed)
    mu = _grid()[2]
    field = network(rng, mu.shape, _CELL_ARCSEC * _FACTOR / _PLATE_SCALE)
    field += bipole(rng, mu.shape, center=(420, 860), separation=210, tilt=0.12, tubes=1800)
    field -= bipole(rng, mu.shape, center=(800, 560), separation=130, tilt=-0.15, tubes=600)
    field += 30 * scipy.ndimage.gaussian_filter(rng.standard_normal(field.shape), 1.5)
    return (np.clip(field, -3200, 3200) * mu).astype(np.float32), mu


def sample_map(seed: int = 7) -> GenericMap:
    """
    Make a synthetic MDI magnetogram of 320 x 320 pixels at the limb, with two active regions.

    The field of `sample_truth` is blurred by a Gaussian point-spread function of 3.32 arcsec (FWHM) and averaged over 4 x 4
    pixels. White noise of 12 G is added, and the values are rounded to 0.1 G. Pixels off the disk are NaN. The header is
    like those of the series ``mdi.fd_M_96m_lev182``, but its OBJECT and CONTENT cards say that it is no observation.

    Parameters
    ----------
    seed : `int`
        Seed of the random numbers of field and noise. Defaults to 7.

    Returns
    -------
    `sunpy.map.sources.MDIMap`
        The magnetogram in Gauss.

    Examples
    --------
    >>> from sunpy_magsr.data import sample_map
    >>> mdi = sample_map()
    >>> mdi.data.shape, str(mdi.unit)
    ((320, 320), 'G')
    """
    field, mu = sample_truth(seed)
    fwhm = _PSF_FWHM_ARCSEC * _FACTOR / _PLATE_SCALE
    low = degrade(field, factor=_FACTOR, psf_fwhm=fwhm, noise=_NOISE_GAUSS, seed=seed)
    low = np.round(low, 1)
    low[degrade(mu, factor=_FACTOR) == 0] = np.nan
    return sunpy.map.Map(low, _header())


def _header():
    pixel = 1 / _PLATE_SCALE
    return {
        "simple": True,
        "bitpix": -32,
        "naxis": 2,
        "naxis1": _SIDE,
        "naxis2": _SIDE,
        **SYNTHETIC_CARDS,
        **MDI_CARDS,
        "waveunit": "angstrom",
        "content": "SYNTHETIC magnetogram, not an observation",
        "t_obs": "2001.03.29_00:03:02_TAI",
        "t_rec": "2001.03.29_00:00:00_TAI",
        "date-obs": "2001-03-29T00:00:00",
        "missvals": 0,
        "cdelt1": _PLATE_SCALE,
        "cdelt2": _PLATE_SCALE,
        "crpix1": (_SIDE + 1) / 2 - _CENTER[0] * pixel,
        "crpix2": (_SIDE + 1) / 2 - _CENTER[1] * pixel,
        "crota2": 0.0,
        "rsun_obs": _RSUN_ARCSEC,
        "r_sun": _RSUN_ARCSEC * pixel,
        "dsun_obs": (RSUN * u.m / np.sin(_RSUN_ARCSEC * u.arcsec)).to_value(u.m),
        "crln_obs": 151.3,
        "crlt_obs": -6.7,
        "car_rot": 1974,
    }
