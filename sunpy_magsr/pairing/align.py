"""HMI brought onto four times finer pixels of MDI."""

import dataclasses

import astropy.units as u
import numpy as np
import scipy.ndimage
import sunpy.map
from astropy.coordinates import SkyCoord
from astropy.table import Table

from sunpy_magsr.forward_model import (
    MDI_GAIN,
    MDI_PSF_FWHM,
    find_bad_pixels,
    input_noise,
    sampling_kernel,
    without_bad_pixels,
    without_constant_pixels,
)
from sunpy_magsr.metrics.noise import quiet_noise
from sunpy_magsr.pairing.displacement import Disk, Displacement, fit_displacement, fit_rigid
from sunpy_magsr.pairing.gain import WIDTHS, blurred, fit_gain, gain_table
from sunpy_magsr.pairing.geometry import interpolate, map_pixels
from sunpy_magsr.pairing.header import aligned_header
from sunpy_magsr.pairing.quality import Limits, PairQuality, check_pair, damaged_windows, frame_noise
from sunpy_magsr.pairing.shifts import common_shift, local_shifts
from sunpy_magsr.prep import prepare
from sunpy_magsr.prep.disk import limb_cosine
from sunpy_magsr.prep.field import read_field

__all__ = ["AlignedPair", "align_pair"]

_FACTOR = 4
_LARGEST = 10  # pixels that a frame may be displaced to be found
_ROUNDS = 3
_LEAST_MU = 0.2  # nearer to the limb nothing is said
_INNER = np.sqrt(1 - 0.9**2)  # cosine at 0.9 solar radii
_MISSING = 0.01  # of an MDI pixel
_FWHM = np.sqrt(8 * np.log(2))


@dataclasses.dataclass(frozen=True)
class AlignedPair:
    """
    A pair on one grid.

    Attributes
    ----------
    high : `sunpy.map.GenericMap`
        HMI on four times finer pixels of MDI, seen from where and when MDI was, float32 Gauss on HMI's scale; NaN where it
        has no measurement or the limb is too near. Its header says that it is HMI's. `None` of a pair that was refused.
    quality : `~sunpy_magsr.pairing.quality.PairQuality`
        How good the pair is.
    displacement : `~sunpy_magsr.pairing.displacement.Displacement`
        By how much MDI is displaced from where the headers have it, in MDI's pixels.
    shifts : `dict`
        Those of the neighborhoods; see `~sunpy_magsr.pairing.shifts.local_shifts`.
    gains : `~astropy.table.Table`
        From `~sunpy_magsr.pairing.gain.gain_table`.
    reading, expected : `numpy.ndarray`
        MDI, and what it would read if the alignment, the gain and the blur were all that there is, Gauss ``[y, x]``.
    valid : `numpy.ndarray`
        bool ``[y, x]``, where both are known.
    """

    high: sunpy.map.GenericMap
    quality: PairQuality
    displacement: Displacement
    shifts: dict
    gains: Table
    reading: np.ndarray
    expected: np.ndarray
    valid: np.ndarray


class _Seen:
    """HMI blurred to MDI's resolution, to be looked at where MDI's pixels are."""

    def __init__(self, high, valid, scale):
        data = np.where(valid, high, 0).astype(np.float32)
        # the mean over 4 pixels, a pixel of MDI; its middle is between two pixels
        self._mean = scipy.ndimage.uniform_filter(data, _FACTOR, mode="constant")
        self._scale = scale

    def blurred(self, width):
        image = scipy.ndimage.gaussian_filter(self._mean, width / _FWHM / self._scale, mode="constant")
        self._splines = scipy.ndimage.spline_filter(image, order=3, output=np.float32, mode="nearest")
        return self

    def noise_left(self, widths):
        """Standard deviation of the image for white noise of 1 in HMI's pixels, for each width."""
        kernels = (sampling_kernel(width / self._scale, factor=_FACTOR) for width in widths)
        return np.array([(kernel**2).sum() for kernel in kernels])

    def at(self, place):
        options = {"order": 3, "prefilter": False, "mode": "constant", "output": np.float32}
        return scipy.ndimage.map_coordinates(self._splines, place + 0.5, **options)


def align_pair(low, high, *, limits=None):
    """
    Align HMI to MDI, and judge the pair.

    What the headers say comes first (`~sunpy_magsr.pairing.geometry.map_pixels`). The rest is measured: neighborhoods of
    MDI are correlated with what HMI, blurred to MDI's resolution, has there, and a smooth displacement is fitted to their
    shifts, three times over. HMI is then interpolated once, from its own pixels, by splines of the fifth degree, which
    keep its power; MDI's pixels are not touched.

    Parameters
    ----------
    low : `sunpy.map.GenericMap`
        The MDI full disk, or a cutout of a few hundred pixels of it.
    high : `sunpy.map.GenericMap`
        HMI at the same time.
    limits : `~sunpy_magsr.pairing.quality.Limits`, optional
        What the pair may be at worst.

    Returns
    -------
    `AlignedPair`

    Raises
    ------
    RefusedPairError
        If the pair is not good enough. It has the attribute ``pair``, for a picture, if it came so far.
    ValueError
        If one of the two is no magnetogram, or they do not overlap.
    """
    limits = limits or Limits()
    magnetogram = prepare(low)
    constant = int(find_bad_pixels(magnetogram.data, magnetogram.valid).sum())
    magnetogram, _ = without_bad_pixels(magnetogram)
    reading, known = magnetogram.data, magnetogram.valid
    field = read_field(high, name="high")
    data = without_constant_pixels(field.data.astype(np.float32))
    lacking = np.isnan(data)
    constant += int((lacking & np.isfinite(field.data)).sum()) // _FACTOR**2
    seen = _Seen(data, ~lacking, float(np.mean(field.arcsec)))
    pixels = map_pixels(low, high)
    grid = np.indices(reading.shape, dtype=float)
    scale = float(np.mean([one.to_value("arcsec/pix") for one in magnetogram.plate_scale]))
    disk = _disk(low, scale)
    mu = limb_cosine(low)
    on_disk = mu > _LEAST_MU
    valid = on_disk & known & ~_lacks(lacking, pixels.at(*grid))
    fitted, shifts = _displacement(reading, seen.blurred(MDI_PSF_FWHM.value), valid, pixels, disk)
    place = pixels.at(*(grid - fitted.at(*grid)))
    valid = on_disk & known & ~_lacks(lacking, place)
    images = [seen.blurred(width).at(place) for width in WIDTHS]
    local = input_noise(magnetogram)
    noise = float(np.sqrt(np.mean(local[valid] ** 2)))
    seen_noise = quiet_noise(data) * seen.noise_left(WIDTHS)
    gain = fit_gain(reading, images, valid, mu, noise=noise, seen_noise=seen_noise)
    unit = blurred(images, gain.psf_fwhm)
    quality = _quality(reading, unit, valid, mu, noise=local, gain=gain)
    rigid, inner = fit_rigid(shifts, disk), mu > _INNER
    quality = PairQuality(
        **quality,
        shift_y=float(rigid.shift[0] * scale),
        shift_x=float(rigid.shift[1] * scale),
        roll=rigid.roll,
        stretch=rigid.stretch,
        clock=rigid.clock,
        clock_error=rigid.clock_error,
        alignment_error=float(np.sqrt(np.mean(fitted.error(*grid[:, inner]) ** 2))),
        scatter=fitted.scatter,
        neighborhoods=fitted.used,
        outliers=fitted.refused,
        missing=float(1 - valid[on_disk].mean()),
        constant=constant,
    )
    pair = AlignedPair(
        high=None,
        quality=quality,
        displacement=fitted,
        shifts=shifts,
        gains=gain_table(reading, unit, valid, mu),
        reading=reading,
        expected=gain.value * unit,
        valid=valid,
    )
    check_pair(pair, limits)
    fine = interpolate(data, place, _FACTOR)
    fine[~on_disk.repeat(_FACTOR, axis=0).repeat(_FACTOR, axis=1)] = np.nan
    return dataclasses.replace(pair, high=sunpy.map.Map(fine, aligned_header(low, high, gain=gain.value)))


def _disk(low, scale):
    center = low.world_to_pixel(SkyCoord(0 * u.arcsec, 0 * u.arcsec, frame=low.coordinate_frame))
    x, y = (float(one.to_value(u.pix)) for one in center)
    matrix = low.rotation_matrix
    return Disk(
        y=y,
        x=x,
        radius=low.rsun_obs.to_value(u.arcsec) / scale,
        roll=float(np.arctan2(matrix[1, 0], matrix[0, 0])),
        tilt=float(low.observer_coordinate.lat.to_value(u.rad)),
    )


def _lacks(lacking, place):
    """Where the other instrument has no measurement within MDI's pixel."""
    share = scipy.ndimage.uniform_filter(lacking.astype(np.float32), _FACTOR, mode="nearest")
    return scipy.ndimage.map_coordinates(share, place + 0.5, order=1, mode="constant", cval=1.0) > _MISSING


def _displacement(reading, seen, valid, pixels, disk):
    """Smooth displacement, and the shifts of neighborhoods that it is made of."""
    grid = np.indices(reading.shape, dtype=float)
    start = common_shift(reading, seen.at(pixels.at(*grid)), valid, largest=_LARGEST)
    displaced = np.broadcast_to(start[:, None, None], grid.shape)
    for _ in range(_ROUNDS):
        shifts = local_shifts(reading, seen.at(pixels.at(*(grid - displaced))), valid)
        before = displaced[:, shifts["y"].astype(int), shifts["x"].astype(int)]
        shifts["dy"], shifts["dx"] = shifts["dy"] + before[0], shifts["dx"] + before[1]
        fitted = fit_displacement(shifts, disk)
        displaced = fitted.at(*grid)
    return fitted, shifts


def _quality(reading, unit, valid, mu, *, noise, gain):
    expected, inner = gain.value * unit, valid & (mu > _INNER)
    correlation = float(np.corrcoef(reading[inner], unit[inner])[0, 1])
    power = np.var(MDI_GAIN * unit[inner])  # that of the pair would be small if nothing is alike
    return {
        "correlation": correlation,
        "likeness": float(correlation * np.sqrt(1 + np.mean(noise[inner] ** 2) / power)),
        "noise": frame_noise(reading, expected, valid),
        "gain": gain.value,
        "gain_error": gain.error,
        "psf_fwhm": gain.psf_fwhm,
        "damaged": len(damaged_windows(reading, expected, inner, noise=noise)),
    }
