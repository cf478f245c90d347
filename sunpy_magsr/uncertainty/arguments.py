"""Arguments that functions of an ensemble share."""

from sunpy_magsr.prep.field import read_field
from sunpy_magsr.uncertainty.ensemble import Ensemble

__all__ = ["check_ensemble", "read_truth"]


def check_ensemble(ensemble):
    """
    Raise unless it is one.

    Parameters
    ----------
    ensemble : object
        What the user gave.

    Raises
    ------
    TypeError
        If it is anything else.
    """
    if not isinstance(ensemble, Ensemble):
        msg = f"ensemble must be an Ensemble, got {type(ensemble).__name__}."
        raise TypeError(msg)


def read_truth(truth, ensemble):
    """
    Read the truth of an ensemble.

    Parameters
    ----------
    truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
        See `~sunpy_magsr.prep.field.read_field`.
    ensemble : `~sunpy_magsr.uncertainty.Ensemble`
        On whose grid it must be.

    Returns
    -------
    `~sunpy_magsr.prep.field.Field`

    Raises
    ------
    ValueError
        If it cannot be read or has another shape.
    """
    field = read_field(truth, name="truth")
    if field.data.shape != ensemble.shape:
        msg = f"truth must have the shape of the ensemble, {ensemble.shape}, got {field.data.shape}."
        raise ValueError(msg)
    return field
