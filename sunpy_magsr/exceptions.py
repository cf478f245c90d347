"""Warnings of the package and the one helper that issues them."""

import warnings

__all__ = ["MagsrUserWarning", "warn_user"]


class MagsrUserWarning(UserWarning):
    """Something about the input that the user can act on."""


def warn_user(message, stacklevel=1):
    """
    Warn the user.

    Parameters
    ----------
    message : `str`
        A sentence.
    stacklevel : `int`
        Frames above the caller at which the warning is shown.
    """
    warnings.warn(message, MagsrUserWarning, stacklevel=stacklevel + 1)
