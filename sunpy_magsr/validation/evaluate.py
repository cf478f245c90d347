"""Evaluation of models on regions, each finished part kept."""

import dataclasses
import hashlib
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
from sunpy_magsr.validation.scores import BANDS, SMALL, score
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


class Part:
    """
    One model on one region, which is computed once and kept in a file.

    Parameters
    ----------
    backend : ``Backend``
        The model.
    region : `~sunpy_magsr.validation.Region`
        The region.
    settings : `dict`
        Options of ``score``.
    folder : `pathlib.Path` or `None`
        The folder for the file. `None` keeps nothing.
    """

    def __init__(self, backend, region, settings, folder):
        self.backend, self.region, self.settings = backend, region, settings
        facts = {"files": region.sha256, "model": identity(backend), **settings, "version": version}
        self.fingerprint = json.dumps(facts, sort_keys=True)
        card = backend.card
        place = hashlib.sha256(f"{region.name}\n{card.name}\n{card.where}".encode()).hexdigest()[:12]
        readable = "".join(letter if letter.isalnum() else "_" for letter in f"{card.name[-24:]}_{region.name[-60:]}")
        self.path = folder / "parts" / f"{readable}_{place}.npz" if folder else None

    def result(self, device=None):
        """Give the result of ``score``, from the file if it is there."""
        return self._load() or self._compute(device)

    def _load(self):
        if self.path is None or not self.path.is_file():
            return None
        try:
            with np.load(self.path, allow_pickle=False) as kept:
                if str(kept["fingerprint"]) != self.fingerprint:
                    return None
                arrays = {key: kept[key] for key in kept if key not in ("fingerprint", "numbers")}
                return json.loads(str(kept["numbers"])), arrays
        except (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile):
            return None  # damaged: done again

    def _compute(self, device):
        numbers, arrays = score(self.backend, self.region, device=device, **self.settings)
        if self.path is not None:
            with whole_file(self.path) as stream:
                words = {"fingerprint": np.array(self.fingerprint), "numbers": np.array(json.dumps(numbers))}
                np.savez_compressed(stream, **words, **arrays)
        return numbers, arrays


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
    Results of `evaluate`.

    Parameters
    ----------
    regions : `list` of `~sunpy_magsr.validation.Region`
        The regions that were scored.
    cards : `dict` of `str` to `~sunpy_magsr.store.ModelCard`
        The card of each model, by the name that was asked for.
    identities : `dict` of `str` to `str`
        The digest of each model (`~sunpy_magsr.validation.evaluate.identity`), by the same names.
    numbers : `dict`
        The numbers of each region, ``[model][region][name]``, from ``score``.
    arrays : `dict`
        The arrays of each region, ``[model][region][name]``, from ``score``.
    settings : `dict`
        ``n_samples``, ``seed``, and ``segment``, the side of the spectra's segments in arcsec.
    failed : `dict` of `str` to `str`
        The reason why a region could not be scored, by the region's name, or why there is no two-samples test of a model.
    two_samples : `dict`
        The ``TwoSamples`` of each model, empty if it was not asked for.
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
            found["two_samples"] = (self.two_samples[model].auc, np.nan, np.nan)
        return found

    def small_features(self, model, kind="sample", band=BANDS[-1]):
        """Say how much power and how much coherence with the truth a model has in a band of small scales."""
        longest, shortest = band
        rows = [
            [row[f"{key}_{kind}_{longest:g}_{shortest:.3g}"] for key in SMALL] for row in self.numbers[model].values()
        ]
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
        The results. A region that one of the models or metrics cannot take is left out for all models, and ``failed`` has
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
    instruments = {region.low.instrument for region in regions}
    instrument = instruments.pop() if len(instruments) == 1 else None
    backends = {str(model): load_model(model, instrument) for model in models}
    identities = {name: identity(backend) for name, backend in backends.items()}
    settings = {"n_samples": n_samples, "seed": seed, "segment": _segment(regions), "keep_sample": bool(two_samples)}
    folder = None if folder is None else Path(folder)
    done, failed = {}, {}
    with tqdm(total=len(regions) * len(backends), disable=None if progress else True, unit="part") as bar:
        for name, backend in backends.items():
            for region in regions:
                bar.set_postfix_str(f"{name}, {region.name[-48:]}")
                key = (identities[name], region.name)
                if key not in done and region.name not in failed:
                    try:
                        done[key] = Part(backend, region, settings, folder).result(device)
                    except ValueError as error:
                        failed[region.name] = f"{name}: {reason(error)}"
                bar.update()
    kept = [region for region in regions if region.name not in failed]
    check_any(kept, failed, "regions must hold one that can be scored, got none")
    numbers, arrays = (
        {name: {region.name: done[identities[name], region.name][which] for region in kept} for name in backends}
        for which in (0, 1)
    )
    cards = {name: backend.card for name, backend in backends.items()}
    apart = {}
    for name in backends if two_samples else ():
        try:
            apart[name] = _told(kept, arrays[name])
        except ValueError as error:  # such as no crop with enough field: the other numbers are right all the same
            failed[f"{name}, two samples"] = reason(error)
    return Evaluation(kept, cards, identities, numbers, arrays, settings, failed, apart)


def _told(regions, arrays):
    return tell_apart([region.truth for region in regions], [[arrays[region.name]["sample"]] for region in regions])


def load_model(model, instrument=None):
    """Load a model, or take results as they are."""
    return model if isinstance(model, Results) else load_backend(model, instrument=instrument)


def _segment(regions):
    """Side in arcsec of the segments of spectra: that of the smallest region, at most 64."""
    fields = [read_field(region.truth, plate_scale=region.plate_scale) for region in regions]
    sides = [scale * size for field in fields for scale, size in zip(field.arcsec[::-1], field.data.shape, strict=True)]
    return float(min([_LARGEST_SEGMENT, *sides]))
