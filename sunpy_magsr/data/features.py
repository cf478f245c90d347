"""Synthetic magnetic features: flux tubes, network, spots and active regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.ndimage
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["bipole", "flux_tubes", "network"]

_CANDIDATES = 300_000 / 1280**2  # places per pixel where a flux tube may be
_EDGE = 7.0  # pixels, width of a cell's border
_SHARE = 0.16  # of the places in the middle of a border that have a flux tube


def flux_tubes(
    positions: npt.NDArray, flux: npt.NDArray, size: float, shape: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """
    Make the field of flux tubes with a Gaussian profile.

    Parameters
    ----------
    positions : `numpy.ndarray`
        Positions along y and x in pixels ``[n, 2]``. Flux tubes off the image are left out.
    flux : `numpy.ndarray`
        Field in the middle of each flux tube in Gauss ``[n]``.
    size : `float`
        Standard deviation of the profile in pixels.
    shape : `tuple` of `int`
        Numbers of rows and columns of the image.

    Returns
    -------
    `numpy.ndarray`
        Field in Gauss ``[y, x]``.
    """
    index = np.round(positions).astype(int)
    inside = ((index >= 0) & (index < shape)).all(axis=1)
    field = np.zeros(shape)
    np.add.at(field, tuple(index[inside].T), flux[inside])
    return scipy.ndimage.gaussian_filter(field, size) * 2 * np.pi * size**2


def network(rng: np.random.Generator, shape: tuple[int, int], cell: float) -> npt.NDArray[np.float64]:
    """
    Make a supergranular network: flux tubes of both polarities along the borders of random cells.

    Parameters
    ----------
    rng : `numpy.random.Generator`
        Source of the random numbers.
    shape : `tuple` of `int`
        Numbers of rows and columns of the image.
    cell : `float`
        Size of the cells in pixels.

    Returns
    -------
    `numpy.ndarray`
        Field in Gauss ``[y, x]``.
    """
    sides = np.array(shape)
    count = int(np.prod(sides / cell + 2))
    centers = cKDTree(rng.uniform(-cell, sides + cell, (count, 2)))
    candidates = rng.uniform(0, sides, (round(_CANDIDATES * np.prod(sides)), 2))
    near = centers.query(candidates, k=2)[0]
    chance = _SHARE * np.exp(-(((near[:, 1] - near[:, 0]) / _EDGE) ** 2))
    positions = candidates[rng.random(len(candidates)) < chance]
    imbalance = scipy.ndimage.gaussian_filter(rng.standard_normal(shape), 90)
    local = imbalance[tuple(positions.astype(int).T)] / imbalance.std()
    sign = np.where(rng.random(len(positions)) < 0.5 + 0.3 * np.tanh(local), 1, -1)
    return flux_tubes(positions, sign * rng.lognormal(4.6, 0.9, len(positions)), 1.3, shape)


def _clusters(rng, place, spread, tubes):
    """Positions of flux tubes in clumps of a few pixels, which are scattered around a place."""
    clumps = place + spread * rng.standard_normal((tubes // 12, 2)) * (0.6, 1.0)
    size = rng.uniform(2, 12, len(clumps))
    chosen = rng.integers(len(clumps), size=tubes)
    return clumps[chosen] + size[chosen, None] * rng.standard_normal((tubes, 2))


def _spot(place, radius, peak, shape):
    """A sunspot: flat umbra, steep penumbra."""
    y, x = np.indices(shape)
    return peak / (1 + (np.hypot(y - place[0], x - place[1]) / radius) ** 4)


def bipole(
    rng: np.random.Generator,
    shape: tuple[int, int],
    *,
    center: tuple[float, float],
    separation: float,
    tilt: float,
    tubes: int,
) -> npt.NDArray[np.float64]:
    """
    Make an active region: a compact leading spot, a fragmented following polarity with pores, and plage.

    Parameters
    ----------
    rng : `numpy.random.Generator`
        Random numbers, of which each call takes the next ones.
    shape : `tuple` of `int`
        Shape of the image that is returned.
    center : `tuple` of `float`
        Middle of the region along y and x, in pixels.
    separation : `float`
        Distance of the two polarities in pixels.
    tilt : `float`
        Angle of the axis of the region against the rows, in radians.
    tubes : `int`
        Number of flux tubes of each polarity.

    Returns
    -------
    `numpy.ndarray`
        Field of the region in Gauss ``[y, x]``, to be added to other fields.
    """
    axis = separation / 2 * np.array([np.sin(tilt), np.cos(tilt)])
    leading, following = np.array(center) + axis, np.array(center) - axis
    field = _spot(leading, 0.13 * separation, 2300, shape)
    for _ in range(4):
        pore = following + 0.2 * separation * rng.standard_normal(2)
        field -= _spot(pore, rng.uniform(0.03, 0.07) * separation, 1500, shape)
    for place, sign, spread in ((leading, 1, 0.3), (following, -1, 0.4)):
        positions = _clusters(rng, place, spread * separation, tubes)
        field += flux_tubes(positions, sign * rng.lognormal(5.5, 0.7, tubes), 1.6, shape)
    return field
