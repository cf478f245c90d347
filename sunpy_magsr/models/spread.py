"""A correction of the predicted scale, for fields on which nothing was trained."""

import torch.nn.functional as F

__all__ = ["spread_factor"]

_WINDOW = 3  # pixels a side
_IN_NOISE = 2.5  # standard deviations: noise alone seldom has more among the pixels of the window


def spread_factor(low, noise, *, weak, strong, field):
    r"""
    Factor for the predicted scale of the latent's residual.

    On fields that a network was not trained on, its errors are larger than on those that it was, and most so in strong
    field. With :math:`m^2` the largest :math:`B^2` within 3 x 3 pixels less :math:`(2.5\,\sigma)^2` of the noise, the
    factor goes from ``weak`` to ``strong`` as :math:`m^2 / (m^2 + \mathrm{field}^2)`.

    Parameters
    ----------
    low : `torch.Tensor`
        Low-resolution field in Gauss, ``[N, 1, h, w]``.
    noise : `torch.Tensor`
        Its standard deviation in Gauss, likewise.
    weak, strong : `float`
        The factors without field and with very strong field.
    field : `float`
        Gauss.

    Returns
    -------
    `torch.Tensor`
        ``[N, 1, h, w]``.
    """
    squared = F.max_pool2d(low.abs(), _WINDOW, stride=1, padding=_WINDOW // 2).square()
    squared = (squared - (_IN_NOISE * noise).square()).clamp(min=0)
    return weak + (strong - weak) * squared / (squared + field**2)
