"""What a magnetogram holds at each scale, and how much of it is right: power, coherence, resolution."""

from sunpy_magsr.spectral.features import SmallFeatures, small_features
from sunpy_magsr.spectral.plot import plot_coherence, plot_spectra
from sunpy_magsr.spectral.power import (
    coherence,
    cross_spectrum,
    effective_resolution,
    power_spectrum,
    transfer_function,
)
from sunpy_magsr.spectral.spectrum import Spectrum

__all__ = [
    "SmallFeatures",
    "Spectrum",
    "coherence",
    "cross_spectrum",
    "effective_resolution",
    "plot_coherence",
    "plot_spectra",
    "power_spectrum",
    "small_features",
    "transfer_function",
]
