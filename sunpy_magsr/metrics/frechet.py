"""Frechet distance between sets of fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import sunpy.map

from sunpy_magsr._fields import described_with
from sunpy_magsr.metrics.networks import as_images, random_features
from sunpy_magsr.prep.field import read_field

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt
    import torch

    from sunpy_magsr._fields import FieldLike

    FieldsLike = Sequence[FieldLike] | npt.NDArray[np.floating]
    Network = Callable[[torch.Tensor], torch.Tensor]

__all__ = ["fid", "frechet_distance", "patch_features"]

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

    Parameters
    ----------
    results : sequence of `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic fields ``[y, x]``; plain arrays are in Gauss.
    truths : sequence of `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        The other set of magnetic fields.
    {options}

    Returns
    -------
    `float`
        The squared distance. It is 0 for identical sets.

    Raises
    ------
    ValueError
        If a field cannot be read, a set has fewer than two fully measured patches, or ``patch`` or ``stride`` is not
        a positive integer.
    TypeError
        If ``results`` or ``truths`` is one field and not several, or ``network`` is not callable.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.metrics import fid
    >>> fields = np.random.default_rng(1).normal(0, 200, (2, 128, 128))
    >>> fid(fields, fields) < 1e-9
    True
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
    """
    Features of the fully measured patches of several fields, which `fid` compares.

    Parameters
    ----------
    fields : sequence of `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        Magnetic fields ``[y, x]``; plain arrays are in Gauss.
    {options}
    name : `str`
        What messages call ``fields``.

    Returns
    -------
    `numpy.ndarray`
        The features of n patches, float64 ``[n, d]``; ``[0, 0]`` where no patch is fully measured.

    Raises
    ------
    ValueError
        If a field cannot be read, or ``patch`` or ``stride`` is not a positive integer.
    TypeError
        If ``fields`` is one field and not several, or ``network`` is not callable.

    Examples
    --------
    Three patches of 64 features each:

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
