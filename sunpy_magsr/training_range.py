"""The comparison of an input with the data that a model was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sunpy_magsr.forward_model import input_noise

if TYPE_CHECKING:
    from sunpy_magsr.catalog import ModelCard
    from sunpy_magsr.prep import Magnetogram

__all__ = ["outside_training"]


def outside_training(magnetogram: Magnetogram, mu: np.ndarray, card: ModelCard) -> np.ndarray:
    """
    Find the pixels that are unlike all pixels that a model was trained on.

    These are pixels whose field is stronger, whose noise is less or more, or which lie closer to the limb.

    Parameters
    ----------
    magnetogram : `~sunpy_magsr.prep.Magnetogram`
        The input.
    mu : `numpy.ndarray`
        The cosine of the heliocentric angle of each pixel, ``[y, x]``; NaN beyond the limb.
    card : `~sunpy_magsr.catalog.ModelCard`
        The facts about the model, whose ``trained`` describes the training data.

    Returns
    -------
    `numpy.ndarray`
        Whether a pixel is unlike them, bool ``[y, x]``. Pixels beyond the limb are.
    """
    trained = card.trained
    outside = ~(mu >= trained.get("mu", 0)) | (np.abs(magnetogram.data) > trained.get("field", np.inf))
    if "noise" in trained:
        noise = input_noise(magnetogram)
        outside |= (noise < trained["noise"][0]) | (noise > trained["noise"][1])
    return outside
