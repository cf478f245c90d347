"""One model on one region, kept in a file so that a run that was stopped resumes."""

import dataclasses
import hashlib
import json
import zipfile
import zlib

import numpy as np

from sunpy_magsr.atomic import whole_file
from sunpy_magsr.validation.scores import score
from sunpy_magsr.version import version

__all__ = ["Part", "identity"]

_WORDS = ("name", "summary", "license", "training", "validation", "limits", "where")


def identity(backend):
    """
    Make a digest of everything that determines the result of a model: weights, configurations, and numbers of its card.

    Parameters
    ----------
    backend : `~sunpy_magsr.backends.base.Backend`
        The model, from `~sunpy_magsr.backends.load_backend`.

    Returns
    -------
    `str`
        The digest. Two models with the same digest give the same results.
    """
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
    backend : `~sunpy_magsr.backends.base.Backend`
        The model.
    region : `~sunpy_magsr.validation.regions.Region`
        The region.
    settings : `dict`
        Options of `~sunpy_magsr.validation.scores.score`.
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
        """
        Give the result of `~sunpy_magsr.validation.scores.score`, from the file if it is there.

        Parameters
        ----------
        device : `str`, optional
            The torch device, as for `sunpy_magsr.superresolve`.

        Returns
        -------
        numbers : `dict` of `str` to `float`
            The numbers by their names.
        arrays : `dict` of `str` to `numpy.ndarray`
            The arrays by their names.
        """
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
