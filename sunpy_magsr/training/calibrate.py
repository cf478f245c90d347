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
from sunpy_magsr.maps.files import open_magnetogram
from sunpy_magsr.maps.header import observation_time
from sunpy_magsr.metrics.ensemble import draws_of
from sunpy_magsr.sampling import load_backend
from sunpy_magsr.sampling.draw import draw_samples
from sunpy_magsr.sampling.registry import model_folders
from sunpy_magsr.store.card import ModelCard
from sunpy_magsr.uncertainty import QUANTITIES, Calibration
from sunpy_magsr.uncertainty.calibration import error_floor
from sunpy_magsr.uncertainty.diagnostics import case_pit, draw_diagnostics
from sunpy_magsr.uncertainty.intervals import Case, coverage_table
from sunpy_magsr.uncertainty.members import Moments
from sunpy_magsr.validation.regions import component_of, cut_region, degraded_region, on_fine_grid

_BLUR_ERROR = 0.12  # arcsec, with which the blur of a frame is measured (`~sunpy_magsr.instrument.measure_blur`)
_FACTOR = 4
_LEAST_CUTOUTS = 5
_LEAST_JUDGED = 10_000  # pixels by which a region is judged in a stratum
_FRAME_AXES = ("noise", "blur", "date")
_LARGE = 500_000  # pixels: of a larger region, every second row and column says as much, as neighbors are correlated


def calibration_regions(config, *, simulated):
    """Yield regions to calibrate on, with the truth on the input's scale, and the conditions of their pixels (``AXES``)."""
    found = 0
    for path in sorted(Path(config.data).rglob("*.fits")):
        smap = open_magnetogram(path)
        if component_of(smap, path.name) != config.component:
            continue
        found += 1
        whole, mu = degraded_region(smap, name=path.name, component=config.component), limb_cosine(smap)
        for region in cut_region(whole):
            corner = [_FACTOR * start for start in region.corner]
            window = tuple(slice(first, first + size) for first, size in zip(corner, region.truth.shape, strict=True))
            yield from _of_region(region, mu[window], smap, config, found, simulated=simulated)
    if not found:
        msg = f"calibrate.data must be a folder with magnetograms of component {config.component!r}, got {config.data}."
        raise ValueError(msg)


def _of_region(region, mu, smap, config, number, *, simulated):
    """Inputs that are made of one region; a piece of a large field is a region of its own."""
    name = region.name if region.name != region.file else str(smap.meta.get("harpnum", region.name))
    observed = observation_time(smap).decimalyear
    for date in config.dates:
        truth = region.truth
        if config.component == "los" and observed < BOTH_CAMERAS <= date:
            continue  # its noise cannot be taken away
        if config.component == "los" and date < BOTH_CAMERAS <= observed:
            truth = (truth + earlier_noise(truth.shape, seed=config.seed + number)).astype(np.float32)
        for low, scaled in _mdi(region, truth, config, number) if simulated else _averaged(region, truth):
            conditions = {
                "mu": mu,
                "date": date,
                "field": on_fine_grid(np.abs(low.data)),
                "noise": on_fine_grid(input_noise(low)),
                "blur": np.nan if low.blur is None else low.blur.fwhm,
            }
            yield dataclasses.replace(region, name=name, truth=scaled, low=low), conditions


def _averaged(region, truth):
    low = degrade(np.nan_to_num(truth), factor=_FACTOR)
    yield dataclasses.replace(region.low, data=np.where(region.low.valid, low, region.low.data)), truth


def _mdi(region, truth, config, number):
    """What MDI would see, for each noise and width of the point-spread function; the truth on its scale."""
    gain = 1 / config.hmi_per_mdi
    scale = (2 * u.arcsec / u.pix,) * 2
    for case, (noise, width) in enumerate(itertools.product(config.noise, config.psf_fwhm)):
        rng = np.random.default_rng((config.seed, number, case))
        low = degrade(np.nan_to_num(truth).astype(float), factor=_FACTOR, psf_fwhm=_FACTOR * width, gain=gain)
        low *= 1 + config.response_error * rng.standard_normal(low.shape)
        low += noise * rng.standard_normal(low.shape)
        pixel = scale[0].value
        found = max(0.0, width * pixel + _BLUR_ERROR * rng.standard_normal())
        magnetogram = dataclasses.replace(
            region.low,
            data=low.astype(np.float32),
            instrument="MDI",
            exposure=float(min(MDI_NOISE, key=lambda known: abs(MDI_NOISE[known] - noise))),
            is_cea=False,
            plate_scale=scale,
            blur=Blur(found, _BLUR_ERROR, 0, noise, "measured"),
        )
        yield magnetogram, truth * np.float32(gain)


def fit_intervals(config, backend):
    """Draw ensembles of inputs whose truth is known, and fit the factors of their intervals."""
    pixels, quantities = [], {name: [] for name in QUANTITIES}
    simulated = backend.card.consistency == "noise"
    for region, at_pixels in tqdm(list(calibration_regions(config, simulated=simulated)), unit="input", disable=None):
        moments, values = Moments(is_paired=True), []
        cutouts = _cutouts(region.truth, config.cutouts)
        for member in draw(backend, region.low, config):
            moments.add(member)
            values.append(_measured(member, region, cutouts))
        conditions = {axis: at_pixels[axis] for axis in config.edges}
        pixels.append(_thinned(Case(moments.mean, moments.std, moments.draws, region.truth, conditions, region.name)))
        frame = {axis: float(np.nanmedian(conditions[axis])) for axis in _FRAME_AXES if axis in conditions}
        truths = _measured(region.truth, region, cutouts)
        for name, cases in quantities.items():
            found = np.array([of_member[name] for of_member in values])
            mean, draws = found.mean(axis=0), draws_of(found, is_paired=True)
            std = np.sqrt(((found - mean) ** 2).sum(axis=0) / draws.variance_divisor)
            known = (mean > 0) | (truths[name] > 0)
            cases.append(
                Case(mean[known], error_floor(mean, std)[known], draws, truths[name][known], frame, region.name)
            )
    options = {"levels": config.levels, "data": config.description}
    edges = {axis: [np.inf if edge == "inf" else edge for edge in of_axis] for axis, of_axis in config.edges.items()}
    calibrations = {"pixel": Calibration.fit(pixels, edges=edges, **options)}
    without = Calibration.fit_without_each(pixels, edges=edges, **options)
    tables = {"pixel": coverage_table(without, pixels, least=_LEAST_JUDGED)}
    picture = draw_diagnostics(_quantiles(pixels, without), _quantiles(pixels, {}), tables["pixel"])
    frame_edges = {axis: edges[axis] for axis in _FRAME_AXES if axis in edges}
    for name, cases in quantities.items():
        try:
            fitted = {"edges": frame_edges, "least": _LEAST_CUTOUTS, **options}
            calibrations[name], tables[name] = Calibration.fit(cases, **fitted), Calibration.cross_fit(cases, **fitted)
        except ValueError:  # too few regions have any
            continue
    return calibrations, tables, picture


def _thinned(case):
    """The case itself, or with every second row and column of a large region."""
    if case.truth.size <= _LARGE:
        return case
    fields = {name: getattr(case, name)[::2, ::2] for name in ("mean", "std", "truth")}
    conditions = {axis: value[::2, ::2] if np.ndim(value) else value for axis, value in case.conditions.items()}
    return dataclasses.replace(case, **fields, conditions=conditions)


def _quantiles(cases, calibrations):
    """Of every region, the quantiles at which the truth lies; see ``diagnostics``."""
    found = {}
    for case in cases:
        found.setdefault(case.region, []).append(case_pit(case, calibrations.get(case.region)).ravel())
    return {region: np.concatenate(of_region) for region, of_region in found.items()}


def draw(backend, low, config):
    """Yield the members of an input in antithetic pairs, float32 Gauss ``[4 y, 4 x]``; see `fit_intervals`."""
    options = {"n_samples": config.n_samples, "seed": config.seed, "device": config.device or None}
    for _, field in draw_samples(backend, low, independent=False, **options):
        yield field.astype(np.float32)


def _cutouts(truth, sizes):
    """Windows of a field that are measured everywhere."""
    windows = []
    for size in sizes:
        side = _FACTOR * size
        for top, left in itertools.product(*(range(0, length - side + 1, side) for length in truth.shape)):
            window = (slice(top, top + side), slice(left, left + side))
            if np.isfinite(truth[window]).all():
                windows.append(window)
    return windows


def _measured(field, region, cutouts):
    scale = {"plate_scale": region.plate_scale}
    return {
        name: np.array([func(field[window].astype(float), **scale).value for window in cutouts])
        for name, func in QUANTITIES.items()
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
