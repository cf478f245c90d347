"""Whole disks, judged by distance from disk center and by strength of the field."""

import dataclasses
import itertools
import warnings

import astropy.units as u
import numpy as np
import scipy.stats
import sunpy.map
from astropy.table import Table
from sunpy.map.maputils import all_coordinates_from_map

from sunpy_magsr import metrics, superresolve, superresolve_ensemble
from sunpy_magsr._files import file_digest
from sunpy_magsr.exceptions import MagsrUserWarning
from sunpy_magsr.instrument.windows import CORNER, window_spectra
from sunpy_magsr.maps import prepare
from sunpy_magsr.maps.disk import limb_cosine
from sunpy_magsr.maps.wcs import is_helioprojective
from sunpy_magsr.metrics.ensemble import Draws, crps_gaussian
from sunpy_magsr.spectral.spectrum import make_rings
from sunpy_magsr.uncertainty.intervals import half_width
from sunpy_magsr.validation.evaluation import score_all
from sunpy_magsr.validation.predictions import Results
from sunpy_magsr.validation.regions import Region, degraded_map, on_fine_grid, read_each, simulated_digest
from sunpy_magsr.validation.scores import BANDS

#: Levels of the central intervals.
LEVELS = (0.68, 0.9)
_FEWEST_ERRORS = 1000  # pixels of a stratum on the other half of the disk that an error bar is fitted on
#: Edges of the rings, as cosines of the heliocentric angle. Closer to the limb, nothing is judged.
MU_EDGES = (1.0, 0.9, 0.75, 0.6, 0.4, 0.2)
#: Strengths of the input by name: least unsigned field in Gauss.
STRENGTHS = {"quiet": 0, "network": 15, "active": 100}
_THRESHOLD = 50.0  # Gauss
_FEWEST_PIXELS = 5000
_WINDOW, _STEP = 64, 16  # pixels of the truth: side of the windows of spectra, and the grid of their places
_FEWEST_WINDOWS, _MOST_WINDOWS = 10, 120
_POWER = {band: f'power {band[0]:g}-{band[1]:.3g}"' for band in BANDS}
_COVERAGE = {level: f"in {100 * level:g} % (%)" for level in LEVELS}
#: Columns of numbers and their decimals.
_DECIMALS = {
    "rms of truth (G)": 1,
    "noise of HMI (G)": 1,
    "RMSE (G)": 2,
    "MAE (G)": 2,
    "CRPS (G)": 2,
    "spread / skill": 2,
    **dict.fromkeys(_COVERAGE.values(), 1),
    "masked (%)": 1,
    **dict.fromkeys(_POWER.values(), 2),
    f"flux > {_THRESHOLD:g} G": 3,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Disk(Region):
    """
    A region that is a whole disk, or a part of one that is judged like it; `make_disk` makes it.

    ``smap`` is the input as a Map. ``strata`` has the number of the stratum of each of its pixels: its ring, from disk center,
    times the number of strengths, plus its strength; it is -1 where nothing is judged. ``is_west`` are the pixels west of
    the central meridian. ``noise`` is that of the truth in each ring, see `hmi_noise`.
    """

    smap: sunpy.map.GenericMap
    strata: np.ndarray
    is_west: np.ndarray
    noise: list


def is_whole_disk(smap):
    """Find out whether a Map shows the whole disk of the Sun."""
    return is_helioprojective(smap) and bool(sunpy.map.contains_full_disk(smap))


def read_disks(folder, **simulation):
    """
    Yield the whole disks among the line-of-sight magnetograms of a folder, one by one as they are large.

    Files that cannot be read are left out; `~sunpy_magsr.validation.read_regions` says why.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        The folder. It is searched at all depths for ``*.fits``.
    **simulation
        ``blur``, ``noise`` and ``seed`` of a simulated instrument, as for `~sunpy_magsr.validation.degraded_map`.

    Yields
    ------
    `~sunpy_magsr.validation.Region`
        A disk.
    """

    def make(smap, path, name):
        return make_disk(smap, name=name, sha256=file_digest(path), **simulation) if is_whole_disk(smap) else None

    yield from read_each(folder, "los", make, {})


def make_disk(smap, *, name, sha256="", blur=0.0, noise=0.0, seed=0):
    """Make the input of a disk and divide it into strata."""
    truth, low = degraded_map(smap, blur=blur, noise=noise, seed=seed)
    mu = limb_cosine(low)
    # Edges fall, so a ring is how many of them are above mu; mu of 1 is in the first ring.
    ring = np.searchsorted(-np.array(MU_EDGES[1:]), -np.nan_to_num(mu))
    strength = np.searchsorted(list(STRENGTHS.values()), np.abs(np.nan_to_num(low.data)), side="right") - 1
    judged = np.isfinite(low.data) & (ring < len(MU_EDGES) - 1)
    return Disk(
        name,
        truth,
        prepare(low),
        u.Quantity(smap.scale),
        simulated_digest(sha256, blur=blur, noise=noise, seed=seed),
        smap=low,
        strata=np.where(judged, len(STRENGTHS) * ring + strength, -1).astype(np.int8),
        is_west=all_coordinates_from_map(low).Tx.value > 0,
        noise=hmi_noise(truth, on_fine_grid(mu)),
    )


def hmi_noise(truth, mu):
    """
    Measure the noise of HMI in the quiet Sun of each ring.

    It is the square root of the power between 0.58 and 0.71 cycles per pixel (the corners of the spectrum, where the Sun and
    the telescope leave hardly anything), as the median over quiet windows of 32 x 32 pixels. That is a lower limit if the
    noise is not white.
    """
    found = []
    for near, far in itertools.pairwise(MU_EDGES):
        inside = np.isfinite(truth) & (mu <= near)
        windows = window_spectra(truth, inside, mu, least_mu=far)
        power = windows.power[windows.strength < STRENGTHS["network"], CORNER]
        found.append(float(np.sqrt(np.median(power.mean(axis=1)))) if len(power) else np.nan)
    return found


@dataclasses.dataclass(frozen=True)
class Prediction:
    """
    Probability distribution of each pixel of a disk, arrays ``[Y, X]`` in Gauss.

    ``intervals`` has the lower and upper ends by level, and ``masked`` the pixels for which no calibration holds. ``origin``
    is ``"calibrated"`` or ``"not calibrated"`` for an ensemble, and ``"fitted"`` for an error bar of `predict_by_result`.
    """

    members: list
    mean: np.ndarray
    std: np.ndarray
    intervals: dict
    masked: np.ndarray | None
    origin: str

    @property
    def is_ensemble(self):
        """Whether the spread is that of several members."""
        return self.origin != "fitted"


def predict(model, disk, *, n_samples=8, seed=0, device=None):
    """Super-resolve a disk as a user would, or take the results for it."""
    if isinstance(model, Results):
        members = model.members(disk)
        return predict_by_result(disk, members[0]) if len(members) == 1 else predict_by_members(members)
    options = {"model": model, "seed": seed, "plate_scale": None, "device": device}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MagsrUserWarning)  # The table says what is masked and what is not calibrated.
        if n_samples == 1 or model.card.is_deterministic:
            return predict_by_result(disk, superresolve(disk.smap, **options).data)
        ensemble = superresolve_ensemble(disk.smap, n_samples=n_samples, independent=True, **options)
        maps = {level: ensemble.interval(level) for level in LEVELS}
    return Prediction(
        ensemble.members,
        ensemble.mean().data,
        ensemble.std().data,
        {level: (low.data, high.data) for level, (low, high) in maps.items()},
        maps[LEVELS[0]][0].mask,
        "not calibrated" if ensemble.strata is None else "calibrated",
    )


def predict_by_members(members):
    """Make a prediction of samples from elsewhere."""
    mean, std = np.mean(members, axis=0), np.std(members, axis=0, ddof=1)
    widths = {level: np.float32(half_width(level, Draws(len(members)))) for level in LEVELS}
    intervals = {level: (mean - width * std, mean + width * std) for level, width in widths.items()}
    return Prediction(members, mean, std, intervals, None, "not calibrated")


def predict_by_result(disk, result):
    """
    Give a deterministic result an error bar, so that it can be compared with an ensemble.

    The variance is the mean square error of the pixels that have the same distance from disk center and the same strength of
    the input. It is fitted on one side of the central meridian and used on the other, and the other way round.
    """
    squares = (result - disk.truth) ** 2
    std = np.full(disk.strata.shape, np.nan, dtype=np.float32)
    for stratum in np.unique(disk.strata[disk.strata >= 0]):
        for side in (False, True):
            of_stratum = disk.strata == stratum
            errors = squares[on_fine_grid(of_stratum & (disk.is_west != side))]
            errors = errors[np.isfinite(errors)]
            if len(errors) >= _FEWEST_ERRORS:
                std[of_stratum & (disk.is_west == side)] = np.sqrt(errors.mean(dtype=float))
    std = on_fine_grid(std)
    widths = {level: np.float32(scipy.stats.norm.ppf((1 + level) / 2)) for level in LEVELS}
    intervals = {level: (result - width * std, result + width * std) for level, width in widths.items()}
    return Prediction([result], result, std, intervals, None, "fitted")


def score_disk(model, disk, *, n_samples, seed, device=None):
    """Compare what a model predicts for a disk with the truth, stratum by stratum."""
    return {"rows": compare_disk(disk, predict(model, disk, n_samples=n_samples, seed=seed, device=device))}, {}


def compare_disk(disk, prediction):
    """Give the row of the table for each stratum of a disk."""
    strata = on_fine_grid(disk.strata)
    strata[~(np.isfinite(disk.truth) & np.isfinite(prediction.mean))] = -1
    rows = []
    for number, (ring, strength) in enumerate(itertools.product(range(len(MU_EDGES) - 1), STRENGTHS)):
        pixels = np.flatnonzero(strata == number)
        if len(pixels) >= _FEWEST_PIXELS:
            row = {"disk": disk.name, "mu": f"{MU_EDGES[ring]:g}-{MU_EDGES[ring + 1]:g}", "input": strength}
            row |= {"pixels": len(pixels), "noise of HMI (G)": disk.noise[ring], "intervals": prediction.origin}
            row |= _numbers(disk.truth.ravel()[pixels], prediction, pixels)
            rows.append(row | _power(disk, prediction.members, number))
    return rows


def _numbers(truth, prediction, pixels):
    """Numbers of the pixels of one stratum, of which ``truth`` holds the values."""
    members = [member.ravel()[pixels] for member in prediction.members]
    mean, std = prediction.mean.ravel()[pixels], prediction.std.ravel()[pixels]
    numbers = {
        "rms of truth (G)": truth.std(dtype=float),
        "RMSE (G)": np.sqrt(np.mean((mean - truth) ** 2, dtype=float)),
        "MAE (G)": np.mean(np.abs(mean - truth), dtype=float),
        **_of_distribution(members, mean, std, truth, prediction.is_ensemble),
        **_of_intervals(truth, prediction, pixels),
        f"flux > {_THRESHOLD:g} G": np.mean([_flux(member) for member in members]) / (_flux(truth) or np.nan),
    }
    return {name: float(value) for name, value in numbers.items()}


def _of_distribution(members, mean, std, truth, is_ensemble):
    if is_ensemble:
        fields, true = np.array(members)[:, None], truth[None]  # two-dimensional, as the metrics take them
        score, ratio = metrics.crps(fields, true), metrics.spread_skill(fields, true)
    elif not (known := np.isfinite(std)).any():
        return {}
    else:
        score = crps_gaussian(mean[None, known], std[None, known], truth[None, known])
        ratio = np.sqrt(np.mean(std[known] ** 2, dtype=float) / np.mean((mean - truth)[known] ** 2, dtype=float))
    return {"CRPS (G)": score.value, "spread / skill": ratio}


def _of_intervals(truth, prediction, pixels):
    """Per cent of the pixels in the intervals, of those where they are not masked, and per cent that are masked."""
    masked = np.zeros(len(pixels), bool) if prediction.masked is None else prediction.masked.ravel()[pixels]
    numbers = {"masked (%)": 100 * masked.mean()}
    for level, ends in prediction.intervals.items():
        low, high = (end.ravel()[pixels] for end in ends)
        inside = ((low <= truth) & (truth <= high))[~masked & np.isfinite(low)]
        numbers[_COVERAGE[level]] = 100 * inside.mean() if inside.size else np.nan
    return numbers


def _flux(field):
    """Sum of the unsigned field above the threshold."""
    strength = np.abs(field)
    return strength[strength > _THRESHOLD].sum(dtype=float)


def _power(disk, members, stratum):
    """Power of the members over that of the truth in each band, in windows around pixels of the stratum."""
    corners = _corners(disk, stratum)
    power = np.array([_spectra(field, corners) for field in (disk.truth, *members)])
    known = np.isfinite(power).all(axis=(0, 2, 3))
    if known.sum() < _FEWEST_WINDOWS:
        return {}
    planes = [of_field[known].sum(axis=0) for of_field in power]
    scale = disk.plate_scale[0].value
    rings = {band: make_rings(planes[0].shape, (scale, scale), band) for band in BANDS}
    means = {band: [ring.mean(plane)[0] for plane in planes] for band, ring in rings.items()}
    return {_POWER[band]: float(np.mean(mean[1:]) / mean[0]) for band, mean in means.items()}


def _corners(disk, stratum):
    """Lower left pixels of windows ``[window, 2]`` whose middle is in a stratum, drawn at random."""
    step = _STEP * len(disk.strata) // len(disk.truth)  # in pixels of the input
    corners = _STEP * np.argwhere(disk.strata[::step, ::step] == stratum) - _WINDOW // 2
    corners = corners[((corners >= 0) & (corners + _WINDOW <= disk.truth.shape)).all(axis=1)]
    whole = [np.isfinite(disk.truth[y : y + _WINDOW, x : x + _WINDOW]).all() for y, x in corners]
    corners = corners[np.array(whole, dtype=bool)]
    return np.random.default_rng(0).permutation(corners)[:_MOST_WINDOWS]


def _spectra(field, corners):
    """Power of the windows ``[window, ky, kx]``."""
    hann = np.outer(np.hanning(_WINDOW), np.hanning(_WINDOW))
    windows = np.array([field[y : y + _WINDOW, x : x + _WINDOW] for y, x in corners]).reshape(-1, _WINDOW, _WINDOW)
    return np.abs(np.fft.fft2((windows - windows.mean(axis=(1, 2), keepdims=True)) * hann)) ** 2


def evaluate_disks(disks, models, *, n_samples=8, seed=0, folder=None, device=None, progress=False):
    """
    Judge models on whole disks by distance from disk center and strength of the input.

    Parameters
    ----------
    disks : iterable of `~sunpy_magsr.validation.Region`
        The disks, from `~sunpy_magsr.validation.read_disks`.
    models : sequence
        Names of models, as for `sunpy_magsr.superresolve`, and `~sunpy_magsr.validation.Results`.
    n_samples, seed : `int`
        Number of samples of the diffusion models and the seed of all random numbers.
    folder : `str` or `pathlib.Path`, optional
        A folder to keep finished parts in, as for `~sunpy_magsr.validation.evaluate`.
    device : `str`, optional
        The torch device, as for `sunpy_magsr.superresolve`.
    progress : `bool`
        Whether to show a progress bar on a terminal. Defaults to `False`.

    Returns
    -------
    table : `astropy.table.Table`
        One row for each stratum of each disk and model.
    failed : `dict` of `str` to `str`
        The reason why a model could not be judged on a disk, by the names of both.
    """
    settings, rows, failed = {"n_samples": n_samples, "seed": seed}, [], {}
    for disk in disks:
        found = score_all([disk], models, score_disk, settings, folder=folder, device=device, progress=progress)
        for model, numbers in found.numbers.items():
            rows += [{"model": model, **row} for of_disk in numbers.values() for row in of_disk["rows"]]
        failed |= found.failed
    return disk_table(rows), failed


def disk_table(rows):
    """Put the rows of all disks and models into a table."""
    table = Table({name: [row[name] for row in rows] for name in ("disk", "model", "mu", "input", "pixels")})
    for name, decimals in _DECIMALS.items():
        table[name] = np.ma.masked_invalid(np.array([row.get(name, np.nan) for row in rows], dtype=float))
        table[name].format = f".{decimals}f"
    table["intervals"] = [row["intervals"] for row in rows]
    return table
