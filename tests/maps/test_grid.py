"""Resampling conserves flux and keeps what the grid can hold."""

import numpy as np
import pytest

from sunpy_magsr.maps.grid import refined_reference_pixel, resample, resampled_size

RATIO = 1.986059 / 4 / 0.5


def test_reference_pixel_moves_by_the_half_pixel():
    """The first pixel's lower edge is at 1/2 on both grids."""
    assert refined_reference_pixel(0.5, 4) == 0.5
    assert refined_reference_pixel(1, 4) == 2.5


@pytest.mark.parametrize("ratio", [RATIO, 0.25, 1.7])
def test_flux_is_conserved(rng, ratio):
    field = np.zeros((80, 96), dtype=np.float32)
    field[20:-20, 20:-20] = rng.normal(0, 300, (40, 56))
    flux = resample(field, (ratio, ratio)).sum(dtype=float) / ratio**2
    assert flux == pytest.approx(field.sum(dtype=float), abs=float(1e-5 * np.abs(field).sum()))


@pytest.mark.parametrize(("wavelength", "kept"), [(8, 0.999), (4, 0.99), (3, 0.95)])
def test_waves_keep_their_amplitude(wavelength, kept):
    """Wavelengths in pixels of 0.4965 arcsec: a 2 arcsec wave loses less than 1 %."""
    x = np.arange(400)
    wave = np.tile(np.sin(2 * np.pi * x / wavelength + 0.3), (20, 1)).astype(np.float32)
    ratio = resample(wave, (RATIO, 1)).std() / wave.std()
    assert kept < ratio < 1.001


def test_wave_stays_in_place():
    x = np.arange(400) + 0.5
    wave = np.tile(np.sin(2 * np.pi * x / 16), (20, 1)).astype(np.float32)
    size, offset = resampled_size(400, RATIO)
    position = (np.arange(size) + 0.5 + offset) / RATIO
    expected = np.sin(2 * np.pi * position / 16)
    assert resample(wave, (RATIO, 1))[10, 20:-20] == pytest.approx(expected[20:-20], abs=0.003)
