"""The members of an ensemble, in memory or in a file, and their running moments."""

import contextlib
import mmap
from pathlib import Path

import numpy as np

__all__ = ["Moments", "keep_members", "release"]


class Moments:
    """
    Mean and standard deviation of fields that come one by one (Welford 1962, :doi:`10.1080/00401706.1962.10490022`).

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

    def __init__(self):
        self.count, self.mean, self._squares = 0, None, None

    def add(self, field):
        """Take one more field, `numpy.ndarray` of any shape, the same for all."""
        self.count += 1
        if self.mean is None:
            self.mean, self._squares = field.copy(), np.zeros_like(field)
            return
        delta = field - self.mean
        self.mean += delta / self.count
        self._squares += delta * (field - self.mean)

    @property
    def std(self):
        """Sample standard deviation (n - 1 in the denominator) of at least two fields."""
        return np.sqrt(self._squares / (self.count - 1))


def keep_members(fields, count, *, store=None):
    """
    Keep fields that are drawn one by one.

    Parameters
    ----------
    fields : iterable of `numpy.ndarray`
        float32 ``[Y, X]``.
    count : `int`
        How many there will be.
    store : `str` or `pathlib.Path`, optional
        A new file in NumPy's format (``.npy``) that holds them in the place of the memory. It appears when all are drawn.

    Returns
    -------
    members : `numpy.ndarray`
        ``[S, Y, X]``, in memory or mapped to the file; read only.
    moments : `Moments`
        Theirs.

    Raises
    ------
    FileExistsError
        If the file is there.
    """
    moments, members, partial = Moments(), None, None
    if store is not None:
        store = Path(store)
        if store.exists():
            msg = f"store must be a new file, and {store} exists."
            raise FileExistsError(msg)
        store.parent.mkdir(parents=True, exist_ok=True)
        partial = store.with_name(f".{store.name}.partial")
    try:
        for number, field in enumerate(fields):
            if members is None:
                shape = (count, *field.shape)
                members = np.empty(shape, np.float32) if store is None else _mapped(partial, shape)
            members[number] = field
            moments.add(field)
            release(members)
    except BaseException:
        if partial is not None:
            partial.unlink(missing_ok=True)
        raise
    if store is not None:
        members.flush()
        partial.replace(store)
        members = np.load(store, mmap_mode="r")
    members.flags.writeable = False
    return members, moments


def release(members):
    """
    Let go of the memory in which pages of a mapped file are kept; nothing for an array in memory.

    Parameters
    ----------
    members : `numpy.ndarray`
        From `keep_members`.
    """
    mapped = getattr(members, "base", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        if members.flags.writeable:
            members.flush()
        with contextlib.suppress(OSError, ValueError):
            mapped.madvise(mmap.MADV_DONTNEED)


def _mapped(path, shape):
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
