"""Tiles of a frame, and networks evaluated on them."""

from __future__ import annotations

import dataclasses
import functools
import os

import numpy as np
import scipy.ndimage
import torch


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

    def scale(self, factor: float) -> Tile:
        """Convert the tile to a finer or coarser grid."""
        return Tile(
            *(
                tuple(slice(int(window.start * factor), int(window.stop * factor)) for window in windows)
                for windows in (self.core, self.padded, self.inner)
            )
        )


def tiles(shape: tuple[int, int], *, size: int, halo: int, wanted: np.ndarray | None = None) -> list[Tile]:
    """Cut a frame into tiles."""
    result = []
    for y in range(0, shape[0], size):
        for x in range(0, shape[1], size):
            core = tuple(slice(start, min(start + size, side)) for start, side in zip((y, x), shape, strict=True))
            if wanted is not None:
                if not wanted[core].any():
                    continue
                if max(shape) > size:
                    core = _trim(core, wanted[core])
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


def _trim(core, wanted):
    found = [np.flatnonzero(wanted.any(axis=axis)) for axis in (1, 0)]
    return tuple(
        slice(window.start + places[0] // 2 * 2, min(window.start + (places[-1] // 2 + 1) * 2, window.stop))
        for window, places in zip(core, found, strict=True)
    )


_MARGIN = 8
_FINE = 256

# The threads of a parent's PyTorch are not there in a forked child, which would wait for them for ever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=functools.partial(torch.set_num_threads, 1))


def usable_device(name=None):
    """Find a torch device and check that it works."""
    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        probe = torch.ones(1, device=name)
        probe.cpu()
    except (AssertionError, NotImplementedError, RuntimeError, TypeError) as error:  # "meta" has no numbers
        msg = f"device must be a torch device of this machine, such as 'cpu' or 'cuda', got {name!r}."
        raise ValueError(msg) from error
    return probe.device


def on_device(array, device):
    """
    Copy an array to a device.

    On the way to a GPU it goes through pinned memory, from which it is copied while the CPU continues.
    """
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def on_host(tensor):
    """
    Copy a tensor to the memory of the CPU.

    From a GPU it is copied into pinned memory at once, which saves a second copy.
    """
    if tensor.device.type != "cuda":
        return tensor.cpu().numpy()
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return host.copy_(tensor).numpy()


class Frame:
    """
    An input that is continued beyond its edges and cut into tiles.

    The edges of the frame lie at even places of the absolute grid of the input's pixels, so that a cutout gives the
    same blocks of 2 x 2 pixels as the whole frame.

    Parameters
    ----------
    magnetogram : `~sunpy_magsr.maps.Magnetogram`
        The input.
    tile : `int`
        The side of a tile in input pixels, without its halo. At the resolution of the output it is at most 256.
    device : `torch.device`
        The device.
    batch_size : `int` or `None`
        The number of tiles that are computed at once; `None` for 1 on a CPU and 16 on a GPU.
    """

    def __init__(self, magnetogram, tile, device, batch_size):
        before = [_MARGIN + (start - _MARGIN) % 2 for start in magnetogram.origin]
        after = [_MARGIN + (side + first) % 2 for side, first in zip(magnetogram.data.shape, before, strict=True)]
        self.around = tuple(zip(before, after, strict=True))
        self.device = device
        valid = np.pad(magnetogram.valid, self.around)
        self.shape = valid.shape
        self.origin = tuple(start - first for start, first in zip(magnetogram.origin, before, strict=True))
        self.window = tuple(
            slice(first, first + side) for first, side in zip(before, magnetogram.data.shape, strict=True)
        )
        self.low = self.extend(magnetogram.data)
        near = scipy.ndimage.maximum_filter(valid, 2 * _MARGIN + 1)
        self.active = (
            near.reshape(near.shape[0] // 2, 2, near.shape[1] // 2, 2).max(axis=(1, 3)).repeat(2, 0).repeat(2, 1)
        )
        self.tile, self.fine = tile, min(tile, _FINE)
        self.batch_size = batch_size or (1 if device.type == "cpu" else 16)
        self.bar = None

    def extend(self, plane):
        """Continue an array beyond the edges of the input."""
        return on_device(np.pad(plane, self.around, mode="edge"), self.device)[None, None]

    def count(self, *, decoded=False):
        """Count the tiles of one evaluation of a network."""
        size = self.fine if decoded else self.tile
        return len(tiles(self.shape, size=size, halo=0, wanted=self.active))

    def near(self, factor):
        """Mark the pixels that are near a measured pixel."""
        step = round(1 / factor)
        return on_device(self.active[::step, ::step].astype(np.float32), self.device)[None, None]

    def batches(self, halo, sources, *, size=None):
        """Cut tensors into tiles, several tiles at once."""
        groups = {}
        for tile in tiles(self.shape, size=size or self.tile, halo=halo + halo % 2, wanted=self.active):
            groups.setdefault(tile.shape, []).append(tile)
        for group in groups.values():
            for start in range(0, len(group), self.batch_size):
                chosen = group[start : start + self.batch_size]
                cut = []
                for tensor, factor in sources:
                    windows = [tile.scale(factor).padded for tile in chosen]
                    parts = [tensor[:, :, y, x] for y, x in windows]
                    cut.append(torch.cat(parts) if len(parts) > 1 else parts[0])
                yield chosen, cut
                self.bar.update(len(chosen))

    def put(self, target, chosen, values, factor=1, *, add=False):
        """Write the values of tiles into a tensor for the whole frame, without the halos of the tiles."""
        shape = tuple(int(side * factor) for side in self.shape)
        if target is None:
            if values.shape[2:] == shape:
                return values
            target = torch.zeros((1, values.shape[1], *shape), device=self.device)
        for tile, value in zip(chosen, values, strict=True):
            place = tile.scale(factor)
            y, x = place.inner
            core = target[0][(slice(None), *place.core)]
            core.copy_(core + value[:, y, x] if add else value[:, y, x])
        return target

    def decode(self, halo, sources, network, factor):
        """Evaluate a network whose result has the resolution of the output."""
        high = torch.zeros([factor * side for side in self.shape], device=self.device)
        for chosen, cut in self.batches(halo, sources, size=self.fine):
            for tile, field in zip(chosen, network(*cut), strict=True):
                fine = tile.scale(factor)
                high[fine.core] = field[0][fine.inner]
        return on_host(high[tuple(slice(factor * part.start, factor * part.stop) for part in self.window)])
