"""How functions that measure magnetic fields declare them and describe them: each type and each text in one place."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    import astropy.units as u
    import numpy.typing as npt
    from sunpy.map import GenericMap

__all__ = ["FIELD", "PAIR", "PARAMETERS", "PLATE_SCALE", "RAISES", "FieldLike", "described_with"]

#: What `~sunpy_magsr.prep.field.read_field` reads.
FieldLike: TypeAlias = "GenericMap | u.Quantity | npt.ArrayLike"

PARAMETERS = "Parameters\n----------\n"
RAISES = "Raises\n------\n"
FIELD = """\
field : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
    Magnetic field ``[y, x]``; a plain array is in Gauss.
"""
PAIR = """\
result : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
    Magnetic field that is compared with the truth, ``[y, x]``; a plain array is in Gauss.
truth : `sunpy.map.GenericMap`, `~astropy.units.Quantity` or array-like
    True magnetic field on the same grid. A pixel that is missing in one of the two fields is left out of both.
"""
PLATE_SCALE = """\
plate_scale : `~astropy.units.Quantity`, optional
    Size of the pixels of a plain array: one number, or ``(x, y)``, in arcsec/pix, or in deg/pix for a heliographic
    (CEA) grid. A Map knows its own.
"""

_Function = TypeVar("_Function", bound="Callable[..., Any]")
_PLACEHOLDER = re.compile(r"^([ \t]*)\{(\w+)\}$", re.MULTILINE)


def described_with(**texts: str) -> Callable[[_Function], _Function]:
    """
    Put texts that several docstrings share into the docstring of a function.

    A line of the docstring that holds a name in braces and nothing else, such as ``{pair}``, becomes the text of that
    name, indented like the line. The function itself is returned. Without docstrings (``python -OO``) nothing is done.

    Parameters
    ----------
    **texts : `str`
        The text for each name, without indentation.

    Returns
    -------
    callable
        A decorator.

    Raises
    ------
    KeyError
        When the decorator meets a name that has no text.

    Examples
    --------
    >>> from sunpy_magsr._fields import described_with
    >>> @described_with(unit="In Gauss.")
    ... def noise():
    ...     '''
    ...     Noise of a field.
    ...
    ...     {unit}
    ...     '''
    >>> print(noise.__doc__.strip())
    Noise of a field.
    <BLANKLINE>
        In Gauss.
    """

    def describe(function: _Function) -> _Function:
        if function.__doc__:
            function.__doc__ = _PLACEHOLDER.sub(
                lambda line: textwrap.indent(texts[line[2]].strip("\n"), line[1]), function.__doc__
            )
        return function

    return describe
