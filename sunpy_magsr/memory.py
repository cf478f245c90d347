"""The memory that a result needs and the memory that is free."""

import contextlib
from pathlib import Path

__all__ = ["check_memory"]

_MOST_PIXELS = 1e9  # of a result, whatever the memory
# Measured for a full disk of 1024 x 1024 pixels on the x4 grid (benchmarks/speed.py): 1.6 GiB for 16.8 million pixels.
_BYTES = 100  # a pixel of the x4 grid
_RESAMPLED_BYTES = 40  # a pixel of the result, where it is on another grid
_MEMBER_BYTES = 4
_GIB = 2**30


def available() -> int | None:
    """
    Find how much memory this process may still take.

    It is the smaller of two numbers: the memory that is free, and what is left of the limit of the control group of
    this process. Files that the system keeps in memory count as free.

    Returns
    -------
    `int` or `None`
        The memory in bytes; `None` if the system does not say it. Linux does.
    """
    found = []
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found.append(1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]))
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        limit, used = (int((group / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
        lines = (group / "memory.stat").read_text(encoding="ascii").splitlines()
        cached = sum(int(line.split()[1]) for line in lines if line.startswith(("active_file ", "inactive_file ")))
        found.append(max(0, limit - used + cached))
    return min(found, default=None)


def check_memory(rows: int, columns: int, ratio: tuple[float, float], factor: int, *, members: int = 1) -> None:
    """
    Check that a result fits into memory.

    Parameters
    ----------
    rows, columns : `int`
        The number of pixels of the input along y and x.
    ratio : `tuple` of `float`
        The number of output pixels along one input pixel, in x and y.
    factor : `int`
        The number of pixels along one input pixel on the grid of the model.
    members : `int`
        The number of samples that are in memory at once. Defaults to 1.

    Raises
    ------
    ValueError
        If it does not fit. The message says how much memory is needed, how much is free, and what would fit.
    """
    pixels = rows * columns * ratio[0] * ratio[1]
    own = _BYTES * rows * columns * factor**2 + (_RESAMPLED_BYTES * pixels if ratio != (factor, factor) else 0)
    needed, free = own + _MEMBER_BYTES * members * pixels, available()
    if pixels <= _MOST_PIXELS and (free is None or needed <= free):
        return
    there = (
        "" if free is None else f", which take about {needed / _GIB:.3g} GiB of memory; {free / _GIB:.3g} GiB are free"
    )
    fitting = 0 if free is None else int((free - own) // (_MEMBER_BYTES * pixels))
    if pixels <= _MOST_PIXELS and members > 1 and fitting >= 1:
        msg = f"n_samples must be at most {fitting} for the members to fit into memory, got {members}{there}."
        raise ValueError(msg)
    finest = (_MOST_PIXELS / (rows * columns)) ** 0.5
    if free is not None:
        finest = min(finest, (free / (_BYTES * rows * columns)) ** 0.5)
    advice = f"pixels of 1/{finest:.3g} of the input's" if finest > factor else "a cutout (smap.submap)"
    msg = (
        f"plate_scale must give a result of at most {_MOST_PIXELS:g} pixels that fits into memory, got {pixels:.3g} pixels"
        f"{there}; {advice} would fit."
    )
    raise ValueError(msg)
