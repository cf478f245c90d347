"""Distances of textures in the features of a network."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from sunpy_magsr.maps.field import FieldLike, read_field, read_pair

#: Networks with weights trained on ImageNet, which torchmetrics has.
PRETRAINED = ("vgg", "alex")
#: Name of the features of the small network, to print with every score.
LABEL = "random features, seed 0"

_CHANNELS = (1, 16, 24, 32, 48, 64)
_SLOPE = 0.2
_BIAS = 0.1
_MINIMUM_SIDE = 2 ** (len(_CHANNELS) - 2)
_PATCH, _STRIDE, _BATCH = 64, 32, 64


@functools.cache
def _weights() -> list[Any]:
    """Weights and biases of the small network: normal with the variance of He et al. 2015 (doi:10.1109/ICCV.2015.123)."""
    import torch

    generator = torch.Generator().manual_seed(0)
    weights = []
    for inputs, outputs in itertools.pairwise(_CHANNELS):
        scale = np.sqrt(2 / ((1 + _SLOPE**2) * 9 * inputs))
        weight = torch.randn(outputs, inputs, 3, 3, generator=generator, dtype=torch.float64) * scale
        # without a bias the features of a field and of its double would have one direction
        weights.append((weight, torch.randn(outputs, generator=generator, dtype=torch.float64) * _BIAS))
    return weights


def random_features(images: Any) -> list[Any]:
    """
    Compute the feature maps of a small network with random weights, the same ones everywhere.

    It has five stages of 3 x 3 convolution and leaky ReLU, with mean pooling by two between them.
    """
    from torch.nn import functional

    if min(images.shape[-2:]) < _MINIMUM_SIDE:
        msg = f"images must be at least {_MINIMUM_SIDE} x {_MINIMUM_SIDE}, got shape {tuple(images.shape)}."
        raise ValueError(msg)
    maps: list[Any] = []
    for weight, bias in _weights():
        features = functional.avg_pool2d(maps[-1], 2) if maps else images.double()
        padded = functional.pad(features, (1, 1, 1, 1), mode="replicate")
        maps.append(functional.leaky_relu(functional.conv2d(padded, weight, bias), _SLOPE))
    return maps


def _as_images(fields: np.ndarray) -> Any:
    """Turn fields ``[n, y, x]`` into images ``[n, 1, y, x]`` as the networks take them."""
    import torch

    display = np.arcsinh(fields / 40) / np.arcsinh(3000 / 40)
    return torch.from_numpy(display[:, None].astype(np.float32))


def perceptual_distance(
    result: FieldLike, truth: FieldLike, *, network: Callable[[Any], list[Any]] | str | None = None
) -> float:
    r"""
    Distance of two fields in the features of a network (after Zhang et al. 2018, :doi:`10.1109/CVPR.2018.00068`).

    It is :math:`\sum_l \langle \| \hat f_l - \hat f_{l,0} \|^2 \rangle` with the features :math:`f_l` of layer :math:`l`
    of a network. They are scaled to unit length over the channels, the mean is taken over the pixels of the layer, and
    every layer has the weight one. The network is given :math:`\mathrm{asinh}(B / 40\,\mathrm{G}) /
    \mathrm{asinh}(3000 / 40)`.

    No network has learned what a physicist sees in a magnetogram. Say which network it was, and compare scores of one
    network only. Missing pixels hold 0 G in both fields. Feature pixels that depend on them are left out, except with
    ``"vgg"`` and ``"alex"``.

    Parameters
    ----------
    result : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic field that is compared with the truth, ``[y, x]``; a plain array is in Gauss.
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        True magnetic field on the same grid. A pixel that is missing in one of the two fields is left out of both.
    network : callable or `str`, optional
        A function that gives a list of feature maps ``[n, channel, y, x]`` for images ``[n, 1, y, x]`` in float32. Or
        ``"vgg"`` or ``"alex"`` for LPIPS with its trained weights (which needs torchmetrics and torchvision, and
        downloads weights). Defaults to a small network with random weights, which needs fields of at least 16 x 16
        pixels.

    Returns
    -------
    `float`
        The distance. It is 0 for identical fields.

    Raises
    ------
    ValueError
        If a field cannot be read, the shapes differ, or no feature pixel is fully measured.
    TypeError
        If ``network`` is something else.
    ImportError
        If ``network`` is ``"vgg"`` or ``"alex"`` and torchvision or torchmetrics is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.metrics import perceptual_distance
    >>> truth = np.random.default_rng(1).normal(0, 200, (64, 64))
    >>> perceptual_distance(truth, truth)
    0.0
    >>> perceptual_distance(np.zeros((64, 64)), truth) > perceptual_distance(0.9 * truth, truth)
    True
    """
    fields = read_pair(result, truth)
    first, second = (_as_images(np.nan_to_num(field.data)[None]) for field in fields)
    if isinstance(network, str) and network in PRETRAINED:
        return _lpips(first, second, network)
    network = random_features if network is None else network
    if not callable(network):
        known = ", ".join(map(repr, PRETRAINED))
        msg = f"network must be None, {known} or a function that gives a list of feature maps, got {network!r}."
        raise TypeError(msg)
    return _feature_distance(first, second, ~fields[1].valid, network)


def _feature_distance(result: Any, truth: Any, missing: np.ndarray, network: Callable[[Any], list[Any]]) -> float:
    import torch
    from torch.nn import functional

    gaps = torch.from_numpy(missing.astype(np.float32))[None, None]
    total = 0.0
    with torch.inference_mode():
        for pair in zip(network(result), network(truth), strict=True):
            first, second = (functional.normalize(maps.double(), dim=1, eps=1e-10) for maps in pair)
            measured = functional.adaptive_max_pool2d(gaps, first.shape[-2:])[0, 0] == 0
            if not measured.any():
                msg = "result and truth must be measured over a pixel of every feature layer, got too many gaps."
                raise ValueError(msg)
            total += float(((first - second) ** 2).sum(dim=1)[0][measured].mean())
    return total


def _lpips(result: Any, truth: Any, network: Any) -> float:
    try:
        from torchmetrics.functional.image import learned_perceptual_image_patch_similarity

        first, second = (images.clip(-1, 1).expand(-1, 3, -1, -1) for images in (result, truth))
        return float(learned_perceptual_image_patch_similarity(first, second, net_type=network))
    except ImportError as error:
        msg = f"network={network!r} needs torchmetrics and torchvision: pip install sunpy-magsr[perceptual]."
        raise ImportError(msg) from error


def patch_features(field: FieldLike) -> np.ndarray:
    """Compute the random features of each fully measured patch of 64 x 64 pixels of a field, ``[patch, feature]``."""
    import torch

    data = read_field(field).data
    if min(data.shape) < _PATCH:
        return np.empty((0, 0))
    windows = np.lib.stride_tricks.sliding_window_view(data, (_PATCH, _PATCH))[::_STRIDE, ::_STRIDE]
    measured = np.argwhere(np.isfinite(windows).all(axis=(-2, -1)))
    features = []
    with torch.inference_mode():
        for start in range(0, len(measured), _BATCH):
            images = _as_images(windows[tuple(measured[start : start + _BATCH].T)])
            features.append(random_features(images)[-1].mean(dim=(-2, -1)).numpy())
    return np.concatenate(features) if features else np.empty((0, 0))


def frechet_distance(features_a: np.typing.ArrayLike, features_b: np.typing.ArrayLike) -> float:
    r"""
    Frechet distance between Gaussian fits to two samples (Dowson & Landau 1982, :doi:`10.1016/0047-259X(82)90077-X`).

    It is :math:`\|m_a - m_b\|^2 + \mathrm{tr}(C_a + C_b - 2 (C_a C_b)^{1/2})` with the means :math:`m` and the covariances
    :math:`C` (n - 1 in the denominator). The last term is computed as twice the nuclear norm of :math:`R_a R_b^T` with
    :math:`C = R^T R`. This needs no root of a matrix, and the covariances may be singular.

    Parameters
    ----------
    features_a, features_b : array-like
        A number for each sample and feature, ``[sample, feature]``; at least two samples.

    Returns
    -------
    `float`
        The squared distance, as is usual. It is not negative.

    Raises
    ------
    ValueError
        If one of them is not two-dimensional and finite, or has fewer than two samples, or if the numbers of features
        differ.

    Examples
    --------
    Two samples of standard deviation 1 and 3 whose means differ by 2:

    >>> from sunpy_magsr.metrics import frechet_distance
    >>> frechet_distance([[-1.0], [0.0], [1.0]], [[-1.0], [2.0], [5.0]])
    8.0
    """
    means, roots = [], []
    for name, features in (("features_a", features_a), ("features_b", features_b)):
        values = np.asarray(features, dtype=float)
        if values.ndim != 2 or len(values) < 2 or not np.isfinite(values).all():
            msg = f"{name} must be finite numbers [sample, feature] of two samples or more, got shape {values.shape}."
            raise ValueError(msg)
        means.append(values.mean(axis=0))
        roots.append(np.linalg.qr(values - means[-1], mode="r") / np.sqrt(len(values) - 1))
    if means[0].shape != means[1].shape:
        msg = f"features_b must have as many features as features_a, {means[0].size}, got {means[1].size}."
        raise ValueError(msg)
    spread = sum((root**2).sum() for root in roots) - 2 * np.linalg.norm(roots[0] @ roots[1].T, "nuc")
    return float(((means[0] - means[1]) ** 2).sum() + max(spread, 0))
