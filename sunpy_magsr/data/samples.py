"""A real MDI cutout, and a synthetic Sun with known truth."""

from __future__ import annotations

from importlib import resources

import astropy.units as u
import numpy as np
import numpy.typing as npt
import scipy.ndimage
import sunpy.map
from scipy.spatial import cKDTree
from sunpy.map import GenericMap

from sunpy_magsr.instrument import degrade
from sunpy_magsr.maps.fits import read_fits
from sunpy_magsr.maps.grid import FACTOR

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
        return read_fits(path)


#: Radius of the Sun in meters, as RSUN_REF of both instruments has it.
RSUN = 696e6

_CANDIDATES = 300_000 / 1280**2  # places per pixel where a flux tube may be
_EDGE = 7.0  # pixels, width of a cell's border
_SHARE = 0.16  # of the places in the middle of a border that have a flux tube


def flux_tubes(positions: npt.NDArray, flux: npt.NDArray, size: float, shape: tuple[int, int]) -> np.ndarray:
    """Make the field of flux tubes with a Gaussian profile."""
    index = np.round(positions).astype(int)
    inside = ((index >= 0) & (index < shape)).all(axis=1)
    field = np.zeros(shape)
    np.add.at(field, tuple(index[inside].T), flux[inside])
    return scipy.ndimage.gaussian_filter(field, size) * 2 * np.pi * size**2


def network(rng: np.random.Generator, shape: tuple[int, int], cell: float) -> np.ndarray:
    """Make a supergranular network: flux tubes of both polarities along the borders of random cells."""
    sides = np.array(shape)
    count = int(np.prod(sides / cell + 2))
    centers = cKDTree(rng.uniform(-cell, sides + cell, (count, 2)))
    candidates = rng.uniform(0, sides, (round(_CANDIDATES * np.prod(sides)), 2))
    near = centers.query(candidates, k=2)[0]
    chance = _SHARE * np.exp(-(((near[:, 1] - near[:, 0]) / _EDGE) ** 2))
    positions = candidates[rng.random(len(candidates)) < chance]
    imbalance = scipy.ndimage.gaussian_filter(rng.standard_normal(shape), 90)
    local = imbalance[tuple(positions.astype(int).T)] / imbalance.std()
    sign = np.where(rng.random(len(positions)) < 0.5 + 0.3 * np.tanh(local), 1, -1)
    return flux_tubes(positions, sign * rng.lognormal(4.6, 0.9, len(positions)), 1.3, shape)


def _clusters(rng, place, spread, tubes):
    """Positions of flux tubes in clumps of a few pixels, which are scattered around a place."""
    clumps = place + spread * rng.standard_normal((tubes // 12, 2)) * (0.6, 1.0)
    size = rng.uniform(2, 12, len(clumps))
    chosen = rng.integers(len(clumps), size=tubes)
    return clumps[chosen] + size[chosen, None] * rng.standard_normal((tubes, 2))


def _spot(place, radius, peak, shape):
    """A sunspot: flat umbra, steep penumbra."""
    y, x = np.indices(shape)
    return peak / (1 + (np.hypot(y - place[0], x - place[1]) / radius) ** 4)


def bipole(
    rng: np.random.Generator,
    shape: tuple[int, int],
    *,
    center: tuple[float, float],
    separation: float,
    tilt: float,
    tubes: int,
) -> np.ndarray:
    """Make an active region: a compact leading spot, a fragmented following polarity with pores, and plage."""
    axis = separation / 2 * np.array([np.sin(tilt), np.cos(tilt)])
    leading, following = np.array(center) + axis, np.array(center) - axis
    field = _spot(leading, 0.13 * separation, 2300, shape)
    for _ in range(4):
        pore = following + 0.2 * separation * rng.standard_normal(2)
        field -= _spot(pore, rng.uniform(0.03, 0.07) * separation, 1500, shape)
    for place, sign, spread in ((leading, 1, 0.3), (following, -1, 0.4)):
        positions = _clusters(rng, place, spread * separation, tubes)
        field += flux_tubes(positions, sign * rng.lognormal(5.5, 0.7, tubes), 1.6, shape)
    return field


_SIDE = 320  # pixels
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
    step = _PLATE_SCALE / FACTOR
    axis = (np.arange(_SIDE * FACTOR) - (_SIDE * FACTOR - 1) / 2) * step
    x, y = np.meshgrid(axis + _CENTER[0], axis + _CENTER[1])
    mu = np.sqrt(np.clip(1 - (x**2 + y**2) / _RSUN_ARCSEC**2, 0, None))
    return x, y, mu


def sample_truth(seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
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
    field = network(rng, mu.shape, _CELL_ARCSEC * FACTOR / _PLATE_SCALE)
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
    fwhm = _PSF_FWHM_ARCSEC * FACTOR / _PLATE_SCALE
    low = degrade(field, factor=FACTOR, psf_fwhm=fwhm, noise=_NOISE_GAUSS, seed=seed)
    low = np.round(low, 1)
    low[degrade(mu, factor=FACTOR) == 0] = np.nan
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
