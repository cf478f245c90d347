"""Fields with a known spectrum."""

import numpy as np
import pytest
import scipy.ndimage


@pytest.fixture
def red_noise(rng):
    """A function that gives Gaussian fields with power falling as k^-3, 100 G rms, like a magnetogram's spectrum."""

    def make(size=256):
        k = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
        k[0, 0] = np.inf
        field = np.fft.ifft2(np.fft.fft2(rng.normal(size=(size, size))) * k**-1.5).real
        return 100 * field / field.std()

    return make


@pytest.fixture
def blurred():
    """A function that blurs a field periodically, exact in Fourier space; sigma in arcsec at 0.5 arcsec/pix."""
    return lambda field, sigma: np.fft.ifft2(scipy.ndimage.fourier_gaussian(np.fft.fft2(field), sigma / 0.5)).real
