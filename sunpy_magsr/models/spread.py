"""A correction of the predicted scale, for fields that are unlike the training data."""

import torch.nn.functional as F

__all__ = ["spread_factor"]

_WINDOW = 3  # pixels a side
_IN_NOISE = 2.5  # standard deviations: noise alone seldom has more among the pixels of the window


def spread_factor(low, noise, *, weak, strong, field):
    r"""
    Compute a factor for the predicted scale of the residual of the latent.

    The errors of a network are larger on fields that it was not trained on, most of all where the field is strong. Let
    :math:`m^2` be the largest :math:`B^2` within 3 x 3 pixels minus :math:`(2.5\,\sigma)^2` of the noise. The factor
    then goes from ``weak`` to ``strong`` as :math:`m^2 / (m^2 + \mathrm{field}^2)` goes from 0 to 1.

    Parameters
    ----------
    low : `torch.Tensor`
        The low-resolution fields in Gauss, ``[N, 1, h, w]``.
    noise : `torch.Tensor`
        The standard deviation of their noise in Gauss, same shape.
    weak, strong : `float`
        The factors where there is no field and where the field is very strong.
    field : `float`
        The strength in Gauss at which the factor is halfway between the two.

    Returns
    -------
    `torch.Tensor`
        The factors, ``[N, 1, h, w]``.
    """
    squared = F.max_pool2d(low.abs(), _WINDOW, stride=1, padding=_WINDOW // 2).square()
    squared = (squared - (_IN_NOISE * noise).square()).clamp(min=0)
    return weak + (strong - weak) * squared / (squared + field**2)
