"""The warning of the package and the function that issues it."""

import warnings

__all__ = ["MagsrUserWarning", "warn_user"]


class MagsrUserWarning(UserWarning):
    """A warning about an input or an option, which the user can change."""


def warn_user(message: str, stacklevel: int = 1) -> None:
    """
    Issue a `MagsrUserWarning`.

    Parameters
    ----------
    message : `str`
        The text, in full sentences.
    stacklevel : `int`
        The place that the warning names: 1 (the default) for the line that calls this function, 2 for the line that
        calls the function with that line, and so on.
    """
    warnings.warn(message, MagsrUserWarning, stacklevel=stacklevel + 1)
