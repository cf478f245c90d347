"""Tiles with a halo."""

import dataclasses

import numpy as np

__all__ = ["Tile", "tiles"]


@dataclasses.dataclass(frozen=True)
class Tile:
    """
    One tile of a frame.

    Attributes
    ----------
    core : `tuple` of `slice`
        The frame's pixels ``(y, x)`` that the tile is for.
    padded : `tuple` of `slice`
        The core and its halo, as far as the frame goes.
    inner : `tuple` of `slice`
        The core within ``padded``.
    """

    core: tuple
    padded: tuple
    inner: tuple

    @property
    def shape(self):
        """Rows and columns of ``padded``."""
        return tuple(window.stop - window.start for window in self.padded)

    def scaled(self, factor):
        """The same tile on a grid that is finer by ``factor`` (a half for one that is twice coarser)."""
        return Tile(
            *(
                tuple(slice(int(window.start * factor), int(window.stop * factor)) for window in windows)
                for windows in (self.core, self.padded, self.inner)
            )
        )


def tiles(shape, *, size, halo, wanted=None):
    """
    Cut a frame into tiles.

    Parameters
    ----------
    shape : `tuple` of `int`
        Rows and columns of the frame.
    size : `int`
        Side of a core.
    halo : `int`
        Pixels around a core that its result depends on.
    wanted : `numpy.ndarray`, optional
        bool, ``shape``; tiles whose core holds no true pixel are left out, and the others, if there are several, are no
        larger than their true pixels need, to a multiple of 2 from the core's first. All are wanted by default.

    Returns
    -------
    `list` of `Tile`
        In reading order.
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
