"""What a magnetogram holds at each scale, and how much of it is right: power, coherence, resolution."""

from sunpy_magsr.spectral.coherence import coherence, fourier_ring_correlation
from sunpy_magsr.spectral.cross import cross_spectrum, transfer_function
from sunpy_magsr.spectral.features import SmallFeatures, small_features
from sunpy_magsr.spectral.grid import border_steps, grid_excess
from sunpy_magsr.spectral.plot import plot_coherence, plot_spectra
from sunpy_magsr.spectral.power import power_spectrum
from sunpy_magsr.spectral.resolution import effective_resolution
from sunpy_magsr.spectral.spectrum import Spectrum

__all__ = [
    "SmallFeatures",
    "Spectrum",
    "border_steps",
    "coherence",
    "cross_spectrum",
    "effective_resolution",
    "fourier_ring_correlation",
    "grid_excess",
    "plot_coherence",
    "plot_spectra",
    "power_spectrum",
    "small_features",
    "transfer_function",
]
