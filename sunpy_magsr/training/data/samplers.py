"""Random patches of the magnetograms in a store."""

import numpy as np

from sunpy_magsr._options import check_range
from sunpy_magsr.training.data.store import PatchStore, store_folder

_FACTOR = 4
_ATTEMPTS = 100
_OF_THE_STORE = (
    "allowed_quality",
    "max_missvals",
    "least_mu",
    "least_mu_heliographic",
    "helioprojective_share",
    "strong_field",
    "validation_harps",
    "validation_dates",
    "test_dates",
    "least_gap_days",
    "drop_gap",
)


class PatchSampler:
    """
    Draw random square patches, turned, mirrored and flipped in polarity at random.

    A window of the store is drawn by its weight, and a patch about its middle or one of its strong pixels. A batch
    depends on the seed and its number alone, so a resumed run sees the patches of an uninterrupted one.

    Parameters
    ----------
    store : ``PatchStore``
        The magnetograms.
    side : {"training", "validation"}
        Which of them are drawn from.
    patch : `int`
        Side of a patch in high-resolution pixels.
    component_weights : `dict`
        Share of each component of the field; components that are not in it are not drawn. By default all are drawn, as
        often as they are in the store.
    strong_share : `float`
        Share of the patches that are centered near a pixel above ``data.strong_field``.
    strength_range : sequence of `float`
        Lowest and highest factor by which patches without a partner are multiplied, with their noise. Without it, a network
        could recognize a magnetogram by its noise.
    noise_range : sequence of `float`
        Lowest and highest noise in Gauss that patches have after that. Factors that do not bring it there are not drawn, nor
        are magnetograms for which none does. By default any noise is allowed.
    seed : `int`
        Seed of the random numbers.

    Raises
    ------
    ValueError
        If no magnetogram of that side and those components is large enough.
    """

    def __init__(
        self,
        store,
        *,
        side="training",
        patch,
        component_weights=None,
        strong_share=0.5,
        strength_range=(1, 1),
        noise_range=(),
        seed=0,
    ):
        self.store, self.side, self.patch, self.strong_share, self.seed = store, side, patch, strong_share, seed
        fields, number = store.fields, np.asarray(store.patches["field"])
        usable = (np.minimum(fields["rows"], fields["columns"]) >= patch) & (fields["side"] == side)
        self._noise, self._gain = (np.asarray(fields[name], dtype=np.float32) for name in ("noise", "gain"))
        self._strength = np.broadcast_to(np.asarray(strength_range, dtype=np.float32), (len(fields), 2))
        if len(noise_range):
            factors = np.asarray(noise_range, dtype=np.float32) / self._noise[:, None]
            self._strength = np.clip(factors, *strength_range)
            usable &= np.all(self._strength == np.clip(self._strength, factors[:, :1], factors[:, 1:]), axis=1)
        component, is_pair = (np.asarray(values)[number] for values in (fields["component"], fields["low_offset"] >= 0))
        weight = np.where(np.asarray(usable)[number], store.patches["weight"], 0.0)
        strong = weight * np.asarray(store.patches["strong"])
        shares = {name.lower(): share for name, share in (component_weights or {}).items()}
        self._chances = {
            pairs: [_cumulative(values * (is_pair == pairs), component, shares) for values in (weight, strong)]
            for pairs in (False, True)
        }
        if all(chances[0] is None for chances in self._chances.values()):
            msg = (
                f"patch must fit into a magnetogram of the {side} data, got {patch} and none of "
                f"{', '.join(shares) or 'them'} is as large."
            )
            raise ValueError(msg)
        columns = [np.asarray(store.patches[name]) for name in ("field", "y", "x", "height", "width")]
        self._windows = np.stack(columns, axis=1)
        self._shapes = np.stack([fields["rows"], fields["columns"]], axis=1)

    def batch(self, number, size):
        """Draw the patches of one batch."""
        drawn = self._draw(number, size, pairs=False)
        rng = np.random.default_rng([self.seed, number, 1])
        numbers = [field for field, _ in drawn]
        strength = np.exp(rng.uniform(*np.log(self._strength[numbers]).T)).astype(np.float32)
        patches = np.stack([patch for _, patch in drawn])[:, None] * strength[:, None, None, None]
        return patches, self._noise[numbers] * strength

    def pair_batch(self, number, size, *, scale="hmi"):
        """Draw the patches of one batch of true pairs, both of a pair turned alike."""
        if self.patch % _FACTOR:
            msg = f"patch must be a multiple of {_FACTOR} for true pairs, got {self.patch}."
            raise ValueError(msg)
        drawn = self._draw(number, size, pairs=True)
        fields, high, low = zip(*drawn, strict=True)
        gain = self._gain[list(fields)] if scale == "input" else np.ones(size, np.float32)
        high = np.stack(high)[:, None] * gain[:, None, None, None]
        return high, np.stack(low)[:, None], gain * self._noise[list(fields)]

    def names(self, number, size, *, pairs=False):
        """List the names of the magnetograms in a `batch` or a `pair_batch`."""
        return [str(self.store.fields["name"][field]) for field, *_ in self._draw(number, size, pairs=pairs)]

    def _draw(self, number, size, *, pairs):
        chances = self._chances[pairs]
        if chances[0] is None:
            what = "true pairs (see data.pairs)" if pairs else "high-resolution magnetograms"
            msg = f"data.store must hold {what} of {self.patch} pixels in its {self.side} data, got none."
            raise ValueError(msg)
        rng = np.random.default_rng([self.seed, number])
        drawn = []
        for _ in range(_ATTEMPTS * size):
            if len(drawn) == size:
                return drawn
            near_strong = chances[1] is not None and rng.random() < self.strong_share
            row = np.searchsorted(chances[int(near_strong)], rng.random(), side="right")
            field, (y, x) = self._windows[row, 0], self._corner(rng, row, near_strong=near_strong)
            arrays = [self.store.read(field, y, x, self.patch, self.patch)]
            if pairs:
                low = (part // _FACTOR for part in (y, x, self.patch, self.patch))
                arrays.append(self.store.read_low(field, *low))
            if all(np.isfinite(array).all() for array in arrays):
                turn = rng.integers([4, 2, 2])
                drawn.append((field, *(_turned(array, *turn) for array in arrays)))
        if len(drawn) == size:
            return drawn
        msg = f"data must hold patches of {self.patch} pixels without missing data, found {len(drawn)} of {size}."
        raise ValueError(msg)

    def _corner(self, rng, row, *, near_strong):
        """Lower left corner of a patch, a multiple of 4, near a window's strong pixel or its middle."""
        field, *window = self._windows[row]
        start, size = np.array(window[:2]), np.array(window[2:])
        center = start + size // 2 + rng.integers(-(size // 4), size // 4 + 1)
        offset = self.patch // 2
        if near_strong:
            strong = np.abs(self.store.read(field, *window)) > self.store.settings["strong_field"]
            found = np.flatnonzero(strong)
            if len(found):
                center = start + np.unravel_index(found[rng.integers(len(found))], strong.shape)
                offset = rng.integers(self.patch // 4, 3 * self.patch // 4, 2)
        largest = (self._shapes[field] - self.patch) // _FACTOR
        return np.clip((center - offset + _FACTOR // 2) // _FACTOR, 0, largest) * _FACTOR


def _turned(patch, quarter, mirror, flip):
    patch = np.rot90(patch, quarter)
    return (patch[::-1] if mirror else patch) * np.float32(1 - 2 * flip)


def _cumulative(weight, component, shares):
    """Running sum of the chances, which ends at 1; `None` where there is none."""
    if shares:
        chance = np.zeros(len(weight))
        for name, share in shares.items():
            chosen = component == name
            total = weight[chosen].sum()
            if total:
                chance[chosen] = share * weight[chosen] / total
        weight = chance
    running = np.cumsum(weight)
    return running / running[-1] if running[-1] else None


def samplers_of(config, stage):
    """Make the samplers of a stage: one of training data, one of validation data."""
    data = config.data
    check_range("data.strength_range", data.strength_range, is_logarithmic=True)
    if data.noise_range:
        check_range("data.noise_range", data.noise_range, is_logarithmic=True)
    if len(data.components) != len(data.component_weights):
        msg = (
            f"data.component_weights must have one weight for each of {data.components}, got {data.component_weights}."
        )
        raise ValueError(msg)
    store = PatchStore.open(store_folder(config))
    for key in _OF_THE_STORE:
        if getattr(data, key) != store.settings[key]:
            msg = (
                f"data.{key} must be that of the store, {store.settings[key]!r}, got {getattr(data, key)!r}; "
                "run `magsr-train prepare` again to change it."
            )
            raise ValueError(msg)
    if not set(data.components) <= set(store.settings["components"]):
        msg = (
            f"data.components must be among those of the store, {store.settings['components']}, got {data.components}."
        )
        raise ValueError(msg)
    options = {
        "patch": stage.patch,
        "component_weights": dict(zip(data.components, data.component_weights, strict=True)),
        "strong_share": data.strong_share,
        "seed": stage.seed,
    }
    sides = [side for side in ("training", "validation") if (store.fields["side"] == side).any()]
    varied = {
        "training": {"strength_range": data.strength_range, "noise_range": data.noise_range},
        "validation": {},
    }
    training, *validation = (PatchSampler(store, side=side, **options, **varied[side]) for side in sides)
    return training, validation[0] if validation else None
