"""A synthetic MDI magnetogram: honest about being one, and made without a download."""

import astropy.units as u
import numpy as np
import scipy.ndimage
import sunpy.map
from scipy.spatial import cKDTree

from sunpy_magsr.forward_model import degrade

__all__ = ["sample_map", "sample_truth"]

_SIDE = 320
_FACTOR = 4
_PLATE_SCALE = 1.986059
_RSUN_ARCSEC = 968.797926
_CENTER = (-560.0, 330.0)
_CELL_ARCSEC = 30.0
_PSF_FWHM_ARCSEC = 3.32
_NOISE_GAUSS = 12.0


def _grid():
    """Helioprojective coordinates in arcsec of the fine pixels ``[y, x]``, and the cosine of the heliocentric angle."""
    step = _PLATE_SCALE / _FACTOR
    axis = (np.arange(_SIDE * _FACTOR) - (_SIDE * _FACTOR - 1) / 2) * step
    x, y = np.meshgrid(axis + _CENTER[0], axis + _CENTER[1])
    mu = np.sqrt(np.clip(1 - (x**2 + y**2) / _RSUN_ARCSEC**2, 0, None))
    return x, y, mu


def _tubes(positions, flux, size):
    """Flux tubes of Gaussian shape: peak field in Gauss at positions ``[n, (y, x)]`` in fine pixels."""
    side = _SIDE * _FACTOR
    index = np.round(positions).astype(int)
    inside = ((index >= 0) & (index < side)).all(axis=1)
    field = np.zeros((side, side))
    np.add.at(field, tuple(index[inside].T), flux[inside])
    return scipy.ndimage.gaussian_filter(field, size) * 2 * np.pi * size**2


def _network(rng):
    """Supergranular network: mixed-polarity flux tubes along the borders of random cells."""
    side = _SIDE * _FACTOR
    cell = _CELL_ARCSEC * _FACTOR / _PLATE_SCALE
    centers = cKDTree(rng.uniform(-cell, side + cell, (int((side / cell + 2) ** 2), 2)))
    candidates = rng.uniform(0, side, (300_000, 2))
    near = centers.query(candidates, k=2)[0]
    positions = candidates[rng.random(len(candidates)) < 0.16 * np.exp(-(((near[:, 1] - near[:, 0]) / 7) ** 2))]
    imbalance = scipy.ndimage.gaussian_filter(rng.standard_normal((side, side)), 90)
    local = imbalance[tuple(positions.astype(int).T)] / imbalance.std()
    sign = np.where(rng.random(len(positions)) < 0.5 + 0.3 * np.tanh(local), 1, -1)
    return _tubes(positions, sign * rng.lognormal(4.6, 0.9, len(positions)), 1.3)


def _clusters(rng, place, spread, tubes):
    """Positions of flux tubes in clumps of a few arcsec, themselves scattered around a place."""
    clumps = place + spread * rng.standard_normal((tubes // 12, 2)) * (0.6, 1.0)
    size = rng.uniform(2, 12, len(clumps))
    chosen = rng.integers(len(clumps), size=tubes)
    return clumps[chosen] + size[chosen, None] * rng.standard_normal((tubes, 2))


def _spot(place, radius, peak):
    """A sunspot: flat umbra, steep penumbra."""
    y, x = np.indices((_SIDE * _FACTOR,) * 2)
    return peak / (1 + (np.hypot(y - place[0], x - place[1]) / radius) ** 4)


def _bipole(rng, center, separation, tilt, tubes):
    """An active region: a compact leading spot, a fragmented following polarity with pores, and plage."""
    axis = separation / 2 * np.array([np.sin(tilt), np.cos(tilt)])
    leading, following = np.array(center) + axis, np.array(center) - axis
    field = _spot(leading, 0.13 * separation, 2300)
    for _ in range(4):
        pore = following + 0.2 * separation * rng.standard_normal(2)
        field -= _spot(pore, rng.uniform(0.03, 0.07) * separation, 1500)
    for place, sign, spread in ((leading, 1, 0.3), (following, -1, 0.4)):
        positions = _clusters(rng, place, spread * separation, tubes)
        field += _tubes(positions, sign * rng.lognormal(5.5, 0.7, tubes), 1.6)
    return field


def sample_truth(seed=7):
    """
    The synthetic field before it is degraded.

    Parameters
    ----------
    seed : `int`
        Of the random numbers. Defaults to 7.

    Returns
    -------
    field : `numpy.ndarray`
        Line-of-sight field in Gauss ``[1280, 1280]``, four pixels along one pixel of `sample_map`.
    mu : `numpy.ndarray`
        Cosine of the heliocentric angle, 0 off the disk.
    """
    rng = np.random.default_rng(seed)
    mu = _grid()[2]
    field = _network(rng)
    field += _bipole(rng, center=(420, 860), separation=210, tilt=0.12, tubes=1800)
    field -= _bipole(rng, center=(800, 560), separation=130, tilt=-0.15, tubes=600)
    field += 30 * scipy.ndimage.gaussian_filter(rng.standard_normal(field.shape), 1.5)
    return (np.clip(field, -3200, 3200) * mu).astype(np.float32), mu


def sample_map(seed=7):
    """
    A synthetic MDI magnetogram of 320 x 320 pixels at the limb, with two active regions.

    `sample_truth` seen through a Gaussian point-spread function of 3.32 arcsec and the 4 x 4 mean, with 12 G
    of white noise, rounded to 0.1 G, NaN off the disk, under a header like those of ``mdi.fd_M_96m_lev182``. It is no
    observation, and its OBJECT and CONTENT cards say so.

    Parameters
    ----------
    seed : `int`
        Of the random numbers. Defaults to 7.

    Returns
    -------
    `sunpy.map.sources.MDIMap`
        In Gauss.

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
        "telescop": "SOHO",
        "camera": "MDI",
        "wavelnth": 6768,
        "waveunit": "angstrom",
        "content": "SYNTHETIC magnetogram, not an observation",
        "object": "SYNTHETIC",
        "origin": "sunpy_magsr sample maker",
        "bunit": "Gauss",
        "t_obs": "2001.03.29_00:02:30_TAI",
        "t_rec": "2001.03.29_00:00:00_TAI",
        "date-obs": "2001-03-29T00:00:00",
        "interval": 300.0,
        "quality": 512,
        "missvals": 0,
        "wcsname": "Helioprojective-cartesian",
        "ctype1": "HPLN-TAN",
        "ctype2": "HPLT-TAN",
        "cunit1": "arcsec",
        "cunit2": "arcsec",
        "crval1": 0.0,
        "crval2": 0.0,
        "cdelt1": _PLATE_SCALE,
        "cdelt2": _PLATE_SCALE,
        "crpix1": (_SIDE + 1) / 2 - _CENTER[0] * pixel,
        "crpix2": (_SIDE + 1) / 2 - _CENTER[1] * pixel,
        "crota2": 0.0,
        "rsun_ref": 696000000.0,
        "rsun_obs": _RSUN_ARCSEC,
        "r_sun": _RSUN_ARCSEC * pixel,
        "dsun_obs": (696000 * u.km / np.sin(_RSUN_ARCSEC * u.arcsec)).to_value(u.m),
        "crln_obs": 120.0,
        "crlt_obs": -6.6,
        "car_rot": 1974,
    }
