"""Version of the package, from its version control tag, and how to cite it."""

from importlib import resources
from textwrap import dedent

try:
    from sunpy_magsr._version import version
except ImportError:  # a checkout that was never installed
    version = "0.0.dev0"


def read_citation() -> str:
    """Read the BibTeX entries of ``CITATION.rst``."""
    text = (resources.files("sunpy_magsr") / "CITATION.rst").read_text(encoding="utf-8")
    block = text.split(".. code-block:: bibtex")[1]
    lines = [line for line in block.splitlines() if not line or line.startswith("    ")]
    return dedent("\n".join(lines)).strip()
