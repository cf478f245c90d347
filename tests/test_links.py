"""Addresses in the pages are complete and lead to hosts that somebody has looked at; `tox -e linkcheck` calls them."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_addresses(page):
    text = page.read_text(encoding="utf-8")
    for address in re.findall(r"https?://[^\s<>`\"')\]]+", text):
        parts = urlsplit(address)
        assert parts.scheme == "https" or parts.hostname == "jsoc.stanford.edu", address
        assert parts.hostname in HOSTS, f"{address}: is the host one that will last? Then add it to the list"
    for doi in re.findall(r":doi:`([^`]+)`|https://doi\.org/([^\s>`]+)", text):
        assert re.fullmatch(r"10\.\d{4,9}/\S+", "".join(doi)), doi


def test_pictures_of_the_readme_are_there():
    pictures = re.findall(r"^\.\. image:: (\S+)", PAGES[0].read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert pictures
    assert not [name for name in pictures if not (ROOT / name).is_file()]
