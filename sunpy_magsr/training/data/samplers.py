"""Random patches of the magnetograms in a store."""

import numpy as np

from sunpy_magsr._options import check_range
from sunpy_magsr.training.data.store import FACTOR, PatchStore, store_folder

_ATTEMPTS = 100
_OF_THE_STORE = (
    *("allowed_quality", "max_missvals", "least_mu", "least_mu_heliographic", "helioprojective_share", "strong_field"),
    *("validation_harps", "validation_dates", "test_dates", "least_gap_days", "drop_gap"),
)


class PatchSampler:
    """
    Draw random square patches, turned, mirrored and flipped in polarity at random.

    A window of the store is drawn by its weight, and a patch about its middle or, for the ``strong_share`` of them, one of
    its strong pixels. A batch depends on the seed and its number alone, so a resumed run sees the patches of an
    uninterrupted one. Patches without a partner are multiplied, with their noise, by a factor within ``strength_range`` that
    brings the noise into ``noise_range``: a network could else recognize a magnetogram by its noise.
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
        self.store, self.patch, self.strong_share, self.seed = store, patch, strong_share, seed
        fields, windows = store.fields, store.patches
        number = np.asarray(windows["field"])
        self._shapes = np.stack([fields["rows"], fields["columns"]], axis=1)
        self._windows = np.stack([windows[name] for name in ("field", "y", "x", "height", "width")], axis=1)
        self._noise, self._gain = (np.asarray(fields[name], dtype=np.float32) for name in ("noise", "gain"))
        usable = (self._shapes.min(axis=1) >= patch) & (fields["side"] == side)
        self._strength = np.broadcast_to(np.asarray(strength_range, dtype=np.float32), (len(fields), 2))
        if len(noise_range):
            factors = np.asarray(noise_range, dtype=np.float32) / self._noise[:, None]
            self._strength = np.clip(factors, *strength_range)
            usable &= np.all(self._strength == np.clip(self._strength, factors[:, :1], factors[:, 1:]), axis=1)
        component, is_pair = (np.asarray(values)[number] for values in (fields["component"], fields["low_offset"] >= 0))
        weight = np.where(np.asarray(usable)[number], windows["weight"], 0.0)
        strong = weight * np.asarray(windows["strong"])
        shares = {name.lower(): share for name, share in (component_weights or {}).items()}
        # By whether there is a partner: running sums of the chances of all windows, and of those with strong field.
        self._chances = [
            [_running_sum(values * (is_pair == pairs), component, shares) for values in (weight, strong)]
            for pairs in (False, True)
        ]
        if all(everywhere is None for everywhere, _ in self._chances):
            wanted = ", ".join(shares) or "them"
            msg = f"patch must fit into a magnetogram of the {side} data, got {patch} and none of {wanted} is as large."
            raise ValueError(msg)

    def batch(self, number, size):
        """Draw the patches of one batch, Gauss ``[N, 1, H, W]``, and the noise of each."""
        drawn = self._draw(number, size, pairs=False)
        rng = np.random.default_rng([self.seed, number, 1])
        numbers = [field for field, _ in drawn]
        strength = np.exp(rng.uniform(*np.log(self._strength[numbers]).T)).astype(np.float32)
        patches = np.stack([patch for _, patch in drawn])[:, None] * strength[:, None, None, None]
        return patches, self._noise[numbers] * strength

    def pair_batch(self, number, size, *, scale="hmi"):
        """Draw high and low resolution of one batch of true pairs, both of a pair turned alike, and the noise."""
        if self.patch % FACTOR:
            msg = f"patch must be a multiple of {FACTOR} for true pairs, got {self.patch}."
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
            msg = f"data.store must hold {what} of {self.patch} pixels, got none."
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
                arrays.append(self.store.read_low(field, *(part // FACTOR for part in (y, x, self.patch, self.patch))))
            if all(np.isfinite(array).all() for array in arrays):
                turn = rng.integers([4, 2, 2])
                drawn.append((field, *(_turn(array, *turn) for array in arrays)))
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
        largest = (self._shapes[field] - self.patch) // FACTOR
        return np.clip((center - offset + FACTOR // 2) // FACTOR, 0, largest) * FACTOR


def _turn(patch, quarter, mirror, flip):
    patch = np.rot90(patch, quarter)
    return (patch[::-1] if mirror else patch) * np.float32(1 - 2 * flip)


def _running_sum(weight, component, shares):
    """Sum chances up to 1, each component with its share of them; `None` where there is none."""
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
    """Make the samplers of a stage: one of training data, and one of validation data if there are any."""
    data = config.data
    varied = {"strength_range": data.strength_range, "noise_range": data.noise_range}
    for name, limits in varied.items():
        if name == "strength_range" or limits:
            check_range(f"data.{name}", limits, is_logarithmic=True)
    if len(data.components) != len(data.component_weights):
        msg = f"data.component_weights must be one for each of {data.components}, got {data.component_weights}."
        raise ValueError(msg)
    store = PatchStore(store_folder(config))
    for key in _OF_THE_STORE:
        if getattr(data, key) != store.settings[key]:
            got = f"{store.settings[key]!r}, got {getattr(data, key)!r}"
            msg = f"data.{key} must be that of the store, {got}; run `magsr-train prepare` again to change it."
            raise ValueError(msg)
    known = store.settings["components"]
    if not set(data.components) <= set(known):
        msg = f"data.components must be among those of the store, {known}, got {data.components}."
        raise ValueError(msg)
    options = {
        "patch": stage.patch,
        "component_weights": dict(zip(data.components, data.component_weights, strict=True)),
        "strong_share": data.strong_share,
        "seed": stage.seed,
    }
    training = PatchSampler(store, **options, **varied)
    is_validated = (store.fields["side"] == "validation").any()
    return training, PatchSampler(store, side="validation", **options) if is_validated else None
