"""Model folders: cards, weights, the bundled models, the Hub."""

from sunpy_magsr.store.card import ModelCard

__all__ = ["ModelCard"]
