"""The warning of the package and the function that issues it."""

import warnings


class MagsrUserWarning(UserWarning):
    """A warning about an input or an option, which the user can change."""


def warn_user(message: str, stacklevel: int = 1) -> None:
    """Issue a `MagsrUserWarning`."""
    warnings.warn(message, MagsrUserWarning, stacklevel=stacklevel + 1)
