"""Deterministic networks, in tiles."""

import torch
from tqdm.auto import tqdm

from sunpy_magsr.backends.frame import Frame, usable_device

__all__ = ["RegressionBackend"]

_TILE = 192


class RegressionBackend:
    """
    One pass of a network, with a halo as wide as it sees, so that tiling changes nothing but rounding.

    Parameters
    ----------
    network : `~sunpy_magsr.models.regression.Enhance` or `~sunpy_magsr.models.regression.Progressive`
        From a low-resolution field in Gauss to a high-resolution one.
    card : `~sunpy_magsr.catalog.ModelCard`
        Facts about the model.
    tile : `int`
        Side of a tile in input pixels; a matter of memory and speed only.
    """

    def __init__(self, network, card, *, tile=_TILE):
        self.network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.card = card
        self.tile = tile

    @torch.inference_mode()
    def samples(self, magnetogram, *, device=None, batch_size=None, progress=False, **_options):
        """Yield the one result; see `sunpy_magsr.backends.base.Backend.samples`."""
        device = usable_device(device)
        self.network.to(device)
        frame = Frame(magnetogram, self.tile, device, batch_size)
        with tqdm(total=frame.count(decoded=True), disable=None if progress else True, unit="tile") as bar:
            frame.bar = bar
            yield frame.decoded(self.network.halo, [(frame.low, 1)], self.network, self.card.factor)
