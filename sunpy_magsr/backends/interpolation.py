"""Bicubic interpolation, the baseline that adds no structure."""

from sunpy_magsr.forward_model.interpolation import bicubic

__all__ = ["BicubicBackend"]


class BicubicBackend:
    """
    Bicubic interpolation with the methods of a model.

    Parameters
    ----------
    card : `~sunpy_magsr.catalog.ModelCard`
        The facts about the interpolation.
    """

    def __init__(self, card):
        self.card = card

    def samples(self, magnetogram, **_options):
        """Yield the single result; see `sunpy_magsr.backends.base.Backend.samples`. Its options have no effect."""
        yield bicubic(magnetogram.data, self.card.factor)
