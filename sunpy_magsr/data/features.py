"""Synthetic magnetic features: flux tubes, network, spots and active regions."""

import numpy as np
import scipy.ndimage
from scipy.spatial import cKDTree

__all__ = ["bipole", "flux_tubes", "network"]

_CANDIDATES = 300_000 / 1280**2  # places for a flux tube, per pixel
_EDGE = 7.0  # pixels, width of a cell's border
_SHARE = 0.16


def flux_tubes(positions, flux, size, shape):
    """
    Flux tubes of Gaussian shape.

    Parameters
    ----------
    positions : `numpy.ndarray`
        ``[n, (y, x)]`` in pixels; those off the image are left out.
    flux : `numpy.ndarray`
        Peak field of each in Gauss.
    size : `float`
        Standard deviation in pixels.
    shape : `tuple` of `int`
        Of the image.

    Returns
    -------
    `numpy.ndarray`
        Gauss ``[y, x]``.
    """
    index = np.round(positions).astype(int)
    inside = ((index >= 0) & (index < shape)).all(axis=1)
    field = np.zeros(shape)
    np.add.at(field, tuple(index[inside].T), flux[inside])
    return scipy.ndimage.gaussian_filter(field, size) * 2 * np.pi * size**2


def network(rng, shape, cell):
    """
    Supergranular network: mixed-polarity flux tubes along the borders of random cells.

    Parameters
    ----------
    rng : `numpy.random.Generator`
        Of the random numbers.
    shape : `tuple` of `int`
        Of the image.
    cell : `float`
        Size of the cells in pixels.

    Returns
    -------
    `numpy.ndarray`
        Gauss ``[y, x]``.
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
    """Positions of flux tubes in clumps of a few pixels, themselves scattered around a place."""
    clumps = place + spread * rng.standard_normal((tubes // 12, 2)) * (0.6, 1.0)
    size = rng.uniform(2, 12, len(clumps))
    chosen = rng.integers(len(clumps), size=tubes)
    return clumps[chosen] + size[chosen, None] * rng.standard_normal((tubes, 2))


def _spot(place, radius, peak, shape):
    """A sunspot: flat umbra, steep penumbra."""
    y, x = np.indices(shape)
    return peak / (1 + (np.hypot(y - place[0], x - place[1]) / radius) ** 4)


def bipole(rng, shape, *, center, separation, tilt, tubes):
    """
    An active region: a compact leading spot, a fragmented following polarity with pores, and plage.

    Parameters
    ----------
    rng : `numpy.random.Generator`
        Of the random numbers.
    shape : `tuple` of `int`
        Of the image.
    center : `tuple` of `float`
        ``(y, x)`` in pixels.
    separation : `float`
        Between the polarities, pixels.
    tilt : `float`
        Of the axis against the rows, radians.
    tubes : `int`
        Flux tubes of each polarity.

    Returns
    -------
    `numpy.ndarray`
        Gauss ``[y, x]``, to be added to what is there.
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
