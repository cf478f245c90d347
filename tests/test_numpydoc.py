"""What the reference pages show follows numpydoc."""

import importlib
import inspect
import re
import tomllib
from pathlib import Path

from numpydoc.validate import validate

ROOT = Path(__file__).parents[1]
PAGES = "\n".join(page.read_text(encoding="utf-8") for page in sorted(ROOT.glob("docs/reference/*.rst")))
MODULES = re.findall(r"^\.\. automodule:: (\S+)", PAGES, flags=re.MULTILINE)
SINGLE = re.findall(r"^\.\. auto(?:function|exception):: (\S+)", PAGES, flags=re.MULTILINE)
CHECKS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["numpydoc_validation"]["checks"]


def documented(module):
    """Find the public names of a module that are code, and the public methods and properties of its classes."""
    loaded = importlib.import_module(module)
    for name in loaded.__all__:
        member = getattr(loaded, name)
        if not callable(member):
            continue
        yield f"{module}.{name}"
        if inspect.isclass(member):
            for attribute, value in vars(member).items():
                if not attribute.startswith("_") and (inspect.isroutine(value) or isinstance(value, property)):
                    yield f"{module}.{name}.{attribute}"


def test_docstrings_follow_numpydoc():
    assert MODULES
    assert SINGLE
    found = [
        f"{name}: {code} {message}"
        for name in [*SINGLE, *(name for module in MODULES for name in documented(module))]
        for code, message in validate(name)["errors"]
        if code not in CHECKS  # "all" but those that are named
    ]
    assert not found, "\n".join(found)
