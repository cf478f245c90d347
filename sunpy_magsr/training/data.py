"""Magnetograms from FITS files and random patches of them."""

import dataclasses
import re
from pathlib import Path

import numpy as np
from astropy.io import fits

from sunpy_magsr.metrics.noise import quiet_noise
from sunpy_magsr.training.splits import split_fields

__all__ = ["PatchSampler", "TrainingField", "load_fields", "samplers_of"]

_HARP = re.compile(r"sharp_cea_720s\.(\d+)\.(\d{8}_\d{6})_TAI\.(\w+)")
_ATTEMPTS = 100


@dataclasses.dataclass
class TrainingField:
    """One magnetogram: Gauss ``[y, x]`` with NaN where there is no measurement, and what is known of it."""

    data: np.ndarray
    name: str
    harp: int
    date: str
    component: str
    noise: float


def load_fields(root, *, pattern="*.fits", components=("los",), max_longitude=70.0):
    """
    Read the magnetograms in a folder.

    Parameters
    ----------
    root : `str` or `pathlib.Path`
        Folder, searched at all depths.
    pattern : `str`
        Glob pattern of the files.
    components : sequence of {"los", "Br", "Bp", "Bt"}
        Which components are wanted.
    max_longitude : `float`
        In degrees: columns of a CEA patch farther from the central meridian are left out.

    Returns
    -------
    `list` of `TrainingField`
        Sorted by name.

    Raises
    ------
    ValueError
        When no file is left.
    """
    fields = []
    for path in sorted(Path(root).rglob(pattern)):
        match = _HARP.search(path.name)
        component = match[3] if match else "los"
        component = "los" if component == "magnetogram" else component
        if component not in components:
            continue
        with fits.open(path) as hdus:
            hdu = next(hdu for hdu in hdus if getattr(hdu, "data", None) is not None and hdu.data.ndim == 2)
            data = hdu.data.astype(np.float32)
            header = hdu.header
        if match and "CRLN_OBS" in header:
            columns = np.arange(data.shape[1]) + 1 - header["CRPIX1"]
            longitude = header["CRVAL1"] + columns * header["CDELT1"] - header["CRLN_OBS"]
            data[:, np.abs((longitude + 180) % 360 - 180) > max_longitude] = np.nan
        if np.isfinite(data).sum() < 64**2:
            continue
        harp, date = (int(match[1]), match[2]) if match else (0, header.get("DATE-OBS", ""))
        fields.append(TrainingField(data, path.name, harp, date, component, quiet_noise(data)))
    if not fields:
        msg = f"data.root holds no usable magnetogram of {', '.join(components)} matching {pattern!r}: {root}."
        raise ValueError(msg)
    return fields


class PatchSampler:
    """
    Random square patches, turned, mirrored and flipped in polarity at random.

    A batch depends on the seed and its number alone, so a resumed run sees the patches of an uninterrupted one.

    Parameters
    ----------
    fields : `list` of `TrainingField`
        The magnetograms. A field's chance is its area, balanced between regions by a square root.
    patch : `int`
        Side in high-resolution pixels.
    component_weights : `dict`
        Relative share of each component.
    strong_field : `float`
        Gauss; a pixel above it is a strong one.
    strong_share : `float`
        Share of the patches that are centered near a strong pixel.
    seed : `int`
        Of the random numbers.
    """

    def __init__(self, fields, *, patch, component_weights=None, strong_field=200.0, strong_share=0.5, seed=0):
        self.fields = [field for field in fields if min(field.data.shape) >= patch]
        if not self.fields:
            msg = f"patch must fit into a magnetogram, got {patch} and none is as large."
            raise ValueError(msg)
        self.patch, self.strong_share, self.seed = patch, strong_share, seed
        area = np.array([np.isfinite(field.data).sum() for field in self.fields], dtype=float)
        group = [(field.harp, field.component) for field in self.fields]
        total = {key: sum(a for a, g in zip(area, group, strict=True) if g == key) for key in group}
        weight = np.array([a / np.sqrt(total[g]) for a, g in zip(area, group, strict=True)])
        for component, share in (component_weights or {}).items():
            chosen = np.array([field.component == component for field in self.fields])
            if chosen.any():
                weight[chosen] *= share / weight[chosen].sum()
        self.chance = weight / weight.sum()
        self.strong = [np.argwhere(np.abs(np.nan_to_num(field.data)) > strong_field) for field in self.fields]

    def batch(self, number, size):
        """
        The patches of one batch.

        Parameters
        ----------
        number : `int`
            Which batch.
        size : `int`
            How many patches.

        Returns
        -------
        patches : `numpy.ndarray`
            float32 Gauss ``[size, 1, patch, patch]``.
        noise : `numpy.ndarray`
            float32 Gauss ``[size]``, the noise of each patch's magnetogram.
        """
        rng = np.random.default_rng([self.seed, number])
        patches, noise = [], []
        for _ in range(_ATTEMPTS * size):
            if len(patches) == size:
                break
            index = rng.choice(len(self.fields), p=self.chance)
            field = self.fields[index]
            y, x = self._corner(rng, index)
            patch = field.data[y : y + self.patch, x : x + self.patch]
            if not np.isfinite(patch).all():
                continue
            patch = np.rot90(patch, rng.integers(4))
            patch = patch[::-1] if rng.integers(2) else patch
            patches.append(patch * (1 if rng.integers(2) else -1))
            noise.append(field.noise)
        if len(patches) < size:
            msg = f"data must hold patches of {self.patch} pixels without missing data, found {len(patches)} of {size}."
            raise ValueError(msg)
        return np.stack(patches)[:, None].astype(np.float32), np.array(noise, dtype=np.float32)

    def _corner(self, rng, index):
        shape = self.fields[index].data.shape
        strong = self.strong[index]
        if len(strong) and rng.random() < self.strong_share:
            center = strong[rng.integers(len(strong))]
            corner = center - rng.integers(self.patch // 4, 3 * self.patch // 4, 2)
        else:
            corner = np.array([rng.integers(side - self.patch + 1) for side in shape])
        return np.clip(corner, 0, np.array(shape) - self.patch)


def samplers_of(config, stage):
    """
    Where the patches of a stage come from.

    Parameters
    ----------
    config : `~sunpy_magsr.training.config.TrainingConfig`
        The run.
    stage : `~sunpy_magsr.training.config.StageConfig`
        One of its stages.

    Returns
    -------
    training, validation : `~sunpy_magsr.training.data.PatchSampler`
        The second is `None` if nothing is set aside.
    """
    data = config.data
    if len(data.components) != len(data.component_weights):
        msg = (
            f"data.component_weights must have one weight for each of {data.components}, got {data.component_weights}."
        )
        raise ValueError(msg)
    fields = load_fields(data.root, pattern=data.pattern, components=data.components, max_longitude=data.max_longitude)
    sides = split_fields(
        fields, harps=data.validation_harps, dates=data.validation_dates, least_gap=data.least_gap_days
    )
    options = {
        "patch": stage.patch,
        "component_weights": dict(zip(data.components, data.component_weights, strict=True)),
        "strong_field": data.strong_field,
        "strong_share": data.strong_share,
        "seed": stage.seed,
    }
    return tuple(PatchSampler(side, **options) if side else None for side in sides)
