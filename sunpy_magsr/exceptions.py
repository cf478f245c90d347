"""The warning of the package, and what an exception says."""

import warnings


class MagsrUserWarning(UserWarning):
    """A warning about an input or an option, which the user can change."""


def warn_user(message: str, stacklevel: int = 1) -> None:
    """Issue a `MagsrUserWarning`."""
    warnings.warn(message, MagsrUserWarning, stacklevel=stacklevel + 1)


def reason(error: BaseException | Warning) -> str:
    """Put the message of an exception on one line."""
    return " ".join(str(error).split()) or type(error).__name__
