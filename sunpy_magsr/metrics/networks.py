"""The feature network that needs no download: fixed random weights."""

import itertools

import numpy as np

__all__ = ["RandomFeatures", "random_features"]

_CHANNELS = (1, 16, 24, 32, 48, 64)
_SLOPE = 0.2
_BIAS = 0.1
_MINIMUM_SIDE = 2 ** (len(_CHANNELS) - 2)


class RandomFeatures:
    """
    A small convolutional network with random weights that a seed fixes; see `random_features`.

    Parameters
    ----------
    seed : `int`
        Of the weights.

    Attributes
    ----------
    label : `str`
        ``"random features, seed 0"``, to print with every score.
    """

    def __init__(self, seed=0):
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

    def __repr__(self):
        return f"<{self.label}>"

    def layers(self, images):
        """
        Feature maps of the five stages.

        Parameters
        ----------
        images : `torch.Tensor`
            ``[n, 1, y, x]`` in display units, at least 16 x 16.

        Returns
        -------
        `list` of `torch.Tensor`
            float64, 16, 24, 32, 48 and 64 channels, each stage with half the pixels along an axis of the one before.

        Raises
        ------
        ValueError
            If the images are too small.
        """
        import torch.nn.functional

        if min(images.shape[-2:]) < _MINIMUM_SIDE:
            msg = f"images must be at least {_MINIMUM_SIDE} x {_MINIMUM_SIDE}, got shape {tuple(images.shape)}."
            raise ValueError(msg)
        maps, features = [], images.double()
        for weight, bias in self._weights:
            if maps:
                features = torch.nn.functional.avg_pool2d(features, 2)
            padded = torch.nn.functional.pad(features, (1, 1, 1, 1), mode="replicate")
            features = torch.nn.functional.leaky_relu(torch.nn.functional.conv2d(padded, weight, bias), _SLOPE)
            maps.append(features)
        return maps

    def __call__(self, images):
        """
        The last stage, averaged over the image.

        Parameters
        ----------
        images : `torch.Tensor`
            As for `layers`.

        Returns
        -------
        `torch.Tensor`
            float64 ``[n, 64]``.
        """
        return self.layers(images)[-1].mean(dim=(-2, -1))


def random_features(seed=0):
    r"""
    Network of random features.

    Five stages of 3 x 3 convolution and leaky ReLU, with mean pooling by two between them. The weights are normal with
    the variance of He et al. 2015 (:doi:`10.1109/ICCV.2015.123`) and come from the seed alone, so that scores can be
    compared between machines; they have learned nothing, and scores cannot be compared with those of a trained
    network. Input is :math:`\mathrm{asinh}(B / 40\,\mathrm{G}) / \mathrm{asinh}(3000 / 40)`.

    Parameters
    ----------
    seed : `int`
        Of the weights. Defaults to 0.

    Returns
    -------
    `RandomFeatures`
        With ``label``, ``layers(images)``, and ``network(images)`` for pooled features ``[n, 64]``.

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
