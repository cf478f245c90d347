"""The members of an ensemble, in memory or in a file, and their running moments."""

from __future__ import annotations

import contextlib
import dataclasses
import mmap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from sunpy_magsr.metrics.ensemble import Draws, pair_correlation


@dataclasses.dataclass(frozen=True)
class StoredMoments:
    """What is known of the members of an ensemble that was read from a file: how many, their mean and deviation."""

    draws: Draws
    mean: np.ndarray
    std: np.ndarray


class Moments:
    """
    Mean and standard deviation of fields that come one by one (Welford 1962, :doi:`10.1080/00401706.1962.10490022`).

    Parameters
    ----------
    is_paired : `bool`
        Whether the fields are antithetic pairs (``Draws``). Defaults to `False`.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_magsr.uncertainty.members import Moments
    >>> moments = Moments()
    >>> for value in (1.0, 2.0, 3.0):
    ...     moments.add(np.array([value]))
    >>> moments.mean, moments.std
    (array([2.]), array([1.]))
    """

    mean: np.ndarray
    _squares: np.ndarray

    def __init__(self, *, is_paired: bool = False) -> None:
        self.count = 0
        self.is_paired = is_paired
        self._first: np.ndarray | None = None
        self._differences = self._squares_of_pairs = 0.0

    @property
    def draws(self) -> Draws:
        """Number of the fields, whether they are pairs, and the correlation of partners, a mean over the pixels."""
        if not self.is_paired or self.count < 2:
            return Draws(self.count, self.is_paired)
        correlation = pair_correlation(self._squares_of_pairs, self._differences, self.count // 2)
        return Draws(self.count, True, correlation)

    def add(self, field: np.ndarray) -> None:
        """Take one more field."""
        self.count += 1
        if self.count == 1:
            self.mean, self._squares = field.copy(), np.zeros_like(field)
        else:
            delta = field - self.mean
            self.mean += delta / self.count
            self._squares += delta * (field - self.mean)
        if self.is_paired and self.count % 2:
            self._first = field
        elif self._first is not None:
            self._differences += float(np.nansum((field - self._first) ** 2, dtype=float)) / 4
            self._squares_of_pairs = float(np.nansum(self._squares, dtype=float))
            self._first = None

    @property
    def std(self) -> np.ndarray:
        """Standard deviation of a field, estimated from at least two."""
        return np.sqrt(self._squares / self.draws.variance_divisor)


def keep_members(
    fields: Iterable[np.ndarray], count: int, *, store: str | Path | None = None, is_paired: bool = False
) -> tuple[np.ndarray, Moments]:
    """Keep fields that are drawn one by one."""
    moments, partial = Moments(is_paired=is_paired), None if store is None else _partial(Path(store))
    members: Any = None  # made when the shape is known
    try:
        for number, field in enumerate(fields):
            if members is None:
                shape = (count, *field.shape)
                members = np.empty(shape, np.float32) if partial is None else _open_mapped(partial, shape)
            members[number] = field
            moments.add(field)
            release(members)
    except BaseException:
        if partial is not None:
            partial.unlink(missing_ok=True)
        raise
    if store is not None and partial is not None:
        members.flush()
        partial.replace(store)
        members = np.load(store, mmap_mode="r")
    members.flags.writeable = False
    return members, moments


def release(members: np.ndarray) -> None:
    """Free the memory that holds pages of a mapped file. An array in memory stays as it is."""
    mapped = getattr(members, "base", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        if isinstance(members, np.memmap) and members.flags.writeable:
            members.flush()
        with contextlib.suppress(OSError, ValueError):
            mapped.madvise(mmap.MADV_DONTNEED)


def _partial(store: Path) -> Path:
    """Name of the file while it is written, if ``store`` is a new file."""
    if store.exists():
        msg = f"store must be a new file, and {store} exists."
        raise FileExistsError(msg)
    store.parent.mkdir(parents=True, exist_ok=True)
    return store.with_name(f".{store.name}.partial")


def _open_mapped(path: Path, shape: tuple[int, ...]) -> np.memmap:
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
