"""The tests need nothing but the repository, whose data are small and come with their sources."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
OUTSIDE = re.compile(r"\.\./shared|MAGSR_DATA|parents\[([2-9]|\d\d)|(\.parent\b){3}|expanduser|Path\.home")


def test_the_tests_look_nowhere_else():
    found = [
        f"{path.relative_to(TESTS)}: {line}"
        for path in sorted(TESTS.rglob("*.py"))
        if path != Path(__file__)
        for line in path.read_text(encoding="utf-8").splitlines()
        if OUTSIDE.search(line)
    ]
    assert not found


def test_data_are_small_and_their_sources_are_named():
    files = [path for path in (TESTS / "data").iterdir() if path.name != "README.rst"]
    described = (TESTS / "data" / "README.rst").read_text(encoding="utf-8")
    assert files
    assert not [path.name for path in files if f"``{path.name}``" not in described]
    assert sum(path.stat().st_size for path in files) < 2e6
