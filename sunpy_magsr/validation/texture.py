"""Whether a sample can be told from the truth: traces of the lattice, and a network trained to tell."""

import dataclasses

import numpy as np
import scipy.ndimage
import scipy.stats
from numpy.lib.stride_tricks import sliding_window_view

#: Bands of wavelengths, shortest and longest, in pixels of the result.
LATTICE_BANDS = ((2, 3), (3, 4.5), (4.5, 6.5), (6.5, 10), (10, 16))
_WINDOW = 32
_ALONG_AXIS, _ALONG_DIAGONAL = 15, 15  # degrees from an axis or a diagonal
_DETAIL, _AROUND = 1.5, 8.0  # pixels: what is smoother is no detail, and where the mean energy of detail is taken


@dataclasses.dataclass(frozen=True)
class Lattice:
    """
    Traces of a lattice; `measure_lattice` finds them.

    Parameters
    ----------
    axis_ratio : `numpy.ndarray`
        Power of waves along rows and columns over that of waves along the diagonals, in each of `LATTICE_BANDS`. It is 1
        for an isotropic field.
    phases : `numpy.ndarray`
        Energy of detail by place within an input pixel, ``[row, column]``, over its mean. It is 1 everywhere if detail does
        not know the input's pixels.
    """

    axis_ratio: np.ndarray
    phases: np.ndarray


def measure_lattice(field, *, where=None, factor=4):
    """
    Measure whether a field prefers directions along its axes, or places within the input's pixels.

    The Sun does neither. HMI's own pixels may, so compare with the same numbers of the truth. Power is compared at equal
    wavenumber.
    """
    known = np.isfinite(field)
    chosen = known if where is None else known & where
    plane = _mean_power(np.nan_to_num(np.asarray(field, dtype=float)), known, chosen)
    ky, kx = np.meshgrid(np.fft.fftfreq(_WINDOW), np.fft.fftfreq(_WINDOW), indexing="ij")
    wavenumber, angle = np.hypot(ky, kx), np.degrees(np.arctan2(np.abs(ky), np.abs(kx)))
    along_axis = np.minimum(angle, 90 - angle) < _ALONG_AXIS
    along_diagonal = np.abs(angle - 45) < _ALONG_DIAGONAL
    plane = plane / _isotropic(plane, wavenumber)
    bands = [(wavenumber * shortest < 1) & (wavenumber * longest >= 1) for shortest, longest in LATTICE_BANDS]
    ratios = [plane[band & along_axis].mean() / plane[band & along_diagonal].mean() for band in bands]
    return Lattice(np.array(ratios), _phases(field, chosen, factor))


def _mean_power(field, known, chosen):
    """Mean of the spectra of windows, each over its sum."""
    step = (slice(None, None, _WINDOW // 2),) * 2
    views = [sliding_window_view(array, (_WINDOW, _WINDOW))[step] for array in (field, known, chosen)]
    usable = views[1].all(axis=(2, 3)) & (views[2].mean(axis=(2, 3)) > 0.5)
    windows = views[0][usable]
    hann = np.outer(np.hanning(_WINDOW), np.hanning(_WINDOW))
    power = np.abs(np.fft.fft2((windows - windows.mean(axis=(1, 2), keepdims=True)) * hann)) ** 2
    total = power.sum(axis=(1, 2))
    power = power[total > 0] / total[total > 0, None, None]
    if not len(power):
        msg = f"field must have a window of {_WINDOW} x {_WINDOW} known pixels of which half are measured, got none."
        raise ValueError(msg)
    return power.mean(axis=0)


def _isotropic(plane, wavenumber):
    """Mean power at each wavenumber; a steep spectrum would differ between axes and diagonals, whose modes lie elsewhere."""
    ring = np.rint(_WINDOW * wavenumber).astype(int)
    count = np.bincount(ring.ravel())
    means = [np.bincount(ring.ravel(), weights=values.ravel()) / count for values in (wavenumber, plane)]
    return np.exp(np.interp(wavenumber, means[0], np.log(np.maximum(means[1], np.finfo(float).tiny))))


def _phases(field, chosen, factor):
    filled = np.nan_to_num(np.asarray(field, dtype=float))
    energy = (filled - scipy.ndimage.gaussian_filter(filled, _DETAIL)) ** 2
    energy /= np.maximum(scipy.ndimage.gaussian_filter(energy, _AROUND), 1e-6)
    phases = [
        [energy[y::factor, x::factor][chosen[y::factor, x::factor]].mean() for x in range(factor)]
        for y in range(factor)
    ]
    return np.array(phases) / np.mean(phases)


_STEP = 16  # pixels between crops
_SCALE = 30.0  # Gauss: the network sees asinh(B / 30 G)
_CHANNELS = (24, 48, 64, 96)
_BATCH, _RATE, _DECAY, _DROPOUT = 32, 2e-3, 1e-2, 0.3


def tell_apart(truths, samples, *, size=48, least_field=25.0, steps=250, folds=3, seed=0):
    """
    Train a small network to tell a sample of each region from the truth, and test it on regions that it did not see.

    The result is the area under the ROC curve, the mean over the folds: the probability that the network holds a crop of a
    sample for less real than a crop of the truth. It is 0.5 if they are indistinguishable and 1 if they are told at once.
    This is the classifier two-sample test of Lopez-Paz & Oquab 2017 (arXiv:1610.06545). It finds any difference that such a
    network can learn from so many crops; a higher number of crops finds more.
    """
    if len(truths) != len(samples) or len(truths) < max(folds, 2):
        msg = f"truths and samples must be as many, at least {max(folds, 2)}, got {len(truths)} and {len(samples)} regions."
        raise ValueError(msg)
    crops = [[_crops(field, size, least_field) for field in fields] for fields in (truths, samples)]
    areas = []
    for fold in range(folds):
        test = [np.concatenate(kind[fold::folds]) for kind in crops]
        train = [np.concatenate([one for number, one in enumerate(kind) if number % folds != fold]) for kind in crops]
        if not all(map(len, (*train, *test))):
            msg = f"truths and samples must have crops of {size} x {size} pixels above {least_field:g} G in all folds, got none."
            raise ValueError(msg)
        network = _train(train, steps, seed + fold)
        areas.append(_area(*(_judge(network, kind) for kind in test)))
    return float(np.mean(areas))


def _crops(field, size, least_field):
    """Crops of a field as the network sees them, float32 ``[crop, y, x]``."""
    crops = sliding_window_view(field, (size, size))[::_STEP, ::_STEP].reshape(-1, size, size)
    crops = crops[np.isfinite(crops).all(axis=(1, 2)) & (np.abs(crops).mean(axis=(1, 2)) >= least_field)]
    return np.arcsinh(crops.astype(float) / _SCALE).astype(np.float32)


def _network():
    from torch import nn

    layers, before = [], 1
    for channels in _CHANNELS:
        layers += [nn.Conv2d(before, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.LeakyReLU(0.1)]
        layers.append(nn.AvgPool2d(2))
        before = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(_DROPOUT), nn.Linear(before, 1))


def _train(crops, steps, seed):
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
            given = torch.tensor(_turn(batch, rng))[:, None]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(network(given)[:, 0], target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def _turn(batch, rng):
    """The crops in another orientation and with other signs, which do not matter."""
    batch = np.rot90(batch, rng.integers(4), axes=(1, 2))
    batch = batch[:, ::-1] if rng.random() < 0.5 else batch
    return np.ascontiguousarray(batch * rng.choice([-1, 1], (len(batch), 1, 1)).astype(np.float32))


def _judge(network, crops):
    import torch

    with torch.no_grad():
        parts = [network(torch.tensor(part)[:, None])[:, 0] for part in np.array_split(crops, -(-len(crops) // 256))]
    return torch.cat(parts).numpy()


def _area(of_truth, of_samples):
    """Area under the ROC curve, from the rank sum of Mann & Whitney."""
    statistic = scipy.stats.mannwhitneyu(of_samples, of_truth).statistic
    return float(statistic / (len(of_truth) * len(of_samples)))
