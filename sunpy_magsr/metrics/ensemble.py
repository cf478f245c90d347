"""Scores of an ensemble against the truth: sharp, and as uncertain as it should be."""

import astropy.units as u
import numpy as np
import scipy.special
import sunpy.map

from sunpy_magsr.prep.field import read_field

__all__ = ["crps", "crps_gaussian", "read_members", "spread_skill"]


def read_members(members, truth, *, where=None):
    """
    Read an ensemble and the truth over the pixels measured in all of them.

    Parameters
    ----------
    members : `~sunpy_magsr.uncertainty.Ensemble`, sequence or array-like
        S members: an Ensemble, a sequence of Maps, Quantities or arrays ``[y, x]`` in Gauss, or an array
        ``[S, y, x]``.
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        ``[y, x]`` on the same grid. Only the shapes are compared, not the coordinates.
    where : array-like of `bool`, optional
        ``[y, x]``, pixels to read; all by default.

    Returns
    -------
    members : `numpy.ndarray`
        float64 Gauss ``[S, n]``, a new array.
    truth : `numpy.ndarray`
        float64 Gauss ``[n]``.

    Raises
    ------
    TypeError
        If ``members`` is not a collection.
    ValueError
        If there is no member, the shapes differ, or no pixel is left.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.metrics.ensemble import read_members
    >>> members, truth = read_members(np.ones((3, 2, 2)), [[1.0, np.nan], [2.0, 3.0]])
    >>> members.shape, truth
    ((3, 3), array([1., 2., 3.]))
    """
    if isinstance(members, sunpy.map.GenericMap) or not hasattr(members, "__len__"):
        msg = f"members must be an Ensemble, a sequence of fields or an array [S, y, x], got {type(members).__name__}."
        raise TypeError(msg)
    member = members.sample if hasattr(members, "sample") else members.__getitem__
    names = [f"members[{number}]" for number in range(len(members))]
    return _read((member(number) for number in range(len(members))), names, truth, where)


def crps(members, truth, *, where=None):
    r"""
    Continuous ranked probability score of an ensemble, mean over the pixels; lower is better.

    The fair estimate of Ferro 2014 (:doi:`10.1002/qj.2270`) of the score of Gneiting & Raftery 2007
    (:doi:`10.1198/016214506000001437`),

    .. math:: \frac{1}{S} \sum_i |x_i - y| - \frac{1}{2 S (S - 1)} \sum_{i,j} |x_i - x_j| ,

    has the same expectation for any number S of members, so ensembles of different size compare. With one member it
    is the mean absolute error, so an ensemble and a deterministic result compare too. Pixels are scored one by one:
    correlations between them do not count.

    Parameters
    ----------
    members, truth
        As in `read_members`.
    where : array-like of `bool`, optional
        ``[y, x]``, pixels to score. Choose them without looking at the truth: a selection by the truth rewards
        overprediction (Lerch et al. 2017, :doi:`10.1214/16-STS588`).

    Returns
    -------
    `~astropy.units.Quantity`
        In Gauss. Single pixels, and by chance the mean, may be negative.

    Raises
    ------
    TypeError, ValueError
        As `read_members`.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.metrics.ensemble import crps
    >>> crps([np.full((2, 2), 90.0), np.full((2, 2), 110.0)], np.full((2, 2), 120.0))
    <Quantity 10. G>
    >>> crps([np.full((2, 2), 100.0)], np.full((2, 2), 120.0))
    <Quantity 20. G>
    """
    members, truth = read_members(members, truth, where=where)
    size = len(members)
    error = np.mean([np.abs(member - truth).mean() for member in members])
    if size == 1:
        return error * u.G
    members.sort(axis=0)
    # the sum over pairs i < j of |x_i - x_j| from the sorted members
    weights = 2 * np.arange(size) - size + 1
    return (error - weights @ members.mean(axis=1) / (size * (size - 1))) * u.G


def crps_gaussian(mean, std, truth, *, where=None):
    r"""
    Continuous ranked probability score of a Gaussian prediction, mean over the pixels; lower is better.

    The closed form of Gneiting & Raftery 2007 (:doi:`10.1198/016214506000001437`), with
    :math:`z = (y - \mu) / \sigma`,

    .. math:: \sigma \left[ z (2 \Phi(z) - 1) + 2 \varphi(z) - 1 / \sqrt{\pi} \right] ,

    for methods that predict a mean and a standard deviation; it compares with `crps`. Where the standard deviation
    is 0 it is the absolute error.

    Parameters
    ----------
    mean, std, truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        ``[y, x]`` on one grid; arrays in Gauss.
    where : array-like of `bool`, optional
        ``[y, x]``, pixels to score; see `crps`.

    Returns
    -------
    `~astropy.units.Quantity`
        In Gauss.

    Raises
    ------
    ValueError
        If the shapes differ, no pixel is left or a standard deviation is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.metrics.ensemble import crps_gaussian
    >>> crps_gaussian(np.zeros((2, 2)), np.full((2, 2), 10.0), np.zeros((2, 2)))
    <Quantity 2.33694978 G>
    """
    (mean, std), truth = _read((mean, std), ("mean", "std"), truth, where)
    if (std < 0).any():
        msg = f"std must not be negative, got {std.min():.6g} G."
        raise ValueError(msg)
    error = truth - mean
    z = np.divide(error, std, out=np.copysign(np.inf, error), where=std > 0)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    score = error * scipy.special.erf(z / np.sqrt(2)) + std * (2 * density - 1 / np.sqrt(np.pi))
    return score.mean() * u.G


def spread_skill(members, truth, *, where=None):
    r"""
    Spread of the members over the error of their mean: 1 is right, below 1 is overconfident.

    .. math:: \sqrt{\left(1 + \frac{1}{S}\right) \langle s^2 \rangle \Big/ \langle (\bar{x} - y)^2 \rangle}

    with the variance :math:`s^2` of the members (S - 1 in the denominator) and means over the pixels, Fortin et al.
    2014 (:doi:`10.1175/JHM-D-14-0008.1`). Too little spread in one place and too much in another cancel: see it
    with several ``where``, and `~sunpy_magsr.uncertainty.rank_histogram`.

    Parameters
    ----------
    members, truth
        As in `read_members`; at least two members.
    where : array-like of `bool`, optional
        ``[y, x]``, pixels to measure, e.g. those above 100 G in the mean of the members. A selection by the truth
        makes a calibrated ensemble look overconfident.

    Returns
    -------
    `float`

    Raises
    ------
    TypeError, ValueError
        As `read_members`; also if there is one member only or the mean has no error.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.metrics.ensemble import spread_skill
    >>> field = np.random.default_rng(1).normal(0, 100, (9, 200, 200))
    >>> round(spread_skill(field[:8], field[8]), 1)
    1.0
    """
    members, truth = read_members(members, truth, where=where)
    size = len(members)
    if size < 2:
        msg = f"members must be at least 2 to have a spread, got {size}."
        raise ValueError(msg)
    mean = members.mean(axis=0)
    variance = sum(np.mean((member - mean) ** 2) for member in members) / (size - 1)
    error = np.mean((mean - truth) ** 2)
    if error == 0:
        msg = "truth must differ from the mean of the members in some pixel, got none."
        raise ValueError(msg)
    return float(np.sqrt((1 + 1 / size) * variance / error))


def _read(fields, names, truth, where):
    truth = read_field(truth, name="truth").data
    chosen = np.isfinite(truth)
    if where is not None:
        where = np.asarray(where)
        if where.dtype != bool or where.shape != truth.shape:
            msg = f"where must be a bool array of shape {truth.shape}, got {where.dtype} {where.shape}."
            raise ValueError(msg)
        chosen &= where
    if not names:
        msg = "members must hold at least one field, got none."
        raise ValueError(msg)
    values = np.empty((len(names), np.count_nonzero(chosen)))
    for row, field, name in zip(values, fields, names, strict=True):
        data = read_field(field, name=name).data
        if data.shape != truth.shape:
            msg = f"{name} must have the shape of truth, {truth.shape}, got {data.shape}."
            raise ValueError(msg)
        row[:] = data[chosen]
    truth = truth[chosen]
    measured = np.isfinite(values).all(axis=0)
    if not measured.any():
        msg = "truth must share a measured pixel inside where with all members, got none."
        raise ValueError(msg)
    return (values, truth) if measured.all() else (values[:, measured], truth[measured])
