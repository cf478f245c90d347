"""Distances of textures in the features of a network."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import sunpy.map

from sunpy_magsr.maps.field import PAIR, described_with, read_field, read_pair

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt
    import torch

    from sunpy_magsr.maps.field import FieldLike

    FieldsLike = Sequence[FieldLike] | npt.NDArray[np.floating]
    Network = Callable[[torch.Tensor], torch.Tensor]


#: Networks with trained weights, by the name under which `~sunpy_magsr.metrics.lpips` takes them.
PRETRAINED = {"vgg": "VGG16, ImageNet weights", "alex": "AlexNet, ImageNet weights"}

_CHANNELS = (1, 16, 24, 32, 48, 64)
_SLOPE = 0.2
_BIAS = 0.1
_MINIMUM_SIDE = 2 ** (len(_CHANNELS) - 2)


class RandomFeatures:
    """
    A small convolutional network with random weights that depend on a seed alone; see `random_features`.

    Parameters
    ----------
    seed : `int`
        The seed of the weights.

    Attributes
    ----------
    label : `str`
        Name of the features, to print with every score: ``"random features, seed 0"``.
    """

    def __init__(self, seed: int = 0) -> None:
        import torch

        generator = torch.Generator().manual_seed(seed)
        self.label = f"random features, seed {seed}"
        self._weights = []
        for inputs, outputs in itertools.pairwise(_CHANNELS):
            scale = np.sqrt(2 / ((1 + _SLOPE**2) * 9 * inputs))
            weight = torch.randn(outputs, inputs, 3, 3, generator=generator, dtype=torch.float64) * scale
            # without a bias the features of a field and of its double would have one direction
            bias = torch.randn(outputs, generator=generator, dtype=torch.float64) * _BIAS
            self._weights.append((weight, bias))

    def __repr__(self) -> str:
        return f"<{self.label}>"

    def layers(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Feature maps of the five stages."""
        import torch.nn.functional

        if min(images.shape[-2:]) < _MINIMUM_SIDE:
            msg = f"images must be at least {_MINIMUM_SIDE} x {_MINIMUM_SIDE}, got shape {tuple(images.shape)}."
            raise ValueError(msg)
        maps: list[torch.Tensor] = []
        features = images.double()
        for weight, bias in self._weights:
            if maps:
                features = torch.nn.functional.avg_pool2d(features, 2)
            padded = torch.nn.functional.pad(features, (1, 1, 1, 1), mode="replicate")
            features = torch.nn.functional.leaky_relu(torch.nn.functional.conv2d(padded, weight, bias), _SLOPE)
            maps.append(features)
        return maps

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Feature maps of the last stage, averaged over the image."""
        return self.layers(images)[-1].mean(dim=(-2, -1))


def random_features(seed: int = 0) -> RandomFeatures:
    r"""
    Make a network with random weights.

    It has five stages of 3 x 3 convolution and leaky ReLU, with mean pooling by two between them. The weights are
    normal with the variance of He et al. 2015 (:doi:`10.1109/ICCV.2015.123`). They come from the seed alone, so that
    scores from several machines can be compared. They are not trained, so the scores cannot be compared with those of
    a trained network. The network takes images in display units,
    :math:`\mathrm{asinh}(B / 40\,\mathrm{G}) / \mathrm{asinh}(3000 / 40)`.
    """
    return RandomFeatures(seed)


def feature_label(network: Any = None) -> str:
    """Name of the features of a network, to print with `lpips` and `fid`."""
    if isinstance(network, str):
        return PRETRAINED.get(network, network)
    network = random_features() if network is None else network
    return str(getattr(network, "label", type(network).__name__))


def as_images(fields: npt.NDArray[np.float64]) -> torch.Tensor:
    """Turn fields into images as the networks take them."""
    import torch

    display = np.arcsinh(fields / 40) / np.arcsinh(3000 / 40)
    return torch.from_numpy(display[:, None].astype(np.float32))


@described_with(pair=PAIR)
def lpips(result: FieldLike, truth: FieldLike, *, network: Any = None) -> float:
    r"""
    Learned perceptual image patch similarity (Zhang et al. 2018, :doi:`10.1109/CVPR.2018.00068`).

    It is :math:`\sum_l \langle \| \hat f_l - \hat f_{l,0} \|^2 \rangle` with the features :math:`f_l` of layer :math:`l`
    of a network. They are scaled to unit length over the channels, the mean is taken over the pixels of the layer, and
    every layer has the weight one. The network is given :math:`\mathrm{asinh}(B / 40\,\mathrm{G}) /
    \mathrm{asinh}(3000 / 40)`.

    No network has learned what a physicist sees in a magnetogram. Say which network it was (`feature_label`), and
    compare scores of one network only. Missing pixels hold 0 G in both fields. Feature pixels that depend on them are
    left out, except with ``"vgg"`` and ``"alex"``.

    Parameters
    ----------
    {pair}
    network : object or `str`, optional
        Any object with a method ``layers(images)`` that gives a list of feature maps ``[n, channel, y, x]`` for images
        ``[n, 1, y, x]`` in float32. Or ``"vgg"`` or ``"alex"`` for those of the authors, with trained weights of the
        layers (they need torchmetrics and torchvision, and download weights). Defaults to ``random_features(0)``,
        which needs fields of at least 16 x 16 pixels.

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
    >>> from sunpy_magsr.metrics import lpips
    >>> truth = np.random.default_rng(1).normal(0, 200, (64, 64))
    >>> lpips(truth, truth)
    0.0
    >>> lpips(np.zeros((64, 64)), truth) > lpips(0.9 * truth, truth)
    True
    """
    fields = read_pair(result, truth)
    first, second = (as_images(np.nan_to_num(field.data)[None]) for field in fields)
    if isinstance(network, str) and network in PRETRAINED:
        return _pretrained_lpips(first, second, network)
    network = random_features() if network is None else network
    if not hasattr(network, "layers"):
        known = ", ".join(repr(name) for name in PRETRAINED)
        msg = f"network must be None, {known} or an object with a method layers, got {network!r}."
        raise TypeError(msg)
    return _feature_difference(first, second, ~fields[1].valid, network)


def _feature_difference(
    result: torch.Tensor, truth: torch.Tensor, missing: npt.NDArray[np.bool_], network: Any
) -> float:
    import torch

    gaps = torch.from_numpy(missing.astype(np.float32))[None, None]
    total = 0.0
    with torch.inference_mode():
        for ours, theirs in zip(network.layers(result), network.layers(truth), strict=True):
            first, second = (torch.nn.functional.normalize(maps.double(), dim=1, eps=1e-10) for maps in (ours, theirs))
            measured = torch.nn.functional.adaptive_max_pool2d(gaps, first.shape[-2:])[0, 0] == 0
            if not measured.any():
                msg = "result and truth must be measured over a pixel of every feature layer, got too many gaps."
                raise ValueError(msg)
            total += float(((first - second) ** 2).sum(dim=1)[0][measured].mean())
    return total


def _pretrained_lpips(result: torch.Tensor, truth: torch.Tensor, network: Any) -> float:
    import torch

    try:
        from torchmetrics.functional.image import learned_perceptual_image_patch_similarity

        first, second = (images.clip(-1, 1).expand(-1, 3, -1, -1) for images in (result, truth))
        with torch.inference_mode():
            return float(learned_perceptual_image_patch_similarity(first, second, net_type=network))
    except ImportError as error:
        msg = f"network={network!r} needs torchmetrics and torchvision: pip install sunpy-magsr[perceptual]."
        raise ImportError(msg) from error


_BATCH = 64

_OPTIONS = """\
network : callable, optional
    ``network(images)`` gives features ``[n, d]`` for images ``[n, 1, patch, patch]``, which are float32 in display units
    (see `random_features`). Defaults to ``random_features(0)``.
patch : `int`
    Side of a patch in pixels. Defaults to 64.
stride : `int`
    Distance from one patch to the next in pixels. Defaults to 32.
"""


@described_with(options=_OPTIONS)
def fid(
    results: FieldsLike, truths: FieldsLike, *, network: Network | None = None, patch: int = 64, stride: int = 32
) -> float:
    r"""
    Frechet distance between the features of two sets of fields (Heusel et al. 2017, arXiv:1706.08500).

    The fields are cut into patches, and `frechet_distance` compares the features of the patches that are fully
    measured. The sets need not show the same regions.

    The name stands for the Inception network, which is not used here. A number has a meaning only together with
    `feature_label`, ``patch`` and ``stride``. With few patches it is too high, by much where there are not many more
    patches than features. Patches that overlap are not independent.
    """
    sets = {"results": results, "truths": truths}
    features = [
        patch_features(fields, network=network, patch=patch, stride=stride, name=name) for name, fields in sets.items()
    ]
    for name, found in zip(sets, features, strict=True):
        if len(found) < 2:
            msg = f"{name} must have two fully measured patches of {patch} x {patch} pixels or more, got {len(found)}."
            raise ValueError(msg)
    return frechet_distance(*features)


@described_with(options=_OPTIONS)
def patch_features(
    fields: FieldsLike, *, network: Network | None = None, patch: int = 64, stride: int = 32, name: str = "fields"
) -> npt.NDArray[np.float64]:
    """Features of the fully measured patches of several fields, which `fid` compares."""
    for option, value in (("patch", patch), ("stride", stride)):
        if not isinstance(value, int | np.integer) or value < 1:
            msg = f"{option} must be a positive integer, got {value!r}."
            raise ValueError(msg)
    network = random_features() if network is None else network
    if not callable(network):
        msg = f"network must be None or callable, got {network!r}."
        raise TypeError(msg)
    if isinstance(fields, sunpy.map.GenericMap) or getattr(fields, "ndim", 3) < 3:
        msg = f"{name} must be a sequence of fields, got one {type(fields).__name__}."
        raise TypeError(msg)
    features: list[npt.NDArray[np.float64]] = []
    for field in fields:
        data = read_field(field, name=name).data
        if min(data.shape) < patch:
            continue
        windows = np.lib.stride_tricks.sliding_window_view(data, (patch, patch))[::stride, ::stride]
        measured = np.argwhere(np.isfinite(windows).all(axis=(-2, -1)))
        batches = (measured[start : start + _BATCH] for start in range(0, len(measured), _BATCH))
        features.extend(_features(network, windows[tuple(batch.T)]) for batch in batches)
    return np.concatenate(features) if features else np.empty((0, 0))


def frechet_distance(features_a: npt.ArrayLike, features_b: npt.ArrayLike) -> float:
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


def _features(network: Network, patches: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    import torch

    with torch.inference_mode():
        return torch.as_tensor(network(as_images(patches))).double().cpu().numpy()
