"""Distances between what networks see in two fields."""

import numpy as np
import sunpy.map

from sunpy_magsr.metrics.networks import random_features
from sunpy_magsr.prep.field import read_field, read_pair

__all__ = ["feature_label", "fid", "frechet_distance", "lpips", "patch_features"]

_PRETRAINED = {"vgg": "VGG16, ImageNet weights", "alex": "AlexNet, ImageNet weights"}
_BATCH = 64


def lpips(result, truth, *, network=None):
    r"""
    Learned perceptual image patch similarity (Zhang et al. 2018, :doi:`10.1109/CVPR.2018.00068`).

    :math:`\sum_l \langle \| \hat f_l - \hat f_{l,0} \|^2 \rangle` with the features :math:`f_l` of layer :math:`l`
    scaled to unit length over the channels, the mean over the layer's pixels, and weights of one. The networks see
    :math:`\mathrm{asinh}(B / 40\,\mathrm{G}) / \mathrm{asinh}(3000 / 40)`.

    No network has learned what a physicist sees in a magnetogram. Say which one it was (`feature_label`), and compare
    scores of one network only. Missing pixels hold 0 G in both fields; feature pixels on them are left out, except
    with ``"vgg"`` and ``"alex"``.

    Parameters
    ----------
    result, truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Fields ``[y, x]`` on one grid, at least 16 x 16; arrays in Gauss.
    network : object or `str`, optional
        Anything with ``layers(images) -> list`` of feature maps ``[n, channel, y, x]`` for images ``[n, 1, y, x]`` in
        float32, or ``"vgg"`` or ``"alex"`` for that of the authors, with trained weights on the layers (needs
        torchmetrics and torchvision, and downloads weights). Defaults to ``random_features(0)``.

    Returns
    -------
    `float`
        0 for identical fields.

    Raises
    ------
    ValueError
        If a field cannot be read, the shapes differ, or no feature pixel is fully measured.
    TypeError
        If ``network`` is something else.
    ImportError
        If a trained network is asked for and torchvision or torchmetrics is missing.

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
    result, truth = read_pair(result, truth)
    pair = [_images(np.nan_to_num(field.data)[None]) for field in (result, truth)]
    if isinstance(network, str) and network in _PRETRAINED:
        return _pretrained_lpips(*pair, network)
    network = random_features() if network is None else network
    if not hasattr(network, "layers"):
        known = ", ".join(repr(name) for name in _PRETRAINED)
        msg = f"network must be None, {known} or an object with a method layers, got {network!r}."
        raise TypeError(msg)
    return _feature_difference(*pair, ~truth.valid, network)


def fid(results, truths, *, network=None, patch=64, stride=32):
    r"""
    Frechet distance between the features of two sets of fields (Heusel et al. 2017, arXiv:1706.08500).

    The fields are cut into patches, and `frechet_distance` compares the features of those that are fully measured.
    The sets need not show the same regions.

    The name is kept from the Inception network, which is not used: a number means something only together with
    `feature_label`, ``patch`` and ``stride``. Few patches bias it upward, strongly where they are
    not many more than the features, and overlapping patches are not independent.

    Parameters
    ----------
    results, truths : sequence of `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Fields ``[y, x]``; arrays in Gauss.
    network : callable, optional
        ``network(images) -> features``, ``[n, 1, patch, patch]`` in float32 display units (see `lpips`) to ``[n, d]``.
        Defaults to ``random_features(0)``.
    patch, stride : `int`
        Side of a patch, and from one to the next, in pixels. Default to 64 and 32.

    Returns
    -------
    `float`
        0 for identical sets.

    Raises
    ------
    ValueError
        If a field cannot be read, a set has fewer than two fully measured patches, or ``patch`` or ``stride`` is not
        a positive integer.
    TypeError
        If ``results`` or ``truths`` is one field rather than several, or ``network`` is not callable.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.metrics import fid
    >>> fields = np.random.default_rng(1).normal(0, 200, (2, 128, 128))
    >>> fid(fields, fields) < 1e-9
    True
    """
    pair = (("results", results), ("truths", truths))
    options = {"network": network, "patch": patch, "stride": stride}
    features = [patch_features(fields, name=name, **options) for name, fields in pair]
    for (name, _), found in zip(pair, features, strict=True):
        if len(found) < 2:
            msg = f"{name} must have two fully measured patches of {patch} x {patch} pixels or more, got {len(found)}."
            raise ValueError(msg)
    return frechet_distance(*features)


def patch_features(fields, *, network=None, patch=64, stride=32, name="fields"):
    """
    Features of the fully measured patches of several fields: what `fid` compares.

    Parameters
    ----------
    fields : sequence of `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Fields ``[y, x]``; arrays in Gauss.
    network, patch, stride
        As for `fid`.
    name : `str`
        Of the argument, for messages.

    Returns
    -------
    `numpy.ndarray`
        float64 ``[n, d]``, or ``[0, 0]`` where no patch is fully measured.

    Raises
    ------
    ValueError
        If a field cannot be read, or ``patch`` or ``stride`` is not a positive integer.
    TypeError
        If ``fields`` is one field rather than several, or ``network`` is not callable.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.metrics import patch_features
    >>> patch_features([np.zeros((128, 64))]).shape
    (3, 64)
    """
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
    features = []
    for field in fields:
        data = read_field(field, name=name).data
        if min(data.shape) < patch:
            continue
        windows = np.lib.stride_tricks.sliding_window_view(data, (patch, patch))[::stride, ::stride]
        measured = np.argwhere(np.isfinite(windows).all(axis=(-2, -1)))
        batches = (measured[start : start + _BATCH] for start in range(0, len(measured), _BATCH))
        features.extend(_features(network, windows[tuple(batch.T)]) for batch in batches)
    return np.concatenate(features) if features else np.empty((0, 0))


def frechet_distance(features_a, features_b):
    r"""
    Frechet distance between Gaussian fits (Dowson & Landau 1982, :doi:`10.1016/0047-259X(82)90077-X`).

    :math:`\|m_a - m_b\|^2 + \mathrm{tr}(C_a + C_b - 2 (C_a C_b)^{1/2})` with the means :math:`m` and the covariances
    :math:`C` (n - 1 in the denominator). The last term is twice the nuclear norm of :math:`R_a R_b^T` where
    :math:`C = R^T R`, which needs no root of a matrix and stands singular covariances.

    Parameters
    ----------
    features_a, features_b : array-like
        ``[sample, feature]``, at least two samples each.

    Returns
    -------
    `float`
        The squared distance, as is usual; not negative.

    Raises
    ------
    ValueError
        If the arrays are not two-dimensional and finite with one number of features and two samples.

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


def feature_label(network=None):
    """
    What to print with `lpips` and `fid`.

    Parameters
    ----------
    network : object or `str`, optional
        As given to them.

    Returns
    -------
    `str`
        Name of the features: the network's ``label`` or else its type.

    Examples
    --------
    >>> from sunpy_magsr.metrics import feature_label
    >>> f"FID ({feature_label()})"
    'FID (random features, seed 0)'
    >>> feature_label("vgg")
    'VGG16, ImageNet weights'
    """
    if isinstance(network, str):
        return _PRETRAINED.get(network, network)
    network = random_features() if network is None else network
    return str(getattr(network, "label", type(network).__name__))


def _images(fields):
    import torch

    display = np.arcsinh(fields / 40) / np.arcsinh(3000 / 40)
    return torch.from_numpy(display[:, None].astype(np.float32))


def _feature_difference(result, truth, missing, network):
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


def _pretrained_lpips(result, truth, network):
    import torch

    try:
        from torchmetrics.functional.image import learned_perceptual_image_patch_similarity

        pair = (images.clip(-1, 1).expand(-1, 3, -1, -1) for images in (result, truth))
        with torch.inference_mode():
            return float(learned_perceptual_image_patch_similarity(*pair, net_type=network))
    except ImportError as error:
        msg = f"network={network!r} needs torchmetrics and torchvision: pip install sunpy-magsr[perceptual]."
        raise ImportError(msg) from error


def _features(network, patches):
    import torch

    with torch.inference_mode():
        return torch.as_tensor(network(_images(patches))).double().cpu().numpy()
