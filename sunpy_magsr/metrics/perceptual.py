"""How alike two fields look to a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sunpy_magsr._fields import PAIR, described_with
from sunpy_magsr.metrics.networks import PRETRAINED, as_images, random_features
from sunpy_magsr.prep.field import read_pair

if TYPE_CHECKING:
    from typing import Any

    import numpy.typing as npt
    import torch

    from sunpy_magsr._fields import FieldLike

__all__ = ["lpips"]


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
