"""Every model on every region."""

import dataclasses
from pathlib import Path

import astropy.units as u
import numpy as np
import scipy.stats
from tqdm.auto import tqdm

from sunpy_magsr import metrics, spectral
from sunpy_magsr.backends import load_backend
from sunpy_magsr.job import check_options
from sunpy_magsr.prep.field import read_field
from sunpy_magsr.prep.files import reason
from sunpy_magsr.validation.parts import Part, identity
from sunpy_magsr.validation.scores import BANDS, SMALL

__all__ = ["MODELS", "Evaluation", "evaluate"]

#: Every name that the package answers to, baselines first.
MODELS = ("bicubic", "enhance", "progressive", "ddpm", "ldm", "ldm-res", "default")
_LARGEST_SEGMENT = 64.0
_RESAMPLES = 4000
_LEVEL = 0.95
_FEWEST_PATCHES = 64  # as many as there are features


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """
    What came out.

    Attributes
    ----------
    regions : `list` of `~sunpy_magsr.validation.regions.Region`
        Those that were scored.
    cards, identities : `dict`
        `~sunpy_magsr.catalog.ModelCard` and digest of the model, by the names that were asked for.
    numbers, arrays : `dict`
        ``[model][region]``, as `~sunpy_magsr.validation.scores.score` returns them.
    settings : `dict`
        Samples, seed and segment length in arcsec.
    failed : `dict`
        Why a region could not be scored, by name.
    """

    regions: list
    cards: dict
    identities: dict
    numbers: dict
    arrays: dict
    settings: dict
    failed: dict

    def pooled(self, model):
        """
        Means over the regions with bootstrap intervals.

        Parameters
        ----------
        model : `str`
            One of ``cards``.

        Returns
        -------
        `dict`
            By name of the number: mean, lower and upper end of the 95 % interval that resampling the regions gives
            (percentiles of 4000 resamples; NaN with one region). A region without a number, such as the flux
            error where there is no flux, is left out of its mean. The FID, times 1000, is of the patches of all
            regions.
        """
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
        return found

    def small_features(self, model, kind="sample", band=BANDS[-1]):
        """
        What a model holds in a band of small scales.

        Parameters
        ----------
        model : `str`
            One of ``cards``.
        kind : {"sample", "mean"}
            Of a sample or of the mean.
        band : `tuple` of `float`
            Longest and shortest wavelength in arcsec. Defaults to what is below MDI's pixel.

        Returns
        -------
        `~sunpy_magsr.spectral.SmallFeatures`
            Means over the regions, and the error of the mean.
        """
        longest, shortest = band
        rows = [
            [row[f"{key}_{kind}_{longest:g}_{shortest:.3g}"] for key in SMALL] for row in self.numbers[model].values()
        ]
        power_ratio, coherence, error = np.array(rows).T
        return spectral.SmallFeatures(power_ratio.mean(), coherence.mean(), _error_of_mean(error))

    def spectrum(self, model, key, error=None, unit=1):
        """
        Mean over the regions of an array of spectral values, for pictures.

        Parameters
        ----------
        model : `str`
            One of ``cards``.
        key, error : `str`
            Names of the values and of their errors.
        unit : `~astropy.units.Unit`
            Of the values.

        Returns
        -------
        `~sunpy_magsr.spectral.Spectrum`
            At the wavenumbers of the first region; regions on other grids are interpolated.
        """
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


def evaluate(regions, models=MODELS, *, n_samples=8, seed=0, folder=None, device=None, progress=False):
    """
    Run models on regions.

    Parameters
    ----------
    regions : `list` of `~sunpy_magsr.validation.regions.Region`
        The pairs.
    models : sequence
        As for `sunpy_magsr.superresolve`. Names of the same model are computed once.
    n_samples : `int`
        Samples of the diffusion models.
    seed : `int`
        Of the samples.
    folder : `str` or `pathlib.Path`, optional
        Keeps finished parts (one model on one region), and those found there are not computed again if files, model,
        settings and version are the same.
    device : `str`, optional
        Where to compute.
    progress : `bool`
        Show a progress bar on a terminal.

    Returns
    -------
    `Evaluation`
        A region that one of the models or metrics cannot take is left out for all of them, and named.

    Raises
    ------
    ValueError
        For an unknown model, and if no region is left.
    """
    check_options(n_samples=n_samples, seed=seed, steps=None, batch_size=None)
    instruments = {region.low.instrument for region in regions}
    instrument = instruments.pop() if len(instruments) == 1 else None
    backends = {str(model): load_backend(model, instrument=instrument) for model in models}
    identities = {name: identity(backend) for name, backend in backends.items()}
    settings = {"n_samples": n_samples, "seed": seed, "segment": _segment(regions)}
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
    if not kept:
        reasons = "".join(f"; {name}: {why}" for name, why in failed.items())
        msg = f"regions must hold one that can be scored, got none{reasons}."
        raise ValueError(msg)
    numbers, arrays = (
        {name: {region.name: done[identities[name], region.name][which] for region in kept} for name in backends}
        for which in (0, 1)
    )
    cards = {name: backend.card for name, backend in backends.items()}
    return Evaluation(kept, cards, identities, numbers, arrays, settings, failed)


def _segment(regions):
    """Side in arcsec of the segments of spectra: that of the smallest region, at most 64."""
    fields = [read_field(region.truth, plate_scale=region.plate_scale) for region in regions]
    sides = [scale * size for field in fields for scale, size in zip(field.arcsec[::-1], field.data.shape, strict=True)]
    return float(min([_LARGEST_SEGMENT, *sides]))
