"""Whether an input is like what a model was trained on."""

import numpy as np

from sunpy_magsr.forward_model import input_noise

__all__ = ["outside_training"]


def outside_training(magnetogram, mu, card):
    """
    Pixels whose field, noise or distance from the limb is unlike all that a model was trained on.

    Parameters
    ----------
    magnetogram : `~sunpy_magsr.prep.Magnetogram`
        The input.
    mu : `numpy.ndarray`
        Cosine of the heliocentric angle, ``[y, x]``.
    card : `~sunpy_magsr.catalog.ModelCard`
        With ``trained``.

    Returns
    -------
    `numpy.ndarray`
        bool ``[y, x]``.
    """
    trained = card.trained
    outside = ~(mu >= trained.get("mu", 0)) | (np.abs(magnetogram.data) > trained.get("field", np.inf))
    if "noise" in trained:
        noise = input_noise(magnetogram)
        outside |= (noise < trained["noise"][0]) | (noise > trained["noise"][1])
    return outside
