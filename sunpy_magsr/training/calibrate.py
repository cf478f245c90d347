"""Calibration of a model's intervals, on magnetograms that did not train it."""

import dataclasses
import itertools
from pathlib import Path

import astropy.units as u
import numpy as np
from tqdm.auto import tqdm

from sunpy_magsr.instrument import MDI_NOISE, Blur, degrade, input_noise
from sunpy_magsr.instrument.noise import BOTH_CAMERAS, earlier_noise
from sunpy_magsr.maps.disk import limb_cosine
from sunpy_magsr.maps.fits import read_fits
from sunpy_magsr.maps.header import observation_time
from sunpy_magsr.metrics.ensemble import draws_of
from sunpy_magsr.sampling import load_backend
from sunpy_magsr.sampling.draw import draw_samples
from sunpy_magsr.sampling.registry import model_folders
from sunpy_magsr.store.card import ModelCard
from sunpy_magsr.training.data.store import FACTOR
from sunpy_magsr.uncertainty import QUANTITIES, Calibration
from sunpy_magsr.uncertainty.calibration import coverage_table
from sunpy_magsr.uncertainty.diagnostics import case_pit, draw_diagnostics
from sunpy_magsr.uncertainty.intervals import Case
from sunpy_magsr.uncertainty.members import Moments
from sunpy_magsr.uncertainty.quantities import add_shared_error
from sunpy_magsr.validation.regions import component_of, cut_region, degraded_region, on_fine_grid

_BLUR_ERROR = 0.12  # arcsec, with which the blur of a frame is measured (`~sunpy_magsr.instrument.measure_blur`)
_MDI_SCALE = 2.0  # arcsec / pix
_LEAST_CUTOUTS = 5
_LEAST_JUDGED = 10_000  # pixels by which a region is judged in a stratum
_FRAME_AXES = ("noise", "blur", "date")
_LARGE = 500_000  # pixels: of a larger region, every second row and column says as much, as neighbors are correlated


def calibration_regions(config, *, simulated):
    """
    Yield regions to calibrate on, averaged down or, if ``simulated``, as MDI frames, with the truth on the input's scale.

    With each come the conditions of its pixels, by the axes of a `Calibration`: arrays of the truth's shape or numbers.
    """
    number = 0
    for path in sorted(Path(config.data).rglob("*.fits")):
        smap = read_fits(path)
        if component_of(smap, path.name) != config.component:
            continue
        number += 1
        whole, mu = degraded_region(smap, name=path.name, component=config.component), limb_cosine(smap)
        for region in cut_region(whole):
            window = tuple(
                slice(FACTOR * start, FACTOR * start + size)
                for start, size in zip(region.corner, region.truth.shape, strict=True)
            )
            yield from _vary(region, mu[window], smap, config, number, simulated=simulated)
    if not number:
        msg = f"calibrate.data must be a folder with magnetograms of component {config.component!r}, got {config.data}."
        raise ValueError(msg)


def _vary(region, mu, smap, config, number, *, simulated):
    """Yield the inputs that are made of one region; a piece of a large field counts as a region of its own."""
    name = region.name if region.name != region.file else str(smap.meta.get("harpnum", region.name))
    observed = observation_time(smap).decimalyear
    for date in config.dates:
        truth = region.truth
        if config.component == "los" and observed < BOTH_CAMERAS <= date:
            continue  # its noise cannot be taken away
        if config.component == "los" and date < BOTH_CAMERAS <= observed:
            truth = (truth + earlier_noise(truth.shape, seed=config.seed + number)).astype(np.float32)
        for low, scaled in _simulate_mdi(region, truth, config, number) if simulated else _average(region, truth):
            conditions = {
                "mu": mu,
                "date": date,
                "field": on_fine_grid(np.abs(low.data)),
                "noise": on_fine_grid(input_noise(low)),
                "blur": np.nan if low.blur is None else low.blur.fwhm,
            }
            yield dataclasses.replace(region, name=name, truth=scaled, low=low), conditions


def _average(region, truth):
    low = degrade(np.nan_to_num(truth), factor=FACTOR)
    yield dataclasses.replace(region.low, data=np.where(region.low.valid, low, region.low.data)), truth


def _simulate_mdi(region, truth, config, number):
    """Yield what MDI would see, for each noise and width of the point-spread function; the truth on its scale."""
    gain = 1 / config.hmi_per_mdi
    for case, (noise, width) in enumerate(itertools.product(config.noise, config.psf_fwhm)):
        rng = np.random.default_rng((config.seed, number, case))
        low = degrade(np.nan_to_num(truth).astype(float), factor=FACTOR, psf_fwhm=FACTOR * width, gain=gain)
        low *= 1 + config.response_error * rng.standard_normal(low.shape)
        low += noise * rng.standard_normal(low.shape)
        measured = max(0.0, width * _MDI_SCALE + _BLUR_ERROR * rng.standard_normal())
        magnetogram = dataclasses.replace(
            region.low,
            data=low.astype(np.float32),
            instrument="MDI",
            exposure=float(min(MDI_NOISE, key=lambda known: abs(MDI_NOISE[known] - noise))),
            is_cea=False,
            plate_scale=(_MDI_SCALE * u.arcsec / u.pix,) * 2,
            blur=Blur(measured, _BLUR_ERROR, 0, noise, "measured"),
        )
        yield magnetogram, truth * np.float32(gain)


def draw(backend, low, config):
    """Yield the members of an input in antithetic pairs, float32 Gauss ``[4 y, 4 x]``."""
    options = {"n_samples": config.n_samples, "seed": config.seed, "device": config.device or None}
    for _, field in draw_samples(backend, low, independent=False, **options):
        yield field.astype(np.float32)


def fit_intervals(config, backend):
    """Draw ensembles of inputs whose truth is known, and fit the factors of their intervals."""
    pixels, quantities = [], {name: [] for name in QUANTITIES}
    simulated = backend.card.consistency == "noise"
    regions = list(calibration_regions(config, simulated=simulated))
    for region, conditions in tqdm(regions, unit="input", disable=None):
        case, of_quantity = _draw_cases(region, conditions, config, backend)
        pixels.append(case)
        for name, cases in quantities.items():
            cases.append(of_quantity[name])
    options = {"levels": config.levels, "data": config.description}
    edges = {axis: [np.inf if edge == "inf" else edge for edge in of_axis] for axis, of_axis in config.edges.items()}
    calibrations = {"pixel": Calibration.fit(pixels, edges=edges, **options)}
    without = Calibration.fit_without_each(pixels, edges=edges, **options)
    tables = {"pixel": coverage_table(without, pixels, least=_LEAST_JUDGED)}
    picture = draw_diagnostics(_quantiles(pixels, without), _quantiles(pixels, {}), tables["pixel"])
    options |= {"edges": {axis: edges[axis] for axis in _FRAME_AXES if axis in edges}, "least": _LEAST_CUTOUTS}
    for name, cases in quantities.items():
        try:
            calibrations[name], tables[name] = (
                Calibration.fit(cases, **options),
                Calibration.cross_fit(cases, **options),
            )
        except ValueError:  # too few regions have any
            continue
    return calibrations, tables, picture


def _draw_cases(region, conditions, config, backend):
    """Draw an ensemble, and give the case of its pixels and that of each total over cutouts."""
    cutouts = _cutouts(region.truth, config.cutouts)
    moments, of_members = Moments(is_paired=True), []
    for member in draw(backend, region.low, config):
        moments.add(member)
        of_members.append(_totals(member, region, cutouts))
    conditions = {axis: conditions[axis] for axis in config.edges}
    pixels = _thin(Case(moments.mean, moments.std, moments.draws, region.truth, conditions, region.name))
    conditions = {axis: float(np.nanmedian(conditions[axis])) for axis in _FRAME_AXES if axis in conditions}
    cases = {}
    for name, truth in _totals(region.truth, region, cutouts).items():
        members = np.array([totals[name] for totals in of_members])
        mean, draws = members.mean(axis=0), draws_of(members, is_paired=True)
        std = np.sqrt(((members - mean) ** 2).sum(axis=0) / draws.variance_divisor)
        there = (mean > 0) | (truth > 0)
        std = add_shared_error(mean, std)[there]
        cases[name] = Case(mean[there], std, draws, truth[there], conditions, region.name)
    return pixels, cases


def _thin(case):
    """Leave out every second row and column of a large region."""
    if case.truth.size <= _LARGE:
        return case
    fields = {name: getattr(case, name)[::2, ::2] for name in ("mean", "std", "truth")}
    conditions = {axis: value[::2, ::2] if np.ndim(value) else value for axis, value in case.conditions.items()}
    return dataclasses.replace(case, **fields, conditions=conditions)


def _quantiles(cases, calibrations):
    """Collect the quantiles at which the truth lies, by region; see ``diagnostics``."""
    found = {}
    for case in cases:
        found.setdefault(case.region, []).append(case_pit(case, calibrations.get(case.region)).ravel())
    return {region: np.concatenate(parts) for region, parts in found.items()}


def _cutouts(truth, sizes):
    """List the windows of a field that are measured everywhere."""
    windows = []
    for side in (FACTOR * size for size in sizes):
        for top, left in itertools.product(*(range(0, length - side + 1, side) for length in truth.shape)):
            window = (slice(top, top + side), slice(left, left + side))
            if np.isfinite(truth[window]).all():
                windows.append(window)
    return windows


def _totals(field, region, cutouts):
    """Measure flux, area and other totals of cutouts."""
    scale = {"plate_scale": region.plate_scale}
    return {
        name: np.array([measure(field[window].astype(float), **scale).value for window in cutouts])
        for name, measure in QUANTITIES.items()
    }


def calibrate_model(config):
    """
    Calibrate the intervals of a model, and write the factors into its card.

    Parameters
    ----------
    config : `~sunpy_magsr.training.TrainingConfig`
        The section ``calibrate``.

    Returns
    -------
    `str`
        Where the card is, and the tables of coverage.

    Raises
    ------
    ValueError
        If a setting is wrong, or no stratum has two regions.
    """
    own = config.calibrate
    backend = load_backend(own.model)
    if backend.card.is_deterministic:
        msg = f"calibrate.model must draw samples, got {own.model!r} of kind {backend.card.kind!r}."
        raise ValueError(msg)
    calibrations, tables, picture = fit_intervals(own, backend)
    folder = model_folders(own.model)[-1]
    card = ModelCard.read(folder)
    kind = "los" if own.component == "los" else "radial"
    facts = {name: calibration.to_dict() for name, calibration in calibrations.items()}
    dataclasses.replace(card, intervals={**card.intervals, kind: facts}, revision=card.revision).write(folder)
    output = Path(config.output)
    output.mkdir(parents=True, exist_ok=True)
    picture.savefig(output / f"calibration_{kind}.png", dpi=90)
    lines = [f"{folder / 'card.json'}: intervals of {kind}"]
    for name, calibration in calibrations.items():
        calibration.save(output / f"calibration_{kind}_{name}.json")
        tables[name].write(output / f"coverage_{kind}_{name}.csv", overwrite=True)
        lines += [
            "",
            f"{name}: coverage in regions that the factors were not fitted on",
            *tables[name].pformat(max_lines=-1, max_width=-1),
        ]
    return "\n".join(lines)
