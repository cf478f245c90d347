"""The selection of the files that are the frames of a plan."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sunpy_magsr.prep.files import stem_of

if TYPE_CHECKING:
    from sunpy_magsr.archive.plan import Input

__all__ = ["select_frames"]


def select_frames(source: Input, results: Path) -> dict[str, Path]:
    """
    Find the frames of a plan; see `sunpy_magsr.archive.plan.Plan.frames`.

    Parameters
    ----------
    source : `~sunpy_magsr.archive.plan.Input`
        The part of the plan that describes the frames.
    results : `pathlib.Path`
        The folder of the results, in which no frames are looked for.

    Returns
    -------
    `dict` of `pathlib.Path`
        The file of each frame by its name.
    """
    folder = Path(source.folder)
    if source.manifest:
        if not Path(source.manifest).is_file():
            msg = f"input.manifest must be a text file, and there is none at {source.manifest}."
            raise FileNotFoundError(msg)
        lines = Path(source.manifest).read_text(encoding="utf-8").splitlines()
        paths = [folder / line.strip() for line in lines if line.strip() and not line.startswith("#")]
    else:
        paths = sorted(folder.glob(source.pattern))
        if results.is_relative_to(folder):
            paths = [path for path in paths if not path.is_relative_to(results)]
    if not paths:
        where = source.manifest or f"{folder} that fits {source.pattern!r}"
        msg = f"input must have at least one frame, got none in {where}."
        raise ValueError(msg)
    frames: dict[str, Path] = {}
    found: dict[str, str] = {}
    for path in map(Path, map(os.path.normpath, paths)):
        if not path.is_relative_to(folder):
            msg = f"input.manifest must name files in input.folder, {folder}, got {path}."
            raise ValueError(msg)
        name = path.relative_to(folder).as_posix()
        if found.setdefault(stem_of(name), name) != name:
            msg = f"input must have frames of different names, got {found[stem_of(name)]} and {name}."
            raise ValueError(msg)
        frames[name] = path
    return frames
