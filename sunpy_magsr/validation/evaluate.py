"""Every model on every region, one part at a time."""

import dataclasses
import json
import zipfile
from pathlib import Path

import numpy as np
from tqdm import tqdm

from sunpy_magsr import metrics
from sunpy_magsr.atomic import whole_file
from sunpy_magsr.backends import load_backend
from sunpy_magsr.prep.field import read_field
from sunpy_magsr.validation.scores import score
from sunpy_magsr.version import version

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
        The pairs.
    cards : `dict` of `~sunpy_magsr.catalog.ModelCard`
        By the names that were asked for.
    numbers, arrays : `dict`
        ``[model][region]``, as `~sunpy_magsr.validation.scores.score` returns them.
    settings : `dict`
        Samples, seed and segment length in arcsec.
    """

    regions: list
    cards: dict
    numbers: dict
    arrays: dict
    settings: dict

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
            (percentiles of 4000 resamples; NaN with one region). The FID, times 1000, is of the patches of all regions.
        """
        rows = list(self.numbers[model].values())
        rng = np.random.default_rng(0)
        found = {}
        for key in rows[0]:
            values = np.array([row[key] for row in rows if np.isfinite(row.get(key, np.nan))])
            if len(values) > 1:
                drawn = values[rng.integers(len(values), size=(_RESAMPLES, len(values)))].mean(axis=1)
                low, high = np.quantile(drawn, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
            else:
                low = high = np.nan
            if len(values):
                found[key] = (float(values.mean()), float(low), float(high))
        parts = [one for one in self.arrays[model].values() if len(one["features"])]
        if sum(len(one["features"]) for one in parts) > _FEWEST_PATCHES:
            features = [np.concatenate([one[key] for one in parts]) for key in ("features", "features_truth")]
            found["fid"] = (1000 * float(metrics.frechet_distance(*features)), np.nan, np.nan)
        return found

    def average(self, model, key):
        """Mean of an array over the regions, for pictures."""
        return np.mean([one[key] for one in self.arrays[model].values()], axis=0)


def evaluate(regions, models=MODELS, *, n_samples=8, seed=0, folder=None, device=None, progress=False):
    """
    Run models on regions.

    Parameters
    ----------
    regions : `list` of `~sunpy_magsr.validation.regions.Region`
        The pairs.
    models : sequence
        As for `sunpy_magsr.superresolve`. Names of the same weights are computed once.
    n_samples : `int`
        Samples of the diffusion models.
    seed : `int`
        Of the samples.
    folder : `str` or `pathlib.Path`, optional
        Keeps finished parts (one model on one region), and those found there are not computed again if the files, the
        weights, the settings and the version are the same.
    device : `str`, optional
        Where to compute.
    progress : `bool`
        Show a progress bar on a terminal.

    Returns
    -------
    `Evaluation`

    Raises
    ------
    ValueError
        For an unknown model.
    """
    backends = {str(model): load_backend(model) for model in models}
    sides = [
        min(scale * size for scale, size in zip(field.arcsec[::-1], field.data.shape, strict=True))
        for field in (read_field(region.truth, plate_scale=region.plate_scale) for region in regions)
    ]
    settings = {"n_samples": n_samples, "seed": seed, "segment": min(_LARGEST_SEGMENT, *sides, _LARGEST_SEGMENT)}
    numbers, arrays, done = {}, {}, {}
    with tqdm(total=len(regions) * len(backends), disable=None if progress else True, unit="part") as bar:
        for name, backend in backends.items():
            numbers[name], arrays[name] = {}, {}
            identity = backend.card.sha256 or backend.card.name
            for region in regions:
                bar.set_postfix_str(f"{name}, {region.name[-48:]}")
                if (identity, region.sha256) not in done:
                    part = _Part(folder, name, region, backend, settings)
                    done[identity, region.sha256] = part.load() or part.compute(device)
                numbers[name][region.name], arrays[name][region.name] = done[identity, region.sha256]
                bar.update()
    cards = {name: backend.card for name, backend in backends.items()}
    return Evaluation(regions, cards, numbers, arrays, settings)


class _Part:
    """One model on one region, and the file that keeps it."""

    def __init__(self, folder, name, region, backend, settings):
        self.region, self.backend, self.settings = region, backend, settings
        safe = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in f"{region.name}.{name}")
        self.path = Path(folder) / "parts" / f"{safe}.npz" if folder else None
        card = backend.card
        identity = {"files": region.sha256, "weights": card.sha256, "model": card.name, "steps": card.steps}
        self.fingerprint = json.dumps({**identity, **settings, "version": version}, sort_keys=True)

    def load(self):
        """What an earlier run kept, or `None` if it is not there, damaged, or of something else."""
        if self.path is None or not self.path.is_file():
            return None
        try:
            with np.load(self.path, allow_pickle=False) as kept:
                if str(kept["fingerprint"]) != self.fingerprint:
                    return None
                arrays = {key: kept[key] for key in kept if key not in ("fingerprint", "numbers")}
                return json.loads(str(kept["numbers"])), arrays
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None

    def compute(self, device):
        """Do the work and keep it."""
        numbers, arrays = score(self.backend, self.region, device=device, **self.settings)
        if self.path is not None:
            with whole_file(self.path) as stream:
                np.savez_compressed(
                    stream, fingerprint=np.array(self.fingerprint), numbers=np.array(json.dumps(numbers)), **arrays
                )
        return numbers, arrays
