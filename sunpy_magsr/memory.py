"""How much memory there is, and how much a result takes."""

import contextlib
from pathlib import Path

__all__ = ["check_memory"]

_MOST_PIXELS = 1e9  # of a result, whatever the memory
# Measured for a full disk of 1024 x 1024 pixels on the x4 grid (benchmarks/speed.py): 1.6 GiB for 16.8 million pixels.
_BYTES = 100  # a pixel of the x4 grid
_RESAMPLED_BYTES = 40  # a pixel of the result, where it is on another grid
_MEMBER_BYTES = 4
_GIB = 2**30


def available():
    """
    Memory in bytes that this process may still take, where the system says it (Linux); `None` elsewhere.

    The least of what is free and what is left of the limit of its control group.
    """
    found = []
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found.append(1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]))
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        limit, used = (int((group / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
        found.append(max(0, limit - used))
    return min(found, default=None)


def check_memory(rows, columns, ratio, factor, *, members=1):
    """
    Raise if a result does not fit into memory.

    Parameters
    ----------
    rows, columns : `int`
        Pixels of the input.
    ratio : `tuple` of `float`
        Output pixels along one input pixel, in x and y.
    factor : `int`
        Of the model's own grid.
    members : `int`
        Of an ensemble that are kept at once.

    Raises
    ------
    ValueError
        With what is needed, what there is, and what would fit.
    """
    pixels = rows * columns * ratio[0] * ratio[1]
    own = _BYTES * rows * columns * factor**2
    each = _MEMBER_BYTES * members + (_RESAMPLED_BYTES if ratio != (factor, factor) else 0)
    needed, free = own + each * pixels, available()
    if pixels <= _MOST_PIXELS and (free is None or needed <= free):
        return
    there = "" if free is None else f" and about {needed / _GIB:.3g} GiB of memory, of which {free / _GIB:.3g} are free"
    room = _MOST_PIXELS if free is None else min(_MOST_PIXELS, max(0.0, free - own) / each)
    finest = (room / (rows * columns)) ** 0.5
    advice = (
        f"pixels of at least 1/{finest:.3g} of the input's, or fewer members, would fit"
        if finest > 1
        else "a cutout (smap.submap) would fit"
    )
    msg = f"plate_scale must give a result of at most {_MOST_PIXELS:g} pixels that fits into memory, got {pixels:.3g} pixels{there}; {advice}."
    raise ValueError(msg)
