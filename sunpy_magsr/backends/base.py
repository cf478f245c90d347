"""What every backend offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

    from sunpy_magsr.catalog import ModelCard
    from sunpy_magsr.prep import Magnetogram

__all__ = ["Backend"]


class Backend(Protocol):
    """
    A way from a low-resolution field to samples of the high-resolution one.

    Attributes
    ----------
    card : `~sunpy_magsr.catalog.ModelCard`
        Facts about the model.
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
        device: str | None,
        batch_size: int | None,
        progress: bool,
    ) -> Iterator[np.ndarray]:
        """
        Draw samples, one after the other.

        Parameters
        ----------
        magnetogram : `~sunpy_magsr.prep.Magnetogram`
            The input.
        n_samples : `int`
            How many; 1 for a deterministic backend.
        seed : `int`
            Of the random numbers.
        steps : `int`
            Sampling steps.
        noise : callable
            The noise that is turned into samples, like `sunpy_magsr.tiling.noise_field`, which is the default.
        device : `str` or `None`
            Where to compute.
        batch_size : `int` or `None`
            Tiles computed at once.
        progress : `bool`
            Whether to show a progress bar.

        Yields
        ------
        `numpy.ndarray`
            float32 Gauss ``[factor H, factor W]``.
        """
        ...
