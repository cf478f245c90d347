"""Whether an input is like what a model was trained on."""

import numpy as np

from sunpy_magsr.exceptions import warn_user
from sunpy_magsr.forward_model import input_noise

__all__ = ["outside_training", "warn_if_outside"]


def warn_if_outside(magnetogram, card):
    """
    Warn about an input whose field, noise or blur is unlike what the model was trained on.

    Parameters
    ----------
    magnetogram : `~sunpy_magsr.prep.Magnetogram`
        The input.
    card : `~sunpy_magsr.catalog.ModelCard`
        With ``trained``.
    """
    trained, valid = card.trained, magnetogram.valid
    strong = int((np.abs(magnetogram.data[valid]) > trained.get("field", np.inf)).sum())
    if strong:
        warn_user(
            f"The model {card.name!r} was trained on fields up to {trained['field']:g} G, and {strong} "
            f"pixel{'s' if strong > 1 else ''} of this map have more.",
            stacklevel=4,
        )
    width, limits = magnetogram.psf_fwhm, trained.get("psf_fwhm")
    if limits and width is not None and not limits[0] <= width <= limits[1]:
        warn_user(
            f"The model {card.name!r} was trained on point-spread functions of {limits[0]:g} to {limits[1]:g} pixels, and "
            f"psf_fwhm is {width:.3g} pixels.",
            stacklevel=4,
        )
    if "noise" in trained:
        noise = float(np.median(input_noise(magnetogram)[valid]))
        if not trained["noise"][0] <= noise <= trained["noise"][1]:
            warn_user(
                f"The model {card.name!r} was trained on noise of {trained['noise'][0]:g} to {trained['noise'][1]:g} G, and "
                f"this map has about {noise:.3g} G.",
                stacklevel=4,
            )


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
