"""
Synthetic frames of MDI and HMI of one Sun, for what needs a truth over a whole passage.

The gallery pages, the tests and the benchmarks load this module, which is no part of the package.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
import scipy.ndimage
from astropy.constants import au
from astropy.time import Time
from skimage.filters import window
from sunpy.sun.constants import sidereal_rotation_rate
from sunpy.sun.models import differential_rotation

from sunpy_magsr.data.samples import MDI_CARDS, RSUN, SYNTHETIC_CARDS, bipole, network
from sunpy_magsr.instrument import MDI_GAIN, MDI_NOISE, MDI_PSF_FWHM, degrade
from sunpy_magsr.maps.grid import FACTOR

#: Degrees of longitude from column to column by default: the pixel of HMI's heliographic patches.
STEP = 0.03
_CELL = 60.0  # pixels, 30 arcsec at disk center
_HALF_WIDTH = 93.0  # degrees of longitude on both sides of the middle
_HIGHEST = 3200.0  # Gauss
_GRANULES = 9.0  # Gauss, standard deviation of the field between the network
_NETWORK = (
    0.4  # of the flux in the sample map: quiet MDI frames of 2011 vary by 7 to 12 G from pixel to pixel beside noise
)
_REGION = 640  # pixels, side of an active region


class Surface:
    """
    Radial magnetic field on a part of the solar surface.

    The pixels have equal areas: columns are equally spaced in longitude, rows in the sine of latitude.

    Parameters
    ----------
    data : `numpy.ndarray`
        Radial field in Gauss ``[y, x]``. The rows go from the south pole to the north pole.
    longitude : `float`
        Carrington longitude of the middle column in degrees.
    step : `float`
        Degrees of longitude from column to column. Defaults to 0.03.
    """

    def __init__(self, data: npt.NDArray, *, longitude: float, step: float = STEP) -> None:
        self.data, self.longitude, self.step = data, longitude, step
        self._splines = scipy.ndimage.spline_filter(data, order=3, output=np.float32, mode="nearest")

    def at(self, longitude: npt.NDArray, latitude: npt.NDArray) -> np.ndarray:
        """Interpolate the field at places by cubic splines."""
        rows, columns = self.data.shape
        away = (longitude - self.longitude + 180) % 360 - 180
        place = [(np.sin(np.radians(latitude)) + 1) * rows / 2 - 0.5, away / self.step + (columns - 1) / 2]
        known = np.isfinite(place[0])
        place = [np.where(known, one, 0.0) for one in place]
        field = scipy.ndimage.map_coordinates(self._splines, place, order=3, prefilter=False, mode="nearest")
        return np.where(known, field, np.nan)


def synthetic_surface(
    seed: int, *, longitude: float = 0.0, step: float = STEP, regions: int = 6, patches: Sequence[npt.NDArray] = ()
) -> Surface:
    """Make a synthetic surface with network everywhere and with active regions."""
    rng = np.random.default_rng(seed)
    shape = (round(360 / np.pi / step), round(2 * _HALF_WIDTH / step))
    field = (_NETWORK * network(rng, shape, _CELL)).astype(np.float32)
    grains = scipy.ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), 1.5)
    field += _GRANULES / grains.std() * grains
    for _ in range(regions):
        side = min(_REGION, shape[0] // 3)
        options: dict[str, Any] = {"center": (side / 2, side / 2), "separation": side * rng.uniform(0.15, 0.3)}
        options |= {"tilt": rng.normal(0, 0.2), "tubes": int(rng.uniform(300, 1500))}
        _paste(field, rng, rng.choice([-1, 1]) * bipole(rng, (side, side), **options), is_added=True)
    for patch in patches:
        turned = patch[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])] * rng.choice([-1, 1])
        _paste(field, rng, turned, is_added=False)
    return Surface(np.clip(field, -_HIGHEST, _HIGHEST), longitude=longitude, step=step)


def _paste(field, rng, patch, *, is_added):
    """Put a patch at a random place in the activity belts."""
    rows, columns = (min(size, limit) for size, limit in zip(patch.shape, field.shape, strict=True))
    patch = patch[:rows, :columns]
    middle = (0.5 + rng.uniform(-0.32, 0.32), 0.5 + rng.uniform(-0.33, 0.33))
    corner = [int(share * size - side / 2) for share, size, side in zip(middle, field.shape, patch.shape, strict=True)]
    y, x = np.clip(corner, 0, np.subtract(field.shape, patch.shape))
    fade = window(("tukey", 0.2), patch.shape).astype(np.float32)
    part = field[y : y + rows, x : x + columns]
    part += fade * (patch if is_added else patch - part)


@dataclasses.dataclass(frozen=True)
class View:
    r"""
    Place of an observer and orientation of its detector.

    Images are in the gnomonic projection (``TAN``) of Thompson 2006 (:doi:`10.1051/0004-6361:20054262`), with disk center at
    the reference pixel.

    Parameters
    ----------
    longitude, latitude : `float`
        Carrington longitude and latitude of the observer in degrees.
    distance : `float`
        Distance of the observer from the center of the Sun in meters.
    crpix : `tuple` of `float`
        Pixel ``(x, y)`` of disk center, counted from 1 as in FITS.
    plate_scale : `float`
        Plate scale in arcsec/pix.
    roll : `float`
        Roll of the detector in degrees, as in CROTA2.
    """

    longitude: float
    latitude: float
    distance: float
    crpix: tuple[float, float]
    plate_scale: float
    roll: float

    @property
    def radius(self) -> float:
        """Angular radius of the Sun in arcsec."""
        return np.degrees(np.arcsin(RSUN / self.distance)) * 3600

    def surface(self, x: npt.NDArray, y: npt.NDArray) -> tuple[npt.NDArray, npt.NDArray, npt.NDArray]:
        """Find the places on the Sun that are seen in pixels."""
        pixel = np.radians(self.plate_scale / 3600)
        dx, dy = (x + 1 - self.crpix[0]) * pixel, (y + 1 - self.crpix[1]) * pixel
        cosine, sine = np.cos(np.radians(self.roll)), np.sin(np.radians(self.roll))
        west, north = cosine * dx - sine * dy, sine * dx + cosine * dy
        along = 1 / np.sqrt(1 + west**2 + north**2)
        squared = RSUN**2 - self.distance**2 * (1 - along**2)
        with np.errstate(invalid="ignore"):
            length = self.distance * along - np.sqrt(squared)
        near, west, north = self.distance - length * along, length * along * west, length * along * north
        tilt = np.radians(self.latitude)
        up = (north * np.cos(tilt) + near * np.sin(tilt)) / RSUN
        toward = near * np.cos(tilt) - north * np.sin(tilt)
        mu = (self.distance * near / RSUN - RSUN) / length
        return self.longitude + np.degrees(np.arctan2(west, toward)), np.degrees(np.arcsin(up)), mu

    def pixel(self, longitude: npt.NDArray, latitude: npt.NDArray) -> tuple[npt.NDArray, npt.NDArray]:
        """Find the pixels in which places on the near side of the Sun are seen. This is the inverse of `surface`."""
        away, place, tilt = (np.radians(one) for one in (longitude - self.longitude, latitude, self.latitude))
        toward, up = np.cos(place) * np.cos(away), np.sin(place)
        near = RSUN * (toward * np.cos(tilt) + up * np.sin(tilt))
        left = self.distance - near
        west = RSUN * np.cos(place) * np.sin(away) / left
        north = RSUN * (up * np.cos(tilt) - toward * np.sin(tilt)) / left
        pixel = np.radians(self.plate_scale / 3600)
        cosine, sine = np.cos(np.radians(self.roll)), np.sin(np.radians(self.roll))
        x, y = (cosine * west + sine * north) / pixel, (cosine * north - sine * west) / pixel
        return x + self.crpix[0] - 1, y + self.crpix[1] - 1


_SYNODIC = 13.2  # degrees a day, by which the central meridian moves
_STRIP = 256  # rows that are computed at once
_STAMP = "%Y.%m.%d_%H:%M:%S_TAI"
_MDI = {
    "plate_scale": 1.9860,
    "side": 1024,
    "distance": 0.9906 * au.value,
    "exposure": MDI_CARDS["interval"],
    "cards": {**MDI_CARDS, "cadence": 5760.0, "content": "SYNTHETIC MDI full disk 96m magnetogram"},
}
_HMI_CARDS = {"telescop": "SDO/HMI", "instrume": "HMI_SIDE1", "camera": 1, "wavelnth": 6173.0, "quality": 0}
_HMI = {
    "plate_scale": 0.5042,
    "side": 4096,
    "distance": 1.0004 * au.value,
    "exposure": 720.0,
    "cards": {**_HMI_CARDS, "cadence": 720.0, "content": "SYNTHETIC MAGNETOGRAM"},
}


@dataclasses.dataclass(frozen=True)
class Errors:
    """
    Errors of the MDI frame's header, and how MDI and HMI see the field.

    Parameters
    ----------
    shift : `tuple` of `float`
        Arcsec along x and y of the detector by which the Sun is displaced from where the header says. Defaults to none.
    roll : `float`
        Degrees by which the detector is rolled beyond CROTA2. Defaults to 0.
    stretch : `float`
        Relative error of the plate scale. Defaults to 0.
    delay : `float`
        Seconds from the observation of HMI to that of MDI. Defaults to 0.
    clock : `float`
        Seconds by which the times in MDI's header are too early. Defaults to 0.
    gain : `float`
        What MDI reads for 1 G. Defaults to `~sunpy_magsr.instrument.MDI_GAIN`.
    psf_fwhm : `float`
        Full width at half maximum of MDI's point-spread function in arcsec. Defaults to
        `~sunpy_magsr.instrument.MDI_PSF_FWHM`.
    noise, hmi_noise : `float`
        Standard deviation of the white noise of MDI and of HMI in Gauss. They default to 11 and 5 G.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    roll: float = 0.0
    stretch: float = 0.0
    delay: float = 0.0
    clock: float = 0.0
    gain: float = MDI_GAIN
    psf_fwhm: float = MDI_PSF_FWHM.value
    noise: float = MDI_NOISE[300]
    hmi_noise: float = 5.0


@dataclasses.dataclass(frozen=True)
class Twins:
    """
    Synthetic MDI and HMI frames of the same Sun, and how the two detectors really look at it.

    Parameters
    ----------
    mdi : `numpy.ndarray`
        MDI's magnetogram in Gauss ``[y, x]``, NaN off the disk.
    mdi_header : `dict`
        FITS cards of MDI's magnetogram, as in the series ``mdi.fd_M_96m_lev182``.
    hmi : `numpy.ndarray`
        HMI's magnetogram in Gauss ``[y, x]``, NaN off the disk.
    hmi_header : `dict`
        FITS cards of HMI's magnetogram, as in the series ``hmi.M_720s``.
    errors : `Errors`
        The errors with which the frames were made.
    views : `tuple` of ``View``
        True views of MDI, on a grid with four times finer pixels, and of HMI.
    """

    mdi: npt.NDArray
    mdi_header: dict
    hmi: npt.NDArray
    hmi_header: dict
    errors: Errors
    views: tuple[View, View]

    def place(self, x: npt.NDArray, y: npt.NDArray) -> tuple[npt.NDArray, npt.NDArray]:
        """Find the pixels in which HMI saw what MDI saw."""
        mdi, hmi = self.views
        longitude, latitude, _ = mdi.surface(x, y)
        return hmi.pixel(longitude - _drift(latitude, self.errors.delay), latitude)


def _drift(latitude, seconds):
    """Degrees by which the surface moves in Carrington longitude, due to differential rotation."""
    turned = differential_rotation(seconds * u.s, np.nan_to_num(latitude) * u.deg)
    return turned.to_value(u.deg) - sidereal_rotation_rate.to_value(u.deg / u.day) * seconds / 86400


def make_twins(
    surface: Surface,
    time: str,
    *,
    errors: Errors | None = None,
    farther: int = 1,
    parallax: tuple[float, float] = (0.2, 0.1),
    rolls: tuple[float, float] = (0.0, 180.0),
    seed: int = 0,
) -> Twins:
    """Observe a synthetic surface with MDI and with HMI."""
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
        true, crpix=tuple(FACTOR * (place - 0.5) + 0.5 for place in crpix), plate_scale=true.plate_scale / FACTOR
    )
    rng = np.random.default_rng([seed, 1])
    side = _HMI["side"] // farther
    hmi = _seen(surface, high, side, 0.0) + errors.hmi_noise * rng.standard_normal((side, side), dtype=np.float32)
    field = _seen(surface, finer, FACTOR * (_MDI["side"] // farther), errors.delay)
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
        mdi_header=_header(_MDI, low, later, missing=np.isnan(mdi)),
        hmi=np.round(hmi, 1),
        hmi_header=_header(_HMI, high, observed, missing=np.isnan(hmi)),
        errors=errors,
        views=(finer, high),
    )


def _view(instrument, longitude, latitude, roll, farther):
    """View of an instrument, with disk center near the middle of the detector."""
    side = instrument["side"] // farther
    crpix = ((side + 1) / 2 + 0.3, (side + 1) / 2 - 0.4)
    return View(longitude, latitude, farther * instrument["distance"], crpix, instrument["plate_scale"], roll)


def _seen(surface, view, side, delay):
    """Line-of-sight field in the pixels of a detector."""
    rows = []
    for start in range(0, side, _STRIP):
        y, x = np.mgrid[start : min(start + _STRIP, side), :side].astype(float)
        longitude, latitude, mu = view.surface(x, y)
        rows.append((mu * surface.at(longitude - _drift(latitude, delay), latitude)).astype(np.float32))
    return np.concatenate(rows)


def _header(instrument, view, time, *, missing):
    """FITS cards of a frame whose exposure has its middle at a time."""
    cadence = instrument["cards"]["cadence"] * u.s
    first = Time("1993-01-01T00:00:00", scale="tai")
    nominal = first + np.round(((time - first) / cadence).to_value("")) * cadence
    return {
        **SYNTHETIC_CARDS,
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
        "t_rec": nominal.strftime(_STAMP),
        "date-obs": (time - instrument["exposure"] / 2 * u.s).utc.isot,
        **instrument["cards"],
    }
