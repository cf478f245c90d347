"""Texture of samples: does it carry the input's pixels, and can a network tell it from the truth?"""

import numpy as np
import pytest
import scipy.ndimage

from sunpy_magsr.validation.texture import measure_lattice, tell_apart


def fields(rng, count, size=128):
    """Isotropic Gaussian random fields with a standard deviation of 100 G."""
    wavenumber = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
    noise = np.fft.fft2(rng.normal(size=(count, size, size)))
    smooth = np.fft.ifft2(noise * np.exp(-((wavenumber / 0.25) ** 2))).real
    return list(100 * smooth / smooth.std())


def test_an_isotropic_field_has_no_lattice(rng):
    found = measure_lattice(fields(rng, 1, size=768)[0])
    assert found.axis_ratio == pytest.approx(1, abs=0.1)
    assert found.phases == pytest.approx(1, abs=0.05)


def test_a_period_of_four_pixels_is_a_lattice(rng):
    field = fields(rng, 1, size=256)[0]
    wave = np.cos(2 * np.pi * np.arange(256) / 4)
    found = measure_lattice(field + 40 * (wave + wave[:, None]))
    assert found.axis_ratio[1] > 1.5, "wavelengths of 3 to 4.5 pixels"
    assert found.axis_ratio[4] == pytest.approx(1, abs=0.2)
    spots = np.where(np.arange(256) % 4 == 1, 1.5, 1.0)
    found = measure_lattice(field * spots * spots[:, None])
    assert found.phases.argmax() == 5
    assert found.phases.max() > 1.3 * found.phases.mean()


def test_lattice_is_measured_where_it_is_asked_for(rng):
    left, right = fields(rng, 1)[0], fields(rng, 1)[0] + 500 * np.cos(2 * np.pi * np.arange(128) / 4)
    where = np.zeros((128, 256), dtype=bool)
    where[:, :128] = True
    found = [measure_lattice(np.hstack([left, right]), where=here).axis_ratio[1] for here in (where, ~where)]
    assert found[0] < 3 < found[1]
    with pytest.raises(ValueError, match="field must have a window of 32 x 32 known pixels"):
        measure_lattice(np.full((64, 64), np.nan))


def test_blurred_samples_are_told_from_the_truth_and_others_are_not(rng):
    options = {"size": 16, "steps": 30, "folds": 2}
    truths, same = fields(rng, 4), fields(rng, 4)
    assert tell_apart(truths, same, **options) == pytest.approx(0.5, abs=0.12)
    blurred = [scipy.ndimage.gaussian_filter(one, 0.8) for one in same]
    assert tell_apart(truths, blurred, **options) > 0.9


def test_two_samples_need_regions_and_crops(rng):
    truths = fields(rng, 2)
    with pytest.raises(ValueError, match="truths and samples must be as many, at least 3, got 2 and 2 regions"):
        tell_apart(truths, truths)
    with pytest.raises(ValueError, match="must have crops of 16 x 16 pixels above 500 G"):
        tell_apart(truths, truths, folds=2, size=16, least_field=500)
