"""Whether a small network can tell samples from HMI."""

import dataclasses

import numpy as np
import scipy.stats

__all__ = ["TwoSamples", "tell_apart"]

_STEP = 16  # pixels between crops
_SCALE = 30.0  # Gauss: the network sees asinh(B / 30 G)
_CHANNELS = (24, 48, 64, 96)
_BATCH, _RATE, _DECAY, _DROPOUT = 32, 2e-3, 1e-2, 0.3


@dataclasses.dataclass(frozen=True)
class TwoSamples:
    """
    Result of `tell_apart`.

    Parameters
    ----------
    auc : `float`
        Mean over the folds of the area under the ROC curve: the probability that the network holds a crop of a sample for
        less real than a crop of the truth. It is 0.5 if they are indistinguishable and 1 if they are told at once.
    folds : `tuple` of `float`
        The area in each fold.
    crops : `int`
        Number of crops of the truth.
    """

    auc: float
    folds: tuple
    crops: int


def tell_apart(truths, samples, *, size=48, least_field=25.0, noise=0.0, steps=250, folds=3, seed=0):
    """
    Train a small network to tell samples from truths, and test it on regions that it did not see.

    This is the classifier two-sample test of Lopez-Paz & Oquab 2017 (arXiv:1610.06545). It finds any difference that such a
    network can learn from so many crops; a higher number of crops finds more.

    Parameters
    ----------
    truths : sequence of `numpy.ndarray`
        The truth of each region in Gauss ``[Y, X]``, NaN where there is none. Shapes may differ.
    samples : sequence of sequence of `numpy.ndarray`
        One or more samples of each region on the same pixels.
    size : `int`
        Side of the crops in pixels, at least 16. Defaults to 48.
    least_field : `float`
        Least mean unsigned field of a crop in Gauss. Defaults to 25.
    noise : `float`
        Standard deviation in Gauss of white noise that is added to both, so that weaker differences do not count. Defaults
        to 0.
    steps : `int`
        Number of training steps, with 32 crops of each kind. Defaults to 250.
    folds : `int`
        Number of times that the network is trained, each time without other regions. Defaults to 3.
    seed : `int`
        Seed of the training and of the noise. Defaults to 0.

    Returns
    -------
    `TwoSamples`
        How well they are told apart.

    Raises
    ------
    ValueError
        If there are fewer regions than folds or than two, or a fold has no crop to train or to test on.
    """
    if len(truths) != len(samples) or len(truths) < max(folds, 2):
        msg = f"truths and samples must be as many, at least {max(folds, 2)}, got {len(truths)} and {len(samples)} regions."
        raise ValueError(msg)
    rng = np.random.default_rng(seed)
    options = {"size": size, "least_field": least_field, "noise": noise, "rng": rng}
    crops = [
        (_crops([truth], **options), _crops(list(drawn), **options))
        for truth, drawn in zip(truths, samples, strict=True)
    ]
    areas = []
    for fold in range(folds):
        train, test = (
            [
                np.concatenate([pair[kind] for number, pair in enumerate(crops) if (number % folds == fold) is tested])
                for kind in (0, 1)
            ]
            for tested in (False, True)
        )
        if not all(len(one) for one in (*train, *test)):
            msg = f"truths and samples must have crops of {size} x {size} pixels above {least_field:g} G in all folds, got none."
            raise ValueError(msg)
        network = _trained(train, steps, seed + fold)
        areas.append(_area(*(_judged(network, one) for one in test)))
    return TwoSamples(float(np.mean(areas)), tuple(areas), sum(len(pair[0]) for pair in crops))


def _crops(fields, *, size, least_field, noise, rng):
    """Crops of all fields as the network sees them, float32 ``[crop, y, x]``."""
    found = []
    for field in fields:
        for y in range(0, field.shape[0] - size + 1, _STEP):
            for x in range(0, field.shape[1] - size + 1, _STEP):
                crop = field[y : y + size, x : x + size]
                if np.isfinite(crop).all() and np.abs(crop).mean() >= least_field:
                    found.append(np.arcsinh((crop + noise * rng.normal(size=crop.shape)) / _SCALE))
    return np.array(found, dtype=np.float32).reshape(-1, size, size)


def _network():
    from torch import nn

    layers, before = [], 1
    for channels in _CHANNELS:
        layers += [nn.Conv2d(before, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.LeakyReLU(0.1)]
        layers.append(nn.AvgPool2d(2))
        before = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(_DROPOUT), nn.Linear(before, 1))


def _trained(crops, steps, seed):
    """A network that gives samples a higher number than truths."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        rng, network = np.random.default_rng(seed), _network()
        optimizer = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
        target = torch.tensor(np.repeat([0.0, 1.0], _BATCH), dtype=torch.float32)
        for _ in range(steps):
            batch = np.concatenate([kind[rng.integers(0, len(kind), _BATCH)] for kind in crops])
            given = torch.tensor(_turned(batch, rng))[:, None]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(network(given)[:, 0], target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def _turned(batch, rng):
    """The crops in another orientation and with other signs, which do not matter."""
    batch = np.rot90(batch, rng.integers(4), axes=(1, 2))
    batch = batch[:, ::-1] if rng.random() < 0.5 else batch
    return np.ascontiguousarray(batch * rng.choice([-1, 1], (len(batch), 1, 1)).astype(np.float32))


def _judged(network, crops):
    import torch

    with torch.no_grad():
        parts = [network(torch.tensor(part)[:, None])[:, 0] for part in np.array_split(crops, -(-len(crops) // 256))]
    return torch.cat(parts).numpy()


def _area(of_truth, of_samples):
    """Area under the ROC curve, from the rank sum of Mann & Whitney."""
    statistic = scipy.stats.mannwhitneyu(of_samples, of_truth).statistic
    return float(statistic / (len(of_truth) * len(of_samples)))
