"""One pair of MDI and HMI on one grid."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
import scipy.ndimage
import sunpy.map
from astropy.coordinates import SkyCoord
from astropy.stats import gaussian_fwhm_to_sigma

from sunpy_magsr.inference.header import finer_header
from sunpy_magsr.instrument import MDI_GAIN, MDI_PSF_FWHM, find_bad_pixels, input_noise, without_bad_pixels
from sunpy_magsr.instrument.defects import without_constant_pixels
from sunpy_magsr.instrument.noise import quiet_noise
from sunpy_magsr.instrument.psf import sampling_kernel
from sunpy_magsr.instrument.response import fit_gain_and_blur, parts_of
from sunpy_magsr.maps import prepare
from sunpy_magsr.maps.disk import limb_cosine
from sunpy_magsr.maps.field import read_field
from sunpy_magsr.maps.header import observation_time
from sunpy_magsr.pairs import geometry, quality

if TYPE_CHECKING:
    import numpy.typing as npt
    from astropy.table import Table
    from sunpy.map import GenericMap

    from sunpy_magsr.pairs.geometry import Displacement
    from sunpy_magsr.pairs.quality import Limits, PairQuality


#: Card of an aligned HMI magnetogram that holds the gain of its MDI frame: what MDI reads where HMI reads 1 G.
GAIN_CARD = "mdi_gain"

_FACTOR = 4
#: Cards that are taken from MDI: where the pixels are and from where they were observed.
_GRID = (
    *(f"{card}{axis}" for card in ("ctype", "cunit", "crpix", "crval", "cdelt", "crota") for axis in (1, 2)),
    *(f"{card}{i}_{j}" for card in ("pc", "cd") for i in (1, 2) for j in (1, 2)),
    *("wcsname", "crln_obs", "crlt_obs", "dsun_obs", "hgln_obs", "hglt_obs", "car_rot"),
    *("obs_l0", "obs_b0", "obs_dist", "solar_b0", "rsun_obs", "rsun_ref"),
)
#: Cards that are taken from HMI: what was measured, and how well.
_IDENTITY = ("telescop", "instrume", "wavelnth", "waveunit", "quality", "missvals", "calver64", "object")


def aligned_header(low, high, *, gain):
    """Make the header of an HMI magnetogram on MDI's grid with four times finer pixels."""
    shape = tuple(_FACTOR * size for size in low.data.shape)
    fine = finer_header(low, (_FACTOR, _FACTOR), (0, 0), shape)
    time = observation_time(low)
    return {
        **{card: fine[card] for card in _GRID if card in fine},
        **{card: high.meta[card] for card in _IDENTITY if card in high.meta},
        "naxis": 2,
        "naxis1": shape[1],
        "naxis2": shape[0],
        "bunit": "Gauss",
        GAIN_CARD: round(gain, 5),
        "date-obs": time.isot,
        "t_obs": time.tai.strftime("%Y.%m.%d_%H:%M:%S_TAI"),
        "content": "HMI magnetogram interpolated to the pixels of MDI, four times finer",
        "history": (
            f"HMI of {high.meta.get('t_obs', high.date.isot)}, moved with the surface of the Sun to "
            f"{low.meta.get('t_obs', time.isot)}\nand interpolated by sunpy_magsr.pairs"
        ),
    }


def is_on_grid(low, high):
    """Find out whether an HMI map lies on an MDI map's grid with four times finer pixels, at the same time."""
    shape = tuple(_FACTOR * size for size in low.data.shape)
    if high.data.shape != shape or abs(observation_time(low) - observation_time(high)).sec > 1:
        return False
    fine, grid = (high.wcs, finer_header(low, (_FACTOR, _FACTOR), (0, 0), shape))
    grid = type(high)(high.data, {**high.meta, **{card: grid[card] for card in _GRID if card in grid}}).wcs
    corners = ([0, shape[1], 0], [0, 0, shape[0]])
    places = [wcs.celestial.pixel_to_world_values(*corners) for wcs in (fine, grid)]
    return all(abs(a - b).max() < 1e-6 for a, b in zip(*places, strict=True))


_WIDTHS = (0.8, 1.8, 2.8, 3.8)  # arcsec (FWHM), for which HMI is blurred
_BOUNDS = (0.0, 4.5)  # arcsec, of the fitted width
_LARGEST = 10  # pixels of MDI: a larger displacement is not found
_ROUNDS = 3
_LEAST_MU = 0.2  # cosine of the heliocentric angle; nearer to the limb the result is NaN
_INNER = np.sqrt(1 - 0.9**2)  # cosine at 0.9 solar radii
_MISSING = 0.01  # share of an MDI pixel that HMI may lack


@dataclasses.dataclass(frozen=True)
class AlignedPair:
    """
    Pair of an MDI and an HMI magnetogram on one grid, with what was measured on it.

    Parameters
    ----------
    high : `sunpy.map.GenericMap` or `None`
        HMI on MDI's grid with four times finer pixels, at the time and from the place of MDI. The data are float32 Gauss on
        HMI's scale, and NaN where HMI has no measurement or the cosine of the heliocentric angle is below 0.2. Its header
        names HMI as the instrument. `None` for a pair that was refused.
    quality : `~sunpy_magsr.pairs.PairQuality`
        Numbers that say how good the pair is.
    displacement : ``Displacement``
        By how many MDI pixels MDI's image is displaced from where the headers say that it is.
    shifts : `dict`
        Shifts of neighborhoods, to which the displacement was fitted, as
        ``local_shifts`` returns them.
    gains : `~astropy.table.Table`
        Gain by field strength and by place on the disk, from ``gain_table``.
    reading : `numpy.ndarray`
        MDI's magnetogram in Gauss ``[y, x]``.
    expected : `numpy.ndarray`
        What MDI would read according to HMI: HMI aligned, blurred, averaged over MDI's pixels and multiplied by the gain,
        in Gauss ``[y, x]``.
    valid : `numpy.ndarray`
        Pixels of MDI for which both are known, bool ``[y, x]``.
    """

    high: GenericMap | None
    quality: PairQuality
    displacement: Displacement
    shifts: dict[str, npt.NDArray]
    gains: Table
    reading: npt.NDArray
    expected: npt.NDArray
    valid: npt.NDArray[np.bool_]


class _Seen:
    """What MDI would read of HMI with a gain of 1, for any blur."""

    def __init__(self, high, scale):
        # the mean over 4 pixels, a pixel of MDI; its middle is between two pixels
        self._mean = scipy.ndimage.uniform_filter(np.nan_to_num(high), _FACTOR, mode="constant")
        self._scale = scale

    def blurred(self, width):
        """Blur HMI (FWHM in arcsec), and return a function of places ``[2, ...]`` in HMI's pixels."""
        sigma = width * gaussian_fwhm_to_sigma / self._scale
        image = scipy.ndimage.gaussian_filter(self._mean, sigma, mode="constant")
        splines = scipy.ndimage.spline_filter(image, order=3, output=np.float32, mode="nearest")
        options = {"order": 3, "prefilter": False, "mode": "constant", "output": np.float32}
        return lambda place: scipy.ndimage.map_coordinates(splines, place + 0.5, **options)

    def at(self, place):
        """Fix the places, and return a function of the width, which is interpolated between a few blurs."""
        images = [self.blurred(width)(place).astype(float) for width in _WIDTHS]
        squares = np.square(_WIDTHS)

        def seen(width):
            shares = [np.prod([(width**2 - b) / (a - b) for b in squares if a != b]) for a in squares]
            return sum(np.float32(share) * image for share, image in zip(shares, images, strict=True))

        return seen

    def noise_left(self, width):
        """Standard deviation of the image for white noise of 1 in HMI's pixels."""
        left = [(sampling_kernel(one / self._scale, factor=_FACTOR) ** 2).sum() for one in _WIDTHS]
        return np.interp(width, _WIDTHS, left)


def align_pair(low: GenericMap, high: GenericMap, *, limits: Limits | None = None) -> AlignedPair:
    """
    Align an HMI magnetogram to an MDI magnetogram, and measure how good the pair is.

    The alignment starts from the headers (``map_pixels``). What is then left is measured:
    neighborhoods of MDI are correlated with HMI, blurred to MDI's resolution, and a smooth displacement is fitted to their
    shifts. This is done three times. HMI is interpolated only once, from its own pixels, by splines of the fifth degree,
    which keep its power. MDI is not interpolated.

    Parameters
    ----------
    low : `sunpy.map.GenericMap`
        MDI full-disk magnetogram, or a cutout of it of at least a few hundred pixels.
    high : `sunpy.map.GenericMap`
        HMI magnetogram of the same time.
    limits : ``Limits``, optional
        Limits beyond which the pair is refused. Defaults to ``Limits()``.

    Returns
    -------
    `AlignedPair`
        HMI on MDI's grid with four times finer pixels, and what was measured.

    Raises
    ------
    RefusedPairError
        If the pair is beyond the limits. The attribute ``pair`` of the error holds the pair, without ``high``.
    ValueError
        If one of the two maps is no magnetogram, or they have too few pixels in common.
    """
    magnetogram, data, seen, constant = _cleaned(low, high)
    reading, lacking = magnetogram.data, np.isnan(data)
    pixels, disk, mu = geometry.map_pixels(low, high), _disk(low, magnetogram), limb_cosine(low)
    grid, on_disk = np.indices(reading.shape, dtype=float), mu > _LEAST_MU
    known = on_disk & magnetogram.valid
    valid = known & ~_lacks(lacking, pixels.at(*grid))
    fitted, shifts = _displacement(reading, seen.blurred(MDI_PSF_FWHM.value), valid, pixels, disk)
    place = pixels.at(*(grid - fitted.at(*grid)))
    valid = known & ~_lacks(lacking, place)
    noise = input_noise(magnetogram)
    unit, gain = _gain(reading, seen, place, valid, mu, noise=noise, seen_noise=quiet_noise(data))
    numbers = quality.PairQuality(
        **_likeness(reading, unit, valid, mu, noise=noise, gain=gain["gain"]),
        **_alignment(fitted, mu),
        **geometry.fit_rigid(shifts, disk),
        **gain,
        missing=float(1 - valid[on_disk].mean()),
        constant=constant,
    )
    pair = AlignedPair(
        high=None,
        quality=numbers,
        displacement=fitted,
        shifts=shifts,
        gains=quality.gain_table(reading, unit, valid, mu),
        reading=reading,
        expected=numbers.gain * unit,
        valid=valid,
    )
    quality.check_pair(pair, limits or quality.Limits())
    fine = geometry.interpolate(data, place, _FACTOR)
    fine[~on_disk.repeat(_FACTOR, axis=0).repeat(_FACTOR, axis=1)] = np.nan
    return dataclasses.replace(pair, high=sunpy.map.Map(fine, aligned_header(low, high, gain=numbers.gain)))


def _cleaned(low, high):
    """MDI and HMI without bad pixels, what MDI would see of HMI, and how many MDI pixels hold a constant value."""
    magnetogram = prepare(low)
    constant = int(find_bad_pixels(magnetogram.data, magnetogram.valid).sum())
    magnetogram, _ = without_bad_pixels(magnetogram)
    field = read_field(high, name="high")
    data = without_constant_pixels(field.data.astype(np.float32))
    constant += int((np.isnan(data) & np.isfinite(field.data)).sum()) // _FACTOR**2
    return magnetogram, data, _Seen(data, float(np.mean(field.arcsec))), constant


def _disk(low, magnetogram):
    """Where the Sun is in MDI's image."""
    scale = float(np.mean([one.to_value("arcsec/pix") for one in magnetogram.plate_scale]))
    center = low.world_to_pixel(SkyCoord(0 * u.arcsec, 0 * u.arcsec, frame=low.coordinate_frame))
    matrix = low.rotation_matrix
    return geometry.Disk(
        y=float(center.y.to_value(u.pix)),
        x=float(center.x.to_value(u.pix)),
        radius=low.rsun_obs.to_value(u.arcsec) / scale,
        roll=float(np.arctan2(matrix[1, 0], matrix[0, 0])),
        tilt=float(low.observer_coordinate.lat.to_value(u.rad)),
        scale=scale,
    )


def _lacks(lacking, place):
    """MDI pixels in which HMI lacks measurements."""
    share = scipy.ndimage.uniform_filter(lacking.astype(np.float32), _FACTOR, mode="nearest")
    return scipy.ndimage.map_coordinates(share, place + 0.5, order=1, mode="constant", cval=1.0) > _MISSING


def _displacement(reading, seen, valid, pixels, disk):
    """Smooth displacement, and the shifts of neighborhoods to which it was fitted."""
    grid = np.indices(reading.shape, dtype=float)
    start = geometry.common_shift(reading, seen(pixels.at(*grid)), valid, largest=_LARGEST)
    displaced = np.broadcast_to(start[:, None, None], grid.shape)
    for _ in range(_ROUNDS):
        shifts = geometry.local_shifts(reading, seen(pixels.at(*(grid - displaced))), valid)
        before = displaced[:, shifts["y"].astype(int), shifts["x"].astype(int)]
        shifts["dy"], shifts["dx"] = shifts["dy"] + before[0], shifts["dx"] + before[1]
        fitted = geometry.fit_displacement(shifts, disk)
        displaced = fitted.at(*grid)
    return fitted, shifts


def _gain(reading, seen, place, valid, mu, *, noise, seen_noise):
    """What MDI would read with a gain of 1, and the numbers of `PairQuality` about its gain and blur."""
    used, image = valid & (mu > quality.LEAST_MU), seen.at(place)
    if used.sum() < quality.FEWEST:
        msg = f"a pair must have {quality.FEWEST} pixels with mu above {quality.LEAST_MU} to fit its gain, got {used.sum()}."
        raise ValueError(msg)
    gain, error, width = fit_gain_and_blur(
        reading[used].astype(float),
        lambda width: image(width)[used],
        parts_of(np.ones_like(used))[used],
        bounds=_BOUNDS,
        noise=float(np.sqrt(np.mean(noise[valid] ** 2))),
        variance=lambda width: (seen_noise * seen.noise_left(width)) ** 2,
        strength=image(_WIDTHS[-1])[used],
    )
    return image(width).astype(np.float32), {"gain": gain, "gain_error": error, "psf_fwhm": width}


def _likeness(reading, unit, valid, mu, *, noise, gain):
    """Numbers of `PairQuality` about how well MDI's readings fit HMI."""
    expected, inner = gain * unit, valid & (mu > _INNER)
    correlation = float(np.corrcoef(reading[inner], unit[inner])[0, 1])
    power = np.var(MDI_GAIN * unit[inner])  # that of the pair would be small if nothing is alike
    return {
        "correlation": correlation,
        "likeness": float(correlation * np.sqrt(1 + np.mean(noise[inner] ** 2) / power)),
        "noise": quality.frame_noise(reading, expected, valid),
        "damaged": len(quality.damaged_windows(reading, expected, inner, noise=noise)),
    }


def _alignment(fitted, mu):
    """Numbers of `PairQuality` about how well it is known where the Sun is in MDI's image."""
    inner = np.nonzero(mu > _INNER)
    return {
        "alignment_error": float(np.sqrt(np.mean(fitted.error(*inner) ** 2))),
        "scatter": fitted.scatter,
        "neighborhoods": fitted.used,
        "outliers": fitted.refused,
    }
