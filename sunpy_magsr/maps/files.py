"""Names and hashes of files."""

from __future__ import annotations

import hashlib
from pathlib import Path


def file_digest(path: str | Path) -> str:
    """Compute the SHA-256 hash of a file."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def stem_of(name: str) -> str:
    """Remove the endings of the name of a FITS file, such as ``.fits`` or ``.fits.gz``."""
    for ending in (".gz", ".fz", ".fits", ".fit", ".fts"):
        name = name.removesuffix(ending)
    return name
