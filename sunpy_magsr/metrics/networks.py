"""Networks whose features are compared: how they see a field, and the one that needs no download."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch

__all__ = ["PRETRAINED", "RandomFeatures", "as_images", "feature_label", "random_features"]

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
        """
        Feature maps of the five stages.

        Parameters
        ----------
        images : `torch.Tensor`
            Images ``[n, 1, y, x]`` of at least 16 x 16 pixels, in display units; see `random_features`.

        Returns
        -------
        `list` of `torch.Tensor`
            Feature maps in float64 with 16, 24, 32, 48 and 64 channels. Along an axis each stage has half the pixels of
            the one before.

        Raises
        ------
        ValueError
            If the images are too small.
        """
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
        """
        Feature maps of the last stage, averaged over the image.

        Parameters
        ----------
        images : `torch.Tensor`
            Images as for `layers`.

        Returns
        -------
        `torch.Tensor`
            Features in float64, ``[n, 64]``.
        """
        return self.layers(images)[-1].mean(dim=(-2, -1))


def random_features(seed: int = 0) -> RandomFeatures:
    r"""
    Make a network with random weights.

    It has five stages of 3 x 3 convolution and leaky ReLU, with mean pooling by two between them. The weights are
    normal with the variance of He et al. 2015 (:doi:`10.1109/ICCV.2015.123`). They come from the seed alone, so that
    scores from several machines can be compared. They are not trained, so the scores cannot be compared with those of
    a trained network. The network takes images in display units,
    :math:`\mathrm{asinh}(B / 40\,\mathrm{G}) / \mathrm{asinh}(3000 / 40)`.

    Parameters
    ----------
    seed : `int`
        Seed of the weights. The same seed gives the same network on every machine. Defaults to 0.

    Returns
    -------
    `RandomFeatures`
        The network. It has a ``label``, ``layers(images)`` gives its feature maps, and ``network(images)`` the features
        averaged over the image, ``[n, 64]``.

    Examples
    --------
    >>> import torch
    >>> from sunpy_magsr.metrics import random_features
    >>> network = random_features()
    >>> network.label
    'random features, seed 0'
    >>> tuple(network(torch.zeros(2, 1, 64, 64)).shape)
    (2, 64)
    """
    return RandomFeatures(seed)


def feature_label(network: Any = None) -> str:
    """
    Name of the features of a network, to print with `lpips` and `fid`.

    Parameters
    ----------
    network : object or `str`, optional
        The network that was given to them.

    Returns
    -------
    `str`
        The network's ``label``, or else the name of its type.

    Examples
    --------
    >>> from sunpy_magsr.metrics import feature_label
    >>> f"FID ({feature_label()})"
    'FID (random features, seed 0)'
    >>> feature_label("vgg")
    'VGG16, ImageNet weights'
    """
    if isinstance(network, str):
        return PRETRAINED.get(network, network)
    network = random_features() if network is None else network
    return str(getattr(network, "label", type(network).__name__))


def as_images(fields: npt.NDArray[np.float64]) -> torch.Tensor:
    """
    Turn fields into images as the networks take them.

    Parameters
    ----------
    fields : `numpy.ndarray`
        Fields in Gauss ``[n, y, x]``, without NaN.

    Returns
    -------
    `torch.Tensor`
        Images ``[n, 1, y, x]`` in display units (see `random_features`), float32.
    """
    import torch

    display = np.arcsinh(fields / 40) / np.arcsinh(3000 / 40)
    return torch.from_numpy(display[:, None].astype(np.float32))
