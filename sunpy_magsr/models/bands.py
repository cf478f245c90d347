"""The evaluation of a stack of local blocks in bands of rows, whose values fit into the cache of the processor."""

import torch

__all__ = ["Bands"]

_POSITIONS = 8192
_ROWS = 4
_COLUMNS = 32  # of which widths are multiples: convolutions are prepared once for a shape


class Bands:
    """
    Bands of rows in which a network is evaluated, each from the first to the last active column.

    Parameters
    ----------
    shape : `tuple` of `int`
        The number of rows and columns of the grid of the network.
    device : `torch.device`
        The device. On a CPU, a band has about 8192 positions; elsewhere there is one band of all rows.
    active : `torch.Tensor`, optional
        Where the network is evaluated, bool ``[h, w]``. It sees zeros elsewhere, as beyond the edge of a patch in the
        training. By default it is evaluated everywhere.
    """

    def __init__(self, shape, device, active=None):
        self.shape, self.device = shape, device
        rows = max(_ROWS, _POSITIONS // shape[1]) if device.type == "cpu" else shape[0]
        self.places = []
        for start in range(0, shape[0], rows):
            band = slice(start, min(start + rows, shape[0]))
            if active is None:
                self.places.append((band, slice(0, shape[1]), None))
                continue
            part = active[band]
            found = part.any(0).nonzero()[:, 0]
            if len(found):
                first, last = int(found[0]) // _COLUMNS, int(found[-1]) // _COLUMNS + 1
                columns = slice(first * _COLUMNS, min(last * _COLUMNS, shape[1]))
                part = part[:, columns]
                self.places.append((band, columns, None if bool(part.all()) else part[..., None]))

    def run(self, blocks, channels, *, enter, leave, embedding=None):
        """
        Evaluate the blocks one after the other.

        Parameters
        ----------
        blocks : iterable of `~sunpy_magsr.models.blocks.LocalBlock`
            The blocks.
        channels : `int`
            The number of channels of their input and output.
        enter : callable
            ``enter(rows, columns)`` returns the input of the first block in a window, ``[r, c, channels]``.
        leave : callable
            ``leave(rows, columns, values)`` receives the output of the last block in a window.
        embedding : `torch.Tensor`, optional
            The features of the diffusion time, ``[1, size]``, for blocks that depend on it.
        """
        blocks = list(blocks)
        reach = max(block.reach for block in blocks)
        rows, columns = (side + 2 * reach for side in self.shape)
        field = torch.zeros((rows, columns, channels), device=self.device)  # with an edge of zeros
        for place in self.places:
            self._put(field, place, enter(*place[:2]), reach)
        for block in blocks:
            norm = block.modulated_norm(embedding)
            done, above = None, None  # where the last band ended, and what its last rows were before
            for place in self.places:
                rows, columns, _ = place
                wide = slice(columns.start, columns.stop + 2 * reach)
                top = above[:, wide] if done == rows.start else field[rows.start : rows.start + reach, wide]
                window = torch.cat([top, field[rows.start + reach : rows.stop + 2 * reach, wide]])
                done, above = rows.stop, field[rows.stop : rows.stop + reach].clone()
                self._put(field, place, block.inner(window, *norm), reach)
        for rows, columns, _ in self.places:
            leave(rows, columns, self._inside(field, rows, columns, reach))

    @staticmethod
    def _inside(field, rows, columns, reach):
        return field[rows.start + reach : rows.stop + reach, columns.start + reach : columns.stop + reach]

    def _put(self, field, place, values, reach):
        rows, columns, mask = place
        self._inside(field, rows, columns, reach)[:] = values if mask is None else values * mask
