"""Evaluation of models on regions, each finished part kept."""

import dataclasses
import hashlib
import itertools
import json
import zipfile
import zlib
from pathlib import Path

import astropy.units as u
import numpy as np
import scipy.stats
from tqdm.auto import tqdm

from sunpy_magsr import metrics, spectral
from sunpy_magsr._files import whole_file
from sunpy_magsr.exceptions import reason
from sunpy_magsr.inference.settings import Settings
from sunpy_magsr.maps.field import read_field
from sunpy_magsr.sampling import load_backend
from sunpy_magsr.validation.predictions import Results
from sunpy_magsr.validation.regions import check_any
from sunpy_magsr.validation.scores import BANDS, SMALL, name_of, score_pair, score_region
from sunpy_magsr.validation.texture import tell_apart
from sunpy_magsr.version import version

_WORDS = ("name", "summary", "license", "training", "validation", "limits", "where")


def identity(backend):
    """Make a digest of everything that determines the result of a model: weights, configurations, and numbers of its card."""
    card = dataclasses.asdict(backend.card)
    facts = {key: value for key, value in card.items() if key not in _WORDS}
    parts = {key: getattr(value, "config", None) for key, value in sorted(vars(backend).items())}
    configs = {key: dict(config) for key, config in parts.items() if config is not None}
    if not facts["sha256"]:
        facts["name"] = card["name"]
    return hashlib.sha256(json.dumps([facts, configs], sort_keys=True, default=str).encode()).hexdigest()


#: Every name that the package answers to, baselines first.
MODELS = ("bicubic", "enhance", "progressive", "ddpm", "ldm", "ldm-res", "default")
_LARGEST_SEGMENT = 64.0
_RESAMPLES = 4000
_LEVEL = 0.95
_FEWEST_REGIONS = 3  # for the two-samples test
_FEWEST_PATCHES = 64  # as many as there are features


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """
    Scores of models on regions.

    Parameters
    ----------
    regions : `list` of `~sunpy_magsr.validation.Region`
        The regions.
    cards : `dict` of `str` to `~sunpy_magsr.store.ModelCard`
        The card of each model, by the name that was asked for.
    identities : `dict` of `str` to `str`
        The digest of each model (``identity``), by the same names.
    numbers : `dict`
        The numbers of each region, ``[model][region][name]``.
    arrays : `dict`
        The arrays of each region, ``[model][region][name]``.
    settings : `dict`
        ``n_samples``, ``seed``, and for `evaluate` ``segment``, the side of the spectra's segments in arcsec.
    failed : `dict` of `str` to `str`
        The reason why a model could not be scored on a region, by the names of both, or why there is no two-samples test of a
        model.
    two_samples : `dict`
        The result of ``tell_apart`` for each model, empty if it was not asked for.
    """

    regions: list
    cards: dict
    identities: dict
    numbers: dict
    arrays: dict
    settings: dict
    failed: dict
    two_samples: dict = dataclasses.field(default_factory=dict)

    def pooled(self, model):
        """Average the numbers of a model over the regions, with bootstrap intervals."""
        rows = list(self.numbers[model].values())
        found = {}
        for key in dict.fromkeys(key for row in rows for key in row):
            values = np.array([row[key] for row in rows if np.isfinite(row.get(key, np.nan))])
            if len(values):
                found[key] = (float(values.mean()), *_interval(values))
        parts = [one for one in self.arrays[model].values() if len(one["features"])]
        if sum(len(one["features"]) for one in parts) > _FEWEST_PATCHES:
            features = [np.concatenate([one[key] for one in parts]) for key in ("features", "features_truth")]
            found["fid"] = (1000 * float(metrics.frechet_distance(*features)), np.nan, np.nan)
        if model in self.two_samples:
            found["two_samples"] = (self.two_samples[model], np.nan, np.nan)
        return found

    def small_features(self, model, kind="sample", band=BANDS[-1]):
        """Say how much power and how much coherence with the truth a model has in a band of small scales."""
        names = [f"{key}_{kind}_{name_of(band)}" for key in SMALL]
        rows = [[row[name] for name in names] for row in self.numbers[model].values()]
        power_ratio, coherence, error = np.array(rows).T
        return spectral.SmallFeatures(power_ratio.mean(), coherence.mean(), _error_of_mean(error))

    def spectrum(self, model, key, error=None, unit=1):
        """Average a spectrum over the regions."""
        parts = list(self.arrays[model].values())
        highest = min(one["wavenumber"][-1] for one in parts)
        wavenumber = parts[0]["wavenumber"][parts[0]["wavenumber"] <= highest * (1 + 1e-9)]
        value, spread, modes = (
            np.array([np.interp(wavenumber, one["wavenumber"], one[name]) for one in parts])
            for name in (key, error or f"{key}_error", "n_modes")
        )
        errors = _error_of_mean(spread)
        return spectral.Spectrum(wavenumber / u.arcsec, value.mean(axis=0) * unit, errors * unit, modes.sum(axis=0))


def _error_of_mean(errors):
    return np.sqrt((errors**2).sum(axis=0)) / len(errors)


def _interval(values):
    if len(values) == 1:
        return np.nan, np.nan
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    options = {"confidence_level": _LEVEL, "n_resamples": _RESAMPLES, "method": "percentile", "rng": 0}
    interval = scipy.stats.bootstrap((values,), np.mean, **options).confidence_interval
    return float(interval.low), float(interval.high)


def score_all(regions, models, score, settings, *, folder=None, device=None, progress=False):
    """
    Score every model on every region.

    ``score(model, region, device=device, **settings)`` gives numbers and arrays. They are kept in a folder, where they are
    found again if the file, the model, the settings and the version of the package are the same.
    """
    instruments = {region.low.instrument for region in regions}
    instrument = instruments.pop() if len(instruments) == 1 else None
    loaded = {
        str(model): model if isinstance(model, Results) else load_backend(model, instrument=instrument)
        for model in models
    }
    identities = {name: identity(model) for name, model in loaded.items()}
    done, failed = {}, {}
    parts = list(itertools.product(loaded, regions))
    for name, region in (bar := tqdm(parts, disable=None if progress else True, unit="part")):
        bar.set_postfix_str(f"{name}, {region.name[-48:]}")
        key = identities[name], region.name  # several names of one model are computed once
        try:
            if key not in done:
                done[key] = _score(loaded[name], region, score, settings, folder=folder, device=device)
        except ValueError as error:
            failed[f"{region.name}: {name}"] = reason(error)
    numbers, arrays = (
        {
            name: {one.name: done[digest, one.name][which] for one in regions if (digest, one.name) in done}
            for name, digest in identities.items()
        }
        for which in (0, 1)
    )
    cards = {name: model.card for name, model in loaded.items()}
    return Evaluation(list(regions), cards, identities, numbers, arrays, settings, failed)


def _score(model, region, score, settings, *, folder, device):
    """Numbers and arrays of one model on one region, from the folder if they are there."""
    if folder is None:
        return score(model, region, device=device, **settings)
    facts = {"files": region.sha256, "model": identity(model), **settings, "version": version}
    fingerprint, card = json.dumps(facts, sort_keys=True), model.card
    place = f"{region.name}\n{card.name}\n{card.where}\n{score.__name__}"
    readable = "".join(letter if letter.isalnum() else "_" for letter in f"{card.name[-24:]}_{region.name[-60:]}")
    path = Path(folder) / "parts" / f"{readable}_{hashlib.sha256(place.encode()).hexdigest()[:12]}.npz"
    found = _read_part(path, fingerprint)
    if found is None:
        numbers, arrays = found = score(model, region, device=device, **settings)
        with whole_file(path) as stream:
            np.savez_compressed(stream, fingerprint=fingerprint, numbers=json.dumps(numbers), **arrays)
    return found


def _read_part(path, fingerprint):
    """What was kept in a file, or `None` if it is not there, was made otherwise, or is damaged."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            arrays = dict(kept)
            if str(arrays.pop("fingerprint")) == fingerprint:
                return json.loads(str(arrays.pop("numbers"))), arrays
    except (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile):
        pass
    return None


def evaluate(
    regions, models=MODELS, *, n_samples=8, seed=0, two_samples=False, folder=None, device=None, progress=False
):
    """
    Run models on regions and score them.

    Parameters
    ----------
    regions : `list` of `~sunpy_magsr.validation.Region`
        Truths and inputs.
    models : sequence
        Models, as for `sunpy_magsr.superresolve`, and `~sunpy_magsr.validation.Results`. Several names of the same
        model are computed once. Defaults to `MODELS`.
    n_samples : `int`
        Number of samples of the diffusion models. Defaults to 8.
    seed : `int`
        Seed of the samples. Defaults to 0.
    two_samples : `bool`
        Whether to train a network that tells samples from the truth (``tell_apart``),
        about a minute for each model. Defaults to `False`.
    folder : `str` or `pathlib.Path`, optional
        A folder to keep finished parts in (one model on one region). A part that is found there is not computed again if
        its file, model, settings and version of the package are the same. By default nothing is kept.
    device : `str`, optional
        The torch device, as for `sunpy_magsr.superresolve`.
    progress : `bool`
        Whether to show a progress bar on a terminal. Defaults to `False`.

    Returns
    -------
    `Evaluation`
        The scores. A region that one of the models or metrics cannot take is left out for all models, and ``failed`` has
        the reason.

    Raises
    ------
    ValueError
        If a model is unknown, an option is out of range, or no region could be scored.
    """
    Settings(n_samples=n_samples, seed=seed)  # checks them
    if two_samples and len(regions) < _FEWEST_REGIONS:
        msg = f"two_samples must be used with at least {_FEWEST_REGIONS} regions, got {len(regions)}."
        raise ValueError(msg)
    settings = {"n_samples": n_samples, "seed": seed, "segment": _segment(regions), "keep_sample": bool(two_samples)}
    found = score_all(regions, models, score_region, settings, folder=folder, device=device, progress=progress)
    kept = [region for region in regions if all(region.name in rows for rows in found.numbers.values())]
    check_any(kept, found.failed, "regions must hold one that can be scored, got none")
    numbers, arrays = (
        {name: {region.name: rows[region.name] for region in kept} for name, rows in of_models.items()}
        for of_models in (found.numbers, found.arrays)
    )
    apart, failed = {}, found.failed
    for name in models if two_samples else ():
        samples = [arrays[str(name)][region.name]["sample"] for region in kept]
        try:
            apart[str(name)] = tell_apart([region.truth for region in kept], samples)
        except ValueError as error:  # such as no crop with enough field: the other numbers are right all the same
            failed = failed | {f"{name}, two samples": reason(error)}
    return dataclasses.replace(found, regions=kept, numbers=numbers, arrays=arrays, failed=failed, two_samples=apart)


def evaluate_pairs(pairs, models, *, n_samples=8, seed=0, folder=None, device=None, progress=False):
    """
    Run models on pairs of images of MDI and HMI, and compare their results with HMI, on its scale.

    Errors are given relative to those of the *scaled input*: MDI interpolated by cubic splines, times the factor with which
    it fits HMI best. No user knows that factor. The mean is that of antithetic pairs of samples, as users get it; spread and
    CRPS are those of as many independent samples. Power, flux and area are those of the first sample.

    Parameters
    ----------
    pairs : `list` of `~sunpy_magsr.validation.Region`
        The pairs, from `~sunpy_magsr.validation.read_published_pairs`.
    models : sequence
        Models, as for `sunpy_magsr.superresolve`, and `~sunpy_magsr.validation.Results`.
    n_samples, seed : `int`
        Number of samples of the diffusion models, and their seed. They default to 8 and 0.
    folder : `str` or `pathlib.Path`, optional
        A folder to keep finished parts in, as for `evaluate`.
    device : `str`, optional
        The torch device, as for `sunpy_magsr.superresolve`.
    progress : `bool`
        Whether to show a progress bar on a terminal. Defaults to `False`.

    Returns
    -------
    `Evaluation`
        The scores.
    """
    settings = {"n_samples": n_samples, "seed": seed}
    return score_all(pairs, models, score_pair, settings, folder=folder, device=device, progress=progress)


def _segment(regions):
    """Side in arcsec of the segments of spectra: that of the smallest region, at most 64."""
    fields = [read_field(region.truth, plate_scale=region.plate_scale) for region in regions]
    sides = [scale * size for field in fields for scale, size in zip(field.arcsec[::-1], field.data.shape, strict=True)]
    return float(min([_LARGEST_SEGMENT, *sides]))
