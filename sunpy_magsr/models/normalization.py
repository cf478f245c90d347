"""The mapping between the magnetic field in Gauss and the numbers that the networks see."""

import torch

__all__ = ["denormalize", "normalize"]

_MAX_NORMALIZED = 6.0


def normalize(field, *, scale, kind="asinh"):
    r"""
    Map a magnetic field to the numbers that the networks see.

    ``"asinh"`` is :math:`\operatorname{asinh}(B / B_0)`: linear below :math:`B_0`, logarithmic above, so that
    quiet Sun and umbra both get resolution, and odd in :math:`B`. ``"linear"`` is :math:`B / B_0` clipped to
    :math:`\pm 1`, with :math:`B_0 = 3000` G in Ramunno et al. 2025 (:doi:`10.1051/0004-6361/202453205`).

    Parameters
    ----------
    field : `torch.Tensor`
        The magnetic field in Gauss, any shape.
    scale : `float`
        The scale :math:`B_0` in Gauss.
    kind : {"asinh", "linear"}
        The mapping. Defaults to ``"asinh"``.

    Returns
    -------
    `torch.Tensor`
        The normalized field without a unit, same shape.

    Raises
    ------
    ValueError
        If ``kind`` is something else.
    """
    if kind == "asinh":
        return torch.asinh(field / scale)
    if kind == "linear":
        return (field / scale).clamp(-1, 1)
    msg = f"kind must be 'asinh' or 'linear', got {kind!r}."
    raise ValueError(msg)


def denormalize(normalized, *, scale, kind="asinh"):
    """
    Map the numbers that the networks see to a magnetic field; the inverse of `normalize`.

    With ``"asinh"``, no field is stronger than ``sinh(6)`` times the scale, which is 8 kG for a scale of 40 G.

    Parameters
    ----------
    normalized : `torch.Tensor`
        The normalized field, any shape.
    scale : `float`
        The scale in Gauss.
    kind : {"asinh", "linear"}
        The mapping. Defaults to ``"asinh"``.

    Returns
    -------
    `torch.Tensor`
        The magnetic field in Gauss, same shape.

    Raises
    ------
    ValueError
        If ``kind`` is something else.
    """
    if kind == "asinh":
        return torch.sinh(normalized.clamp(-_MAX_NORMALIZED, _MAX_NORMALIZED)) * scale
    if kind == "linear":
        return normalized * scale
    msg = f"kind must be 'asinh' or 'linear', got {kind!r}."
    raise ValueError(msg)
