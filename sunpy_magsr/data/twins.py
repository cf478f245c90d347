"""Synthetic twins: an MDI and an HMI frame of one synthetic Sun, wrong by known amounts, as files of the archive are."""

import dataclasses

import astropy.units as u
import numpy as np
from astropy.time import Time
from sunpy.sun.models import differential_rotation

from sunpy_magsr.data.views import View
from sunpy_magsr.forward_model import MDI_GAIN, MDI_PSF_FWHM, degrade

__all__ = ["Errors", "Twins", "make_twins"]

_FACTOR = 4
_AU = 149597870700.0  # m
_CARRINGTON = 14.1844  # degrees a day, by which Carrington longitudes turn against the stars
_SYNODIC = 13.2  # degrees a day, by which the central meridian moves
_STRIP = 256  # rows that are computed at once
_MDI = {"plate_scale": 1.9860, "side": 1024, "distance": 0.9906 * _AU}
_HMI = {"plate_scale": 0.5042, "side": 4096, "distance": 1.0004 * _AU}
_STAMP = "%Y.%m.%d_%H:%M:%S_TAI"
_COMMON = {
    "wcsname": "Helioprojective-cartesian",
    "ctype1": "HPLN-TAN",
    "ctype2": "HPLT-TAN",
    "cunit1": "arcsec",
    "cunit2": "arcsec",
    "crval1": 0.0,
    "crval2": 0.0,
    "bunit": "Gauss",
    "rsun_ref": 696000000.0,
    "object": "SYNTHETIC",
    "origin": "sunpy_magsr sample maker",
}


@dataclasses.dataclass(frozen=True)
class Errors:
    """
    By how much the header of the MDI frame is wrong, and what the instrument does.

    Attributes
    ----------
    shift : `tuple` of `float`
        By how many arcsec along x and y of the detector the Sun is displaced from where the header says.
    roll : `float`
        Degrees that the detector is rolled beyond CROTA2.
    stretch : `float`
        Relative error of the plate scale.
    delay : `float`
        Seconds from HMI's observation to MDI's.
    clock : `float`
        Seconds by which the MDI header's times are too early.
    gain : `float`
        What MDI reads for 1 G.
    psf_fwhm : `float`
        Of MDI, arcsec.
    noise, hmi_noise : `float`
        White noise in Gauss of either.
    """

    shift: tuple = (0.0, 0.0)
    roll: float = 0.0
    stretch: float = 0.0
    delay: float = 0.0
    clock: float = 0.0
    gain: float = MDI_GAIN
    psf_fwhm: float = MDI_PSF_FWHM.value
    noise: float = 11.0
    hmi_noise: float = 5.0


@dataclasses.dataclass(frozen=True)
class Twins:
    """
    Two frames and where they really look.

    Attributes
    ----------
    mdi, hmi : `numpy.ndarray`
        Gauss ``[y, x]``, NaN off the disk.
    mdi_header, hmi_header : `dict`
        FITS cards as in ``mdi.fd_M_96m_lev182`` and ``hmi.M_720s``.
    errors : `Errors`
        What is wrong with them.
    """

    mdi: np.ndarray
    mdi_header: dict
    hmi: np.ndarray
    hmi_header: dict
    errors: Errors
    _views: tuple

    def place(self, x, y):
        """
        Where HMI saw what MDI saw.

        Parameters
        ----------
        x, y : `numpy.ndarray`
            Pixels of four times finer pixels of MDI, the first being 0.

        Returns
        -------
        x, y : `numpy.ndarray`
            Pixels of HMI, NaN off the disk.
        """
        mdi, hmi = self._views
        longitude, latitude, _ = mdi.surface(x, y)
        return hmi.pixel(longitude - _drift(latitude, self.errors.delay), latitude)


def _drift(latitude, seconds):
    """Degrees by which places move in Carrington longitude."""
    turned = differential_rotation(seconds * u.s, np.nan_to_num(latitude) * u.deg)
    return turned.to_value(u.deg) - _CARRINGTON * seconds / 86400


def make_twins(surface, time, *, errors=None, farther=1, parallax=(0.2, 0.1), rolls=(0.0, 180.0), seed=0):
    """
    See a surface with HMI and with MDI.

    Parameters
    ----------
    surface : `~sunpy_magsr.data.surface.Surface`
        At the time of HMI's observation.
    time : `str`
        HMI's observation (ISO, TAI).
    errors : `Errors`, optional
        None is wrong by default.
    farther : `int`
        How many times farther away both observers are, with so many times fewer pixels along a side; the surface's step
        should be so many times as large. For tests, in which a whole disk would be too much.
    parallax : `tuple` of `float`
        Degrees by which MDI is west and north of HMI, seen from the Sun.
    rolls : `tuple` of `float`
        CROTA2 of MDI and HMI.
    seed : `int`
        Of the noise.

    Returns
    -------
    `Twins`
    """
    errors = errors or Errors()
    high = _view(_HMI, surface.longitude, -5.0, rolls[1], farther)
    told = errors.delay - errors.clock
    longitude = surface.longitude + parallax[0] - _SYNODIC * told / 86400
    low = _view(_MDI, longitude, -5.0 + parallax[1], rolls[0], farther)
    crpix = tuple(place + one / low.plate_scale for place, one in zip(low.crpix, errors.shift, strict=True))
    true = dataclasses.replace(
        low,
        longitude=longitude - _SYNODIC * errors.clock / 86400,
        crpix=crpix,
        roll=low.roll + errors.roll,
        plate_scale=low.plate_scale * (1 + errors.stretch),
    )
    finer = dataclasses.replace(
        true,
        crpix=tuple(_FACTOR * (place - 0.5) + 0.5 for place in crpix),
        plate_scale=true.plate_scale / _FACTOR,
    )
    rng = np.random.default_rng([seed, 1])
    side = _HMI["side"] // farther
    hmi = _seen(surface, high, side, 0.0) + errors.hmi_noise * rng.standard_normal((side, side), dtype=np.float32)
    field = _seen(surface, finer, _FACTOR * (_MDI["side"] // farther), errors.delay)
    mdi = degrade(
        np.nan_to_num(field),
        psf_fwhm=errors.psf_fwhm / finer.plate_scale,
        gain=errors.gain,
        noise=errors.noise,
        seed=seed,
    )
    mdi[np.isnan(degrade(field))] = np.nan
    observed = Time(time, scale="tai")
    later = observed + told * u.s
    return Twins(
        mdi=np.round(mdi, 1),
        mdi_header={**_cards(low, later, np.isnan(mdi)), **_mdi_cards(later)},
        hmi=np.round(hmi, 1),
        hmi_header={**_cards(high, observed, np.isnan(hmi)), **_hmi_cards(observed)},
        errors=errors,
        _views=(finer, high),
    )


def _view(instrument, longitude, latitude, roll, farther):
    side = instrument["side"] // farther
    crpix = ((side + 1) / 2 + 0.3, (side + 1) / 2 - 0.4)
    return View(longitude, latitude, farther * instrument["distance"], crpix, instrument["plate_scale"], roll)


def _seen(surface, view, side, delay):
    """Line-of-sight field of the pixels of a detector."""
    rows = []
    for start in range(0, side, _STRIP):
        y, x = np.mgrid[start : min(start + _STRIP, side), :side].astype(float)
        longitude, latitude, mu = view.surface(x, y)
        rows.append((mu * surface.at(longitude - _drift(latitude, delay), latitude)).astype(np.float32))
    return np.concatenate(rows)


def _cards(view, time, missing):
    return {
        **_COMMON,
        "t_obs": time.strftime(_STAMP),
        "crpix1": view.crpix[0],
        "crpix2": view.crpix[1],
        "cdelt1": view.plate_scale,
        "cdelt2": view.plate_scale,
        "crota2": view.roll,
        "crln_obs": view.longitude % 360,
        "crlt_obs": view.latitude,
        "dsun_obs": view.distance,
        "rsun_obs": view.radius,
        "missvals": 0,
        "datavals": int((~missing).sum()),
    }


def _slot(time, minutes):
    """Nominal time of a series: the nearest multiple of its cadence."""
    start = Time("1993-01-01T00:00:00", scale="tai")
    return (start + np.round((time - start).to_value(u.min) / minutes) * minutes * u.min).strftime(_STAMP)


def _mdi_cards(time):
    return {
        "t_rec": _slot(time, 96),
        "date-obs": (time - 150 * u.s).utc.isot,
        "telescop": "SOHO",
        "camera": "MDI",
        "wavelnth": 6768,
        "quality": 512,
        "interval": 300.0,
        "cadence": 5760.0,
        "content": "SYNTHETIC MDI full disk 96m magnetogram",
    }


def _hmi_cards(time):
    return {
        "t_rec": _slot(time, 12),
        "date-obs": (time - 360 * u.s).utc.isot,
        "telescop": "SDO/HMI",
        "instrume": "HMI_SIDE1",
        "camera": 1,
        "wavelnth": 6173.0,
        "quality": 0,
        "cadence": 720.0,
        "content": "SYNTHETIC MAGNETOGRAM",
    }
