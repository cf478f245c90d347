"""Whole disks, judged by distance from disk center and by strength of the field."""

import dataclasses
import hashlib
import io
import itertools
import json
from pathlib import Path

import numpy as np
import sunpy.map
from astropy.table import Table
from sunpy.map.maputils import all_coordinates_from_map
from tqdm.auto import tqdm

from sunpy_magsr import metrics
from sunpy_magsr._files import file_digest, whole_file
from sunpy_magsr.exceptions import reason
from sunpy_magsr.instrument.windows import CORNER, window_spectra
from sunpy_magsr.maps.disk import limb_cosine
from sunpy_magsr.maps.fits import read_fits
from sunpy_magsr.maps.header import product_of
from sunpy_magsr.maps.wcs import is_helioprojective
from sunpy_magsr.metrics.ensemble import crps_gaussian
from sunpy_magsr.spectral.spectrum import make_rings
from sunpy_magsr.validation.evaluate import identity, load_model
from sunpy_magsr.validation.predictions import LEVELS, Results, predict, predict_by_members, predict_by_result
from sunpy_magsr.validation.regions import component_of, degraded_map, on_fine_grid
from sunpy_magsr.validation.scores import BANDS
from sunpy_magsr.version import version

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


@dataclasses.dataclass(frozen=True)
class Disk:
    """
    A true magnetogram of a disk, or of a part of one, with the input of the models; `make_disk` makes it.

    Parameters
    ----------
    name : `str`
        Path of its file in its folder.
    truth : `numpy.ndarray`
        The truth in Gauss, float32 ``[4 y, 4 x]``, NaN where there is no measurement.
    low : `sunpy.map.GenericMap`
        The input of the models ``[y, x]``.
    strata : `numpy.ndarray`
        Number of the stratum of each pixel of the input, int8 ``[y, x]``: its ring, from disk center, times the number of
        strengths, plus its strength. It is -1 where nothing is judged.
    is_west : `numpy.ndarray`
        Pixels of the input west of the central meridian, bool ``[y, x]``.
    scale : `float`
        Plate scale of the truth in arcsec.
    noise : sequence of `float`
        Noise of the truth in Gauss in each ring, see `hmi_noise`.
    """

    name: str
    truth: np.ndarray
    low: sunpy.map.GenericMap
    strata: np.ndarray
    is_west: np.ndarray
    scale: float
    noise: list

    @property
    def instrument(self):
        """Name of the instrument that the header of the input gives."""
        return product_of(self.low).instrument

    def on_truth(self, values):
        """Give the pixels of the truth the values of the input pixels that they are in."""
        return on_fine_grid(values)


def is_whole_disk(smap):
    """Find out whether a Map shows the whole disk of the Sun."""
    return is_helioprojective(smap) and bool(sunpy.map.contains_full_disk(smap))


def make_disk(smap, *, name, blur=0.0, noise=0.0, seed=0):
    """Make the input of a disk and divide it into strata."""
    truth, low = degraded_map(smap, blur=blur, noise=noise, seed=seed)
    mu = limb_cosine(low)
    # Edges fall, so a ring is how many of them are above mu; mu of 1 is in the first ring.
    ring = np.searchsorted(-np.array(MU_EDGES[1:]), -np.nan_to_num(mu))
    strength = np.searchsorted(list(STRENGTHS.values()), np.abs(np.nan_to_num(low.data)), side="right") - 1
    judged = np.isfinite(low.data) & (ring < len(MU_EDGES) - 1)
    strata = np.where(judged, len(STRENGTHS) * ring + strength, -1).astype(np.int8)
    is_west = all_coordinates_from_map(low).Tx.value > 0
    levels = hmi_noise(truth, on_fine_grid(mu))
    return Disk(name, truth, low, strata, is_west, smap.scale[0].value, levels)


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


def judge_disk(disk, prediction):
    """Compare a prediction with the truth, stratum by stratum."""
    strata = disk.on_truth(disk.strata)
    strata[~(np.isfinite(disk.truth) & np.isfinite(prediction.mean))] = -1
    rows = []
    for number, (ring, strength) in enumerate(itertools.product(range(len(MU_EDGES) - 1), STRENGTHS)):
        pixels = np.flatnonzero(strata == number)
        if len(pixels) < _FEWEST_PIXELS:
            continue
        of_disk = {"disk": disk.name, "mu": f"{MU_EDGES[ring]:g}-{MU_EDGES[ring + 1]:g}", "input": strength}
        rows.append(
            {
                **of_disk,
                "pixels": len(pixels),
                "noise of HMI (G)": disk.noise[ring],
                "intervals": prediction.origin,
                **_numbers(disk.truth.ravel()[pixels], prediction, pixels),
                **_power(disk, prediction.members, number),
            }
        )
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
        return {
            "CRPS (G)": metrics.crps(fields, true).value,
            "spread / skill": metrics.spread_skill(fields, true),
        }
    known = np.isfinite(std)
    if not known.any():
        return {}
    ratio = np.mean(std[known] ** 2, dtype=float) / np.mean((mean - truth)[known] ** 2, dtype=float)
    score = crps_gaussian(mean[None, known], std[None, known], truth[None, known])
    return {"CRPS (G)": score.value, "spread / skill": np.sqrt(ratio)}


def _of_intervals(truth, prediction, pixels):
    """Per cent of the pixels in the intervals, of those where they are not masked, and per cent that are masked."""
    masked = np.zeros(len(pixels), bool) if prediction.masked is None else prediction.masked.ravel()[pixels]
    numbers = {"masked (%)": 100 * masked.mean()}
    for level, ends in prediction.intervals.items():
        low, high = (end.ravel()[pixels] for end in ends)
        usable = ~masked & np.isfinite(low)
        inside = ((low <= truth) & (truth <= high))[usable]
        numbers[_COVERAGE[level]] = 100 * inside.mean() if inside.size else np.nan
    return numbers


def _flux(field):
    """Sum of the unsigned field above the threshold."""
    strength = np.abs(field)
    return strength[strength > _THRESHOLD].sum(dtype=float)


def _power(disk, members, stratum):
    """Power of the members over that of the truth in each band, in windows around pixels of the stratum."""
    corners = _corners(disk, stratum)
    truth = _spectra(disk.truth, corners)
    known = np.isfinite(truth).all(axis=(1, 2))
    of_members = []
    for member in members:
        power = _spectra(member, corners)
        known &= np.isfinite(power).all(axis=(1, 2))
        of_members.append(power)
    if known.sum() < _FEWEST_WINDOWS:
        return {}
    planes = [power[known].sum(axis=0) for power in (truth, *of_members)]
    rings = {band: make_rings(planes[0].shape, (disk.scale,) * 2, band) for band in BANDS}
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


def disk_table(rows):
    """Put the rows of all disks and models into a table."""
    table = Table()
    for name in ("disk", "model", "mu", "input", "pixels"):
        table[name] = [row[name] for row in rows]
    for name, decimals in _DECIMALS.items():
        table[name] = np.ma.masked_invalid(np.array([row.get(name, np.nan) for row in rows], dtype=float))
        table[name].format = f".{decimals}f"
    table["intervals"] = [row["intervals"] for row in rows]
    return table


def find_disks(folder):
    """Find the line-of-sight magnetograms of whole disks in a folder."""
    return [path.relative_to(folder).as_posix() for path in sorted(Path(folder).rglob("*.fits")) if _is_disk(path)]


def _is_disk(path):
    try:
        smap = read_fits(path)
        return component_of(smap, path.name) == "los" and is_whole_disk(smap)
    except Exception:  # noqa: BLE001  whatever a damaged file raises, `read_regions` reports it
        return False


def judge_disks(
    folder, names, models, *, n_samples=8, seed=0, blur=0.0, noise=0.0, keep=None, device=None, progress=False
):
    """
    Judge models on whole disks by distance from disk center and strength of the input.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        The folder of the disks.
    names : sequence of `str`
        Paths of the disks in it, from `find_disks`.
    models : sequence
        Names of models, as for `sunpy_magsr.superresolve`, and `~sunpy_magsr.validation.Results`.
    n_samples, seed : `int`
        Number of samples of the diffusion models and the seed of all random numbers.
    blur, noise : `float`
        Blur in arcsec and noise in Gauss of a simulated instrument; see `~sunpy_magsr.validation.degraded_map`.
    keep : `str` or `pathlib.Path`, optional
        A folder to keep finished parts in, as for `~sunpy_magsr.validation.evaluate`.
    device : `str`, optional
        The torch device, as for `sunpy_magsr.superresolve`.
    progress : `bool`
        Whether to show a progress bar on a terminal. Defaults to `False`.

    Returns
    -------
    table : `astropy.table.Table`
        The table of ``disk_table``.
    failed : `dict` of `str` to `str`
        The reason why a model could not be judged on a disk, by the names of both.
    """
    options = {"n_samples": n_samples, "seed": seed, "blur": blur, "noise": noise}
    rows, failed = [], {}
    with tqdm(total=len(names) * len(models), disable=None if progress else True, unit="part") as bar:
        for name in names:
            path, disk = Path(folder) / name, None
            digest = file_digest(path)
            for model in models:
                bar.set_postfix_str(f"{model}, {name[-48:]}")
                kept = _kept_in(keep, name, model, digest, options)
                found = _load(kept)
                if found is None:
                    try:
                        disk = disk or make_disk(read_fits(path), name=name, blur=blur, noise=noise, seed=seed)
                        found = judge_disk(disk, _prediction(disk, model, n_samples, seed, device))
                        _save(kept, found)
                    except ValueError as error:
                        failed[f"{model}: {name}"] = reason(error)
                rows += [{"model": str(model), **row} for row in found or ()]
                bar.update()
    return disk_table(rows), failed


def _prediction(disk, model, n_samples, seed, device):
    if not isinstance(model, Results):
        return predict(disk, model, n_samples=n_samples, seed=seed, device=device)
    members = model.members(disk.name, disk.truth)
    return predict_by_result(disk, members[0]) if len(members) == 1 else predict_by_members(members)


def _kept_in(folder, name, model, digest, options):
    """The file for the rows of a model on a disk; its name says all that they depend on."""
    if folder is None:
        return None
    instrument = "MDI" if options["blur"] or options["noise"] else "HMI"
    facts = [name, digest, str(model), identity(load_model(model, instrument)), options, version]
    return Path(folder) / "parts" / f"disk_{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]}.json"


def _load(path):
    if path is None or not path.is_file():
        return None
    try:
        return json.loads(path.read_text())
    except ValueError:
        return None  # damaged: done again


def _save(path, rows):
    if path is not None:
        with whole_file(path) as stream:
            stream.write(json.dumps(rows).encode())


def write_disks(table, folder):
    """Write ``disks.csv`` and ``disks.ecsv``."""
    paths = [Path(folder) / f"disks.{suffix}" for suffix in ("csv", "ecsv")]
    for path in paths:
        stream = io.StringIO()
        table.write(stream, format=f"ascii{path.suffix}")
        with whole_file(path) as target:
            target.write(stream.getvalue().encode())
    return paths
