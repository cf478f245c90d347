"""Regression networks, evaluated in tiles."""

import torch
from tqdm.auto import tqdm

from sunpy_magsr.backends.frame import Frame, usable_device

__all__ = ["RegressionBackend"]

_TILE = 192


class RegressionBackend:
    """
    Predict the high-resolution field with a network.

    Each tile has a halo as wide as the network sees, so that the borders of tiles change the result by rounding only.

    Parameters
    ----------
    network : `~sunpy_magsr.models.regression.Enhance` or `~sunpy_magsr.models.regression.Progressive`
        The network, which maps low-resolution fields in Gauss to high-resolution ones.
    card : `~sunpy_magsr.catalog.ModelCard`
        The facts about the model.
    tile : `int`
        The side of a tile in input pixels, which matters for memory and speed only. Defaults to 192.
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
