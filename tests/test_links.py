"""Addresses in the pages are complete and lead to hosts that somebody has looked at; `tox -e linkcheck` calls them."""

import re
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.rst", ROOT / "CONTRIBUTING.rst", *sorted((ROOT / "docs").rglob("*.rst"))]
PAGES = [page for page in PAGES if not {"_build", "generated", "sg_execution_times.rst"} & set(page.parts)]
HOSTS = {
    "arxiv.org",
    "doi.org",
    "docs.rapids.ai",
    "docs.sunpy.org",
    "github.com",
    "jobqueue.dask.org",
    "jsoc.stanford.edu",
    "numpydoc.readthedocs.io",
    "pytorch.org",
    "scientific-python.org",
    "semver.org",
    "sunpy-magsr.readthedocs.io",
    "sunpy.org",
}


def test_addresses():
    """A host that is not in the list may be added, if it is one that will last."""
    wrong = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for address in re.findall(r"https?://[^\s<>`\"')\]]+", text):
            parts = urlsplit(address)
            if parts.hostname not in HOSTS or (parts.scheme != "https" and parts.hostname != "jsoc.stanford.edu"):
                wrong.append(f"{page.relative_to(ROOT)}: {address}")
        dois = map("".join, re.findall(r":doi:`([^`]+)`|https://doi\.org/([^\s>`]+)", text))
        wrong += [f"{page.relative_to(ROOT)}: {doi}" for doi in dois if not re.fullmatch(r"10\.\d{4,9}/\S+", doi)]
    assert not wrong


def test_pictures_of_the_readme_are_there():
    """At addresses of the repository, so that they are shown on PyPI as well."""
    pictures = re.findall(r"^\.\. image:: (\S+)", PAGES[0].read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert pictures
    prefix = "https://github.com/sunpy-magsr/sunpy-magsr/raw/main/"
    assert not [
        name for name in pictures if not (name.startswith(prefix) and (ROOT / name.removeprefix(prefix)).is_file())
    ]
