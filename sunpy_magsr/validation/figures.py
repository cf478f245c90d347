"""Figures of an evaluation."""

import astropy.units as u
import numpy as np
from astropy.table import Table

from sunpy_magsr._files import whole_file
from sunpy_magsr.spectral import Spectrum, plot_coherence, plot_spectra
from sunpy_magsr.spectral.plot import COLORS, FreeFigure
from sunpy_magsr.uncertainty import plot_reliability
from sunpy_magsr.validation.scores import BANDS, panel_window

_LIMIT = 600.0
_COLUMNS = 4
_LONGEST = 20.0
_SHORTEST = 4 / 3


def draw_figures(evaluation, folder):
    """Draw spectra, coherence, small features, panels of one region and, if there are samples, reliability."""
    names = _distinct(evaluation)
    figures = {
        "spectra.png": _spectra(evaluation, names),
        "coherence.png": _coherence(evaluation, names),
        "small_features.png": _small(evaluation, names),
        "panels.png": _panels(evaluation, names),
    }
    sampled = [name for name in names if "level" in next(iter(evaluation.arrays[name].values()))]
    if sampled:
        figures["reliability.png"] = _reliability(evaluation, sampled)
    return _save(figures, folder)


def draw_pairs(evaluation, folder):
    """Draw crops of published pairs: MDI's pixels, one sample of each model, and HMI."""
    pairs = [pair for pair in evaluation.regions if all(pair.name in rows for rows in evaluation.arrays.values())]
    pictures = []
    for pair in pairs:
        samples = {name: of_pairs[pair.name]["panel_sample"] for name, of_pairs in evaluation.arrays.items()}
        shown = _with_input_and_truth(pair, samples, "MDI / gain", "HMI")
        pictures += [(f"{title}\n{pair.stamp[:13]}", field) for title, field in shown]
    title = "Published pairs, one sample of each model"
    figure = _grid_of_fields(pictures, len(evaluation.arrays) + 2, title)
    return _save({"pairs.png": figure}, folder)


def _save(figures, folder):
    for name, figure in figures.items():
        with whole_file(folder / name) as stream:
            figure.savefig(stream, format="png", dpi=110)
    return [folder / name for name in figures]


def _distinct(evaluation):
    """The first name of each model, with a color."""
    first = {}
    for name in evaluation.cards:
        first.setdefault(evaluation.identities[name], name)
    return {name: COLORS[number % len(COLORS)] for number, name in enumerate(first.values())}


def _figure(width, height):
    return FreeFigure(figsize=(width, height), layout="constrained")


def _spectrum(evaluation, name, key, unit=1, error=None):
    found = evaluation.spectrum(name, key, error, unit)
    wavelength = found.wavelength.to_value(u.arcsec)
    shown = (wavelength < _LONGEST) & (wavelength > _SHORTEST)
    parts = (part[shown] for part in (found.wavenumber, found.value, found.error, found.n_modes))
    return Spectrum(*parts)


def _source(evaluation):
    count = len(evaluation.regions)
    samples = evaluation.settings["n_samples"]
    return f"{count} region{'s' if count > 1 else ''}, {samples} sample{'s' if samples > 1 else ''}"


def _spectra(evaluation, names):
    figure = _figure(8, 6)
    unit = u.G**2 * u.arcsec**2
    truth = _spectrum(evaluation, next(iter(names)), "power_truth", unit)
    models = {name: _spectrum(evaluation, name, "power", unit) for name in names}
    axes = plot_spectra(models, truth=truth, axes=figure.add_subplot())
    axes.set_title(f"Power of one sample, mean over {_source(evaluation)}")
    return figure


def _coherence(evaluation, names):
    figure = _figure(13, 5.5)
    for number, (key, what) in enumerate((("coherence", "one sample"), ("coherence_mean", "the mean of the samples"))):
        models = {name: _spectrum(evaluation, name, key, error="coherence_error") for name in names}
        axes = plot_coherence(models, axes=figure.add_subplot(1, 2, number + 1))
        axes.set_title(f"Coherence of {what} with the truth")
    figure.suptitle(f"What is at the right place: {_source(evaluation)}")
    return figure


def _small(evaluation, names):
    """Power against coherence at small scales: right texture is at 1 along x, right places at the top."""
    figure = _figure(14, 5.5)
    for number, (longest, shortest) in enumerate(BANDS[1:]):
        axes = figure.add_subplot(1, 2, number + 1)
        for name, color in names.items():
            kinds = {"sample": "o"} if evaluation.cards[name].is_deterministic else {"sample": "o", "mean": "s"}
            for kind, mark in kinds.items():
                found = evaluation.small_features(name, kind, (longest, shortest))
                label = f"{name}{'' if len(kinds) == 1 else f', {kind}'}: {found.verdict}"
                style = {"fmt": mark, "ms": 9, "color": color, "mfc": color if mark == "o" else "white"}
                axes.errorbar(found.power_ratio, found.coherence, yerr=found.coherence_error, label=label, **style)
        axes.axvline(1, color="black", lw=1)
        axes.axhline(0.1, color="gray", ls=":", lw=1)
        axes.set(xlim=(0, None), ylim=(-0.01, max(0.15, 1.1 * axes.get_ylim()[1])))
        axes.set(
            xlabel="Power / power of the truth (1 is right)", ylabel="Squared coherence with the truth (1 is right)"
        )
        axes.set_title(f"{longest:g} to {shortest:.3g} arcsec")
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize="small")
    figure.suptitle(
        f"Small features: texture, or really predicted? Dotted: least coherence that counts. {_source(evaluation)}"
    )
    return figure


def _panels(evaluation, names):
    region = max(evaluation.regions, key=lambda one: np.nanmax(np.abs(one.truth)))
    samples = {}
    for name in names:
        arrays = evaluation.arrays[name][region.name]
        if evaluation.cards[name].is_deterministic:
            samples[name] = arrays["panel_sample"]
        else:
            samples[f"{name}, one sample"] = arrays["panel_sample"]
            samples[f"{name}, mean of {evaluation.settings['n_samples']}"] = arrays["panel_mean"]
    pictures = _with_input_and_truth(region, samples, "input", "truth")
    title = f"{len(pictures[0][1])} input pixels of {region.name}"
    return _grid_of_fields(pictures, min(_COLUMNS, len(pictures)), title)


def _with_input_and_truth(region, samples, first, last):
    """Titles and fields of a detail of a region: the input, samples, and the truth."""
    window = panel_window(region)
    coarse = tuple(slice(part.start // 4, part.stop // 4) for part in window)
    return [(first, region.low.data[coarse] / region.gain), *samples.items(), (last, region.truth[window])]


def _grid_of_fields(pictures, columns, title):
    rows = -(-len(pictures) // columns)
    figure = _figure(3.2 * columns + 1.2, 3.4 * rows + 0.8)
    for number, (name, field) in enumerate(pictures):
        axes = figure.add_subplot(rows, columns, number + 1)
        drawn = axes.imshow(field, origin="lower", cmap="gray", vmin=-_LIMIT, vmax=_LIMIT, interpolation="nearest")
        axes.set(title=name, xticks=[], yticks=[])
    figure.colorbar(drawn, ax=figure.axes, shrink=0.6, label="magnetic field [G], the same scale everywhere")
    figure.suptitle(f"{title}.\nStructure finer than the input's pixels is plausible, not measured.")
    return figure


def _reliability(evaluation, names):
    figure = _figure(6.5, 6)
    tables = {}
    for name in names:
        parts = evaluation.arrays[name].values()
        tables[name] = Table({key: np.mean([one[key] for one in parts], axis=0) for key in ("level", "coverage")})
    axes = plot_reliability(tables, axes=figure.add_subplot())
    axes.set_title(f"How often the truth is inside: {_source(evaluation)}")
    return figure
