"""Docstrings that are put together from shared texts."""

import re

import pytest

from sunpy_magsr import metrics, spectral
from sunpy_magsr.maps.field import FIELD, described_with


@pytest.mark.parametrize("package", [metrics, spectral])
def test_every_shared_text_is_filled_in(package):
    for name in package.__all__:
        assert not re.search(r"(?m)^\s*\{\w+\}$", getattr(package, name).__doc__), name


def test_a_text_is_indented_like_its_line():
    @described_with(field=FIELD)
    def measure():
        """
        Measure.

            {field}
        """

    lines = measure.__doc__.splitlines()
    indents = [len(line) - len(line.lstrip()) for line in lines if "field" in line]
    assert indents[1] == indents[0] + 4
    assert measure.__name__ == "measure"


def test_without_docstrings_nothing_is_done():
    assert described_with(field=FIELD)(lambda: None).__doc__ is None


def test_an_unknown_name_is_an_error():
    def measure():
        """
        Measure.

        {fild}
        """

    with pytest.raises(KeyError, match="fild"):
        described_with(field=FIELD)(measure)
