"""A frame cut into tiles for networks that see a neighborhood only."""

import functools
import os

import numpy as np
import scipy.ndimage
import torch

from sunpy_magsr.tiling import tiles

__all__ = ["Frame", "on_device", "on_host", "usable_device"]

_MARGIN = 8
_FINE = 256

# The threads of a parent's PyTorch are not there in a forked child, which would wait for them for ever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=functools.partial(torch.set_num_threads, 1))


def usable_device(name=None):
    """
    A torch device that this machine has.

    Parameters
    ----------
    name : `str`, optional
        CUDA where there is one by default, else the CPU.

    Returns
    -------
    `torch.device`

    Raises
    ------
    ValueError
        If it is not usable.
    """
    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        probe = torch.ones(1, device=name)
        probe.cpu()
    except (AssertionError, NotImplementedError, RuntimeError, TypeError) as error:  # "meta" has no numbers
        msg = f"device must be a torch device of this machine, such as 'cpu' or 'cuda', got {name!r}."
        raise ValueError(msg) from error
    return probe.device


def on_device(array, device):
    """An array as a tensor there; to a GPU by way of pinned memory, from where it is copied while the CPU goes on."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def on_host(tensor):
    """A tensor as an array; from a GPU into pinned memory, without a copy of the whole on the way."""
    if tensor.device.type != "cuda":
        return tensor.cpu().numpy()
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return host.copy_(tensor).numpy()


class Frame:
    """
    The input continued beyond its edges onto the absolute grid, and its tiles.

    Parameters
    ----------
    magnetogram : `~sunpy_magsr.prep.Magnetogram`
        The input.
    tile : `int`
        Side of a tile's core in input pixels; at the output's resolution, it is 256 at most.
    device : `torch.device`
        Where to compute.
    batch_size : `int` or `None`
        Tiles computed at once; 1 on the CPU and 16 elsewhere by default.
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
        self.low = self.continued(magnetogram.data)
        near = scipy.ndimage.maximum_filter(valid, 2 * _MARGIN + 1)
        self.active = (
            near.reshape(near.shape[0] // 2, 2, near.shape[1] // 2, 2).max(axis=(1, 3)).repeat(2, 0).repeat(2, 1)
        )
        self.tile, self.fine = tile, min(tile, _FINE)
        self.batch_size = batch_size or (1 if device.type == "cpu" else 16)
        self.bar = None

    def continued(self, plane):
        """An array ``[y, x]`` of the input's window continued over the frame, as a tensor ``[1, 1, y, x]``."""
        return on_device(np.pad(plane, self.around, mode="edge"), self.device)[None, None]

    def count(self, *, decoded=False):
        """How many tiles one evaluation of a network takes, or one of `decoded`."""
        size = self.fine if decoded else self.tile
        return len(tiles(self.shape, size=size, halo=0, wanted=self.active))

    def near(self, factor):
        """1 where a measured pixel is near, else 0, ``[1, 1, y, x]`` on the frame's grid or one that is coarser."""
        step = round(1 / factor)
        return on_device(self.active[::step, ::step].astype(np.float32), self.device)[None, None]

    def batches(self, halo, sources, *, size=None):
        """Yield lists of tiles of one shape, and the sources ``(tensor, grid factor)`` cut out for them."""
        groups = {}
        for tile in tiles(self.shape, size=size or self.tile, halo=halo + halo % 2, wanted=self.active):
            groups.setdefault(tile.shape, []).append(tile)
        for group in groups.values():
            for start in range(0, len(group), self.batch_size):
                chosen = group[start : start + self.batch_size]
                cut = []
                for tensor, factor in sources:
                    windows = [tile.scaled(factor).padded for tile in chosen]
                    parts = [tensor[:, :, y, x] for y, x in windows]
                    cut.append(torch.cat(parts) if len(parts) > 1 else parts[0])
                yield chosen, cut
                self.bar.update(len(chosen))

    def put(self, target, chosen, values, factor=1, *, add=False):
        """
        Write the cores of the tiles' values into a frame, or add them to it.

        Parameters
        ----------
        target : `torch.Tensor` or `None`
            ``[1, c, y, x]`` on the frame's grid times the factor. Without one, the values of a tile that is the whole
            frame are it, and zeros are begun with otherwise.
        chosen : `list` of `~sunpy_magsr.tiling.Tile`
            Of the values.
        values : `torch.Tensor`
            ``[N, c, h, w]`` with the halo.
        factor : `float`
            Of the values' grid.
        add : `bool`
            Whether to add.

        Returns
        -------
        `torch.Tensor`
            The target.
        """
        shape = tuple(int(side * factor) for side in self.shape)
        if target is None:
            if values.shape[2:] == shape:
                return values
            target = torch.zeros((1, values.shape[1], *shape), device=self.device)
        for tile, value in zip(chosen, values, strict=True):
            place = tile.scaled(factor)
            y, x = place.inner
            core = target[0][(slice(None), *place.core)]
            core.copy_(core + value[:, y, x] if add else value[:, y, x])
        return target

    def decoded(self, halo, sources, network, factor):
        """
        Evaluate a network at the output's resolution.

        Parameters
        ----------
        halo : `int`
            Input pixels beyond a tile that the network depends on.
        sources : `list`
            As for `batches`.
        network : callable
            From the sources' tiles to Gauss ``[N, 1, factor h, factor w]``.
        factor : `int`
            Output pixels along one input pixel.

        Returns
        -------
        `numpy.ndarray`
            float32 ``[factor y, factor x]`` of the input's window, 0 far from any measured pixel.
        """
        high = torch.zeros([factor * side for side in self.shape], device=self.device)
        for chosen, cut in self.batches(halo, sources, size=self.fine):
            for tile, field in zip(chosen, network(*cut), strict=True):
                fine = tile.scaled(factor)
                high[fine.core] = field[0][fine.inner]
        return on_host(high[tuple(slice(factor * part.start, factor * part.stop) for part in self.window)])
