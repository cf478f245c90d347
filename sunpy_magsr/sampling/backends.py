"""Ways to super-resolve an array: the protocol, and interpolation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from sunpy_magsr.maps import Magnetogram
from sunpy_magsr.maps.grid import bicubic
from sunpy_magsr.store.card import ModelCard


class Backend(Protocol):
    """
    Something that draws high-resolution fields that fit a low-resolution one.

    Attributes
    ----------
    card : `~sunpy_magsr.store.ModelCard`
        The facts about the model.
    """

    card: ModelCard

    def samples(
        self,
        magnetogram: Magnetogram,
        *,
        n_samples: int,
        seed: int,
        steps: int | None,
        noise: Callable[..., np.ndarray],
        independent: bool,
        device: str | None,
        batch_size: int | None,
        progress: bool,
    ) -> Iterator[np.ndarray]:
        """
        Draw samples, one after the other.

        Parameters
        ----------
        magnetogram : `~sunpy_magsr.maps.Magnetogram`
            The low-resolution field, with *H* x *W* pixels.
        n_samples : `int`
            The number of samples; 1 for a deterministic backend.
        seed : `int`
            The seed of the random numbers.
        steps : `int` or `None`
            The number of sampling steps; `None` for the number of the model.
        noise : callable
            The function that makes the noise from which samples are drawn, with the arguments of
            ``sunpy_magsr.sampling.noise_field``.
        independent : `bool`
            Whether each sample has noise of its own. If not, every second one has the negative of the noise before.
        device : `str` or `None`
            The torch device; `None` for CUDA if there is one, else the CPU.
        batch_size : `int` or `None`
            The number of tiles that are computed at once; `None` for 1 on a CPU and 16 on a GPU.
        progress : `bool`
            Whether to show a progress bar on a terminal.

        Yields
        ------
        `numpy.ndarray`
            A sample in Gauss, float32 ``[factor H, factor W]``.
        """
        ...


class BicubicBackend:
    """
    Bicubic interpolation with the methods of a model.

    Parameters
    ----------
    card : `~sunpy_magsr.store.ModelCard`
        The facts about the interpolation.
    """

    def __init__(self, card):
        self.card = card

    def samples(self, magnetogram, **_options):
        """Yield the single result; see ``sunpy_magsr.sampling.backends.Backend.samples``. Its options have no effect."""
        yield bicubic(magnetogram.data, self.card.factor)
