"""Arguments that functions of an ensemble share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sunpy_magsr.prep.field import read_field
from sunpy_magsr.uncertainty.ensemble import Ensemble

if TYPE_CHECKING:
    import astropy.units as u
    from numpy.typing import ArrayLike
    from sunpy.map import GenericMap

    from sunpy_magsr.prep.field import Field

__all__ = ["check_ensemble", "read_truth"]


def check_ensemble(ensemble: object) -> None:
    """
    Check that an argument is an ensemble.

    Parameters
    ----------
    ensemble : object
        The argument that the user gave.

    Raises
    ------
    TypeError
        If it is anything else.
    """
    if not isinstance(ensemble, Ensemble):
        msg = f"ensemble must be an Ensemble, got {type(ensemble).__name__}."
        raise TypeError(msg)


def read_truth(truth: GenericMap | u.Quantity | ArrayLike, ensemble: Ensemble) -> Field:
    """
    Read the truth of an ensemble.

    Parameters
    ----------
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        The truth, as `~sunpy_magsr.prep.field.read_field` reads it.
    ensemble : `~sunpy_magsr.uncertainty.Ensemble`
        The ensemble, on whose grid the truth must be.

    Returns
    -------
    `~sunpy_magsr.prep.field.Field`
        The truth in Gauss.

    Raises
    ------
    ValueError
        If the truth cannot be read or has another shape.
    """
    field = read_field(truth, name="truth")
    if field.data.shape != ensemble.shape:
        msg = f"truth must have the shape of the ensemble, {ensemble.shape}, got {field.data.shape}."
        raise ValueError(msg)
    return field
