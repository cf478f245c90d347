"""Tiles of a frame, each with a halo around it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Tile", "tiles"]


@dataclasses.dataclass(frozen=True)
class Tile:
    """
    One tile of a frame: windows of pixels along y and x.

    Parameters
    ----------
    core : `tuple` of `slice`
        Window of the frame for which the tile is computed.
    padded : `tuple` of `slice`
        Window of the frame with the core and its halo, as far as the frame reaches.
    inner : `tuple` of `slice`
        Window of the core within ``padded``.
    """

    core: tuple[slice, ...]
    padded: tuple[slice, ...]
    inner: tuple[slice, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers of rows and columns of ``padded``."""
        return tuple(window.stop - window.start for window in self.padded)

    def scaled(self, factor: float) -> Tile:
        """
        Convert the tile to a finer or coarser grid.

        Parameters
        ----------
        factor : `float`
            Pixels of the new grid along one pixel of the old one; 0.5 for a grid that is twice coarser.

        Returns
        -------
        `Tile`
            The same tile on that grid.
        """
        return Tile(
            *(
                tuple(slice(int(window.start * factor), int(window.stop * factor)) for window in windows)
                for windows in (self.core, self.padded, self.inner)
            )
        )


def tiles(shape: tuple[int, int], *, size: int, halo: int, wanted: npt.NDArray[np.bool_] | None = None) -> list[Tile]:
    """
    Cut a frame into tiles.

    Parameters
    ----------
    shape : `tuple` of `int`
        Numbers of rows and columns of the frame.
    size : `int`
        Side of a core in pixels.
    halo : `int`
        Number of pixels around a core on which its result depends.
    wanted : `numpy.ndarray`, optional
        Pixels of the frame whose result is wanted, bool. By default all are. Tiles whose core has no wanted pixel are left
        out. If the frame is larger than one core, the cores are trimmed to their wanted pixels, by multiples of 2 pixels.

    Returns
    -------
    `list` of `Tile`
        The tiles, row by row.
    """
    result = []
    for y in range(0, shape[0], size):
        for x in range(0, shape[1], size):
            core = tuple(slice(start, min(start + size, side)) for start, side in zip((y, x), shape, strict=True))
            if wanted is not None:
                if not wanted[core].any():
                    continue
                if max(shape) > size:
                    core = _trimmed(core, wanted[core])
            padded = tuple(
                slice(max(0, window.start - halo), min(side, window.stop + halo))
                for window, side in zip(core, shape, strict=True)
            )
            inner = tuple(
                slice(window.start - around.start, window.stop - around.start)
                for window, around in zip(core, padded, strict=True)
            )
            result.append(Tile(core, padded, inner))
    return result


def _trimmed(core, wanted):
    found = [np.flatnonzero(wanted.any(axis=axis)) for axis in (1, 0)]
    return tuple(
        slice(window.start + places[0] // 2 * 2, min(window.start + (places[-1] // 2 + 1) * 2, window.stop))
        for window, places in zip(core, found, strict=True)
    )
