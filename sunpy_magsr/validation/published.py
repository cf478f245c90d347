"""True pairs as papers publish them: images of MDI and HMI on one grid, without coordinates."""

import dataclasses
import itertools
import re
import tomllib
from importlib import resources
from pathlib import Path

import astropy.units as u
import numpy as np
import scipy.ndimage
from astropy.io import fits
from sunpy.map import Map

from sunpy_magsr._files import file_digest
from sunpy_magsr.exceptions import reason
from sunpy_magsr.instrument import MDI_GAIN, degrade
from sunpy_magsr.maps import prepare
from sunpy_magsr.validation.regions import Region, check_any

#: Name of the file that lists the pairs of a folder. Without it, the package's own list of published pairs is used.
TABLE = "pairs.toml"
_FACTOR = 4
_MARGIN = 8  # low-resolution pixels that are not compared
_SMOOTHING = 2.6  # standard deviation in HMI's pixels of what MDI blurs, for the alignment alone
_LARGEST_SHIFT = (4, 6)  # pixels along y and x
_SIDE = slice(_FACTOR * _MARGIN * 3 // 4, -_FACTOR * _MARGIN * 3 // 4)  # along an axis of HMI, what is compared
_KEYS = {"low", "high", "plate_scale", "interpolation"}
_OPTIONAL = {"source", "correlation", "native_plate_scale"}
_INTERPOLATIONS = ("none", "bilinear", "unknown")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PublishedPair(Region):
    """
    A pair of images as a paper published it.

    Parameters
    ----------
    stamp : `str`
        The part of the file names that both images have in common.
    entry : `dict`
        The entry of the pair in the list of published pairs.
    """

    stamp: str
    entry: dict

    def on_grid(self, image):
        """Bring an image on the pixels of the published HMI image to pixels four times finer than MDI's."""
        return _fine_pixels(image.astype(float), self.entry)


def read_published_pairs(folder):
    """
    Read the pairs of MDI and HMI images in a folder.

    The file ``pairs.toml`` in the folder has a table ``[[pairs]]`` for each kind of pair: patterns of the file names ``low``
    (MDI) and ``high`` (HMI) with the part ``{stamp}`` that both have in common, the ``plate_scale`` of the images in
    arcsec/pix, and the ``interpolation`` by which MDI was brought onto HMI's grid. This is ``"bilinear"`` (by four; the
    pseudo-inverse undoes it), ``"unknown"`` (cubic splines then sample MDI at ``native_plate_scale``), or ``"none"`` (MDI
    is on its own pixels, four times coarser). Without that file, the package's own table of published pairs is used.

    HMI is shifted as a whole to where it fits MDI best. Nothing else is done to it.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        Folder of the files, which are FITS images in Gauss.

    Returns
    -------
    regions : `list` of `~sunpy_magsr.validation.Region`
        The pairs, in the order of their stamps. Within 24 pixels of the edge, where nothing is compared, the truth is NaN.
    failed : `dict` of `str` to `str`
        The reason why a file could not be read, by its name.

    Raises
    ------
    ValueError
        If ``pairs.toml`` is wrong, or no pair could be read.
    """
    folder = Path(folder)
    regions, failed = [], {}
    for entry in _table(folder):
        pattern = re.escape(entry["low"]).replace(r"\{stamp\}", "(?P<stamp>[0-9_]+)").replace(r"\*", ".*")
        for path in sorted(folder.iterdir()):
            match = re.fullmatch(pattern, path.name)
            if match is None:
                continue
            try:
                regions.append(_region(path, entry, match["stamp"]))
            except (OSError, ValueError) as error:
                failed[path.name] = reason(error)
    check_any(
        regions, failed, f"folder must hold pairs that {TABLE} lists or that the package knows, got none in {folder}"
    )
    return sorted(regions, key=lambda region: region.stamp), failed


def _table(folder):
    own = folder / TABLE
    known = resources.files("sunpy_magsr") / "data" / "published_pairs.toml"
    try:
        entries = tomllib.loads((own if own.is_file() else known).read_text()).get("pairs", [])
    except tomllib.TOMLDecodeError as error:
        msg = f"{own} is not valid TOML: {error}."
        raise ValueError(msg) from error
    for entry in entries:
        if not _KEYS <= set(entry) <= _KEYS | _OPTIONAL or entry["interpolation"] not in _INTERPOLATIONS:
            msg = (
                f"an entry of {own} must have {', '.join(sorted(_KEYS))}, may have {', '.join(sorted(_OPTIONAL))}, and an "
                f"interpolation of {', '.join(_INTERPOLATIONS)}, got {entry}."
            )
            raise ValueError(msg)
    return entries


def _region(path, entry, stamp):
    partner = path.parent / entry["high"].format(stamp=stamp)
    if not partner.is_file():
        msg = f"its partner must be {partner.name}, and there is none."
        raise ValueError(msg)
    low, high = (np.squeeze(fits.getdata(one)).astype(float) for one in (path, partner))
    low, high, plate_scale = native_pixels(low, high, entry)
    truth = np.full(high.shape, np.nan, np.float32)
    truth[_SIDE, _SIDE] = shift_to_fit(high, low)[_SIDE, _SIDE]
    magnetogram = prepare(Map(low.astype(np.float32), _header(low.shape, _FACTOR * plate_scale)))
    scales = u.Quantity([plate_scale, plate_scale], u.arcsec / u.pix)
    digest = f"{file_digest(partner)}+{file_digest(path)}"
    return PublishedPair(path.name, truth, magnetogram, scales, digest, MDI_GAIN, stamp=stamp, entry=entry)


def _header(shape, plate_scale):
    """Header of a frame of MDI at disk center; only the scale, the instrument and the exposure matter."""
    header = {"telescop": "SOHO", "instrume": "MDI", "bunit": "G", "interval": 300.0}
    header |= {
        "date-obs": "2011-01-01T00:00:00",
        "dsun_obs": 1.48e11,
        "rsun_obs": 970.0,
        "hgln_obs": 0.0,
        "hglt_obs": 0.0,
    }
    for axis, name, side in ((1, "HPLN-TAN", shape[1]), (2, "HPLT-TAN", shape[0])):
        cards = {"ctype": name, "cunit": "arcsec", "crval": 0.0, "crpix": (side + 1) / 2, "cdelt": plate_scale}
        header |= {f"{card}{axis}": value for card, value in cards.items()}
    return header


def native_pixels(low, high, entry):
    """Bring MDI back to pixels of its own size, and HMI to four times finer ones."""
    ratio = _FACTOR if entry["interpolation"] == "none" else 1
    if low.ndim != 2 or high.shape != tuple(ratio * side for side in low.shape):
        msg = f"the images must have {ratio} pixel(s) of HMI for one of MDI along each axis, got {low.shape} and {high.shape}."
        raise ValueError(msg)
    scale = entry["plate_scale"]
    if entry["interpolation"] == "none":
        return low, high, scale
    if entry["interpolation"] == "bilinear":
        if any(side % _FACTOR for side in low.shape):
            msg = f"MDI interpolated by {_FACTOR} must have a multiple of {_FACTOR} pixels, got {low.shape}."
            raise ValueError(msg)
        rows, columns = (np.linalg.pinv(_bilinear(side // _FACTOR)) for side in low.shape)
        return rows @ low @ columns.T, high, scale
    return _sampled(low, entry, 1), _fine_pixels(high, entry), entry["native_plate_scale"] / _FACTOR


def _fine_pixels(high, entry):
    """Bring an image on the pixels of a published HMI image to pixels four times finer than MDI's."""
    return _sampled(high, entry, _FACTOR) if entry["interpolation"] == "unknown" else high


def _sampled(image, entry, factor):
    """Sample an image with cubic splines at a part of the native plate scale."""
    scale, native = entry["plate_scale"], entry["native_plate_scale"]
    sides = [int(side * scale / native / 2 - 0.5) * 2 for side in image.shape]
    grid = [(np.arange(count * factor) + 0.5) * (native / factor / scale) - 0.5 for count in sides]
    return scipy.ndimage.map_coordinates(image, np.meshgrid(*grid, indexing="ij"), order=3, mode="nearest")


def _bilinear(count):
    """Matrix ``[4 n, n]`` of bilinear interpolation with aligned pixel edges."""
    place = np.clip((np.arange(_FACTOR * count) + 0.5) / _FACTOR - 0.5, 0, count - 1)
    first = np.minimum(place.astype(int), count - 2)
    matrix = np.zeros((_FACTOR * count, count))
    rows = np.arange(_FACTOR * count)
    matrix[rows, first] = 1 - (place - first)
    matrix[rows, first + 1] = place - first
    return matrix


def shift_to_fit(high, low):
    """Shift a high-resolution image to where it correlates best with a low-resolution one, to a quarter of a pixel."""
    spectrum = np.fft.fftn(high)
    smooth = np.fft.fftn(scipy.ndimage.gaussian_filter(high, _SMOOTHING))
    inner = (slice(_MARGIN, -_MARGIN),) * 2

    def shifted(image, shift):
        return np.fft.ifftn(scipy.ndimage.fourier_shift(image, shift)).real

    def correlation(shift):
        return np.corrcoef(degrade(shifted(smooth, shift))[inner].ravel(), low[inner].ravel())[0, 1]

    along = [range(-largest, largest + 1) for largest in _LARGEST_SHIFT]
    y, x = max(itertools.product(*along), key=correlation)
    parts = np.arange(-0.75, 1, 0.25)
    return shifted(spectrum, max(((y + a, x + b) for a in parts for b in parts), key=correlation))
