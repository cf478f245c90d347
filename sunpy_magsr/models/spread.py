"""A correction of the predicted scale, for fields on which nothing was trained."""

import torch.nn.functional as F

__all__ = ["spread_factor"]

_WINDOW = 3  # pixels a side


def spread_factor(low, *, weak, strong, field):
    r"""
    Factor for the predicted scale of the latent's residual.

    On fields that a network was not trained on, its errors are larger than on those that it was, and most so in strong
    field. With *m* the largest :math:`|B|` within 3 x 3 pixels, the factor goes from ``weak`` to ``strong`` as
    :math:`m^2 / (m^2 + \mathrm{field}^2)`.

    Parameters
    ----------
    low : `torch.Tensor`
        Low-resolution field in Gauss, ``[N, 1, h, w]``.
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
    return weak + (strong - weak) * squared / (squared + field**2)
