"""The degradation operator: flux, widths, offsets, noise, and what training sees."""

import dataclasses

import numpy as np
import pytest
import torch

from sunpy_magsr.instrument import MDI_GAIN, MDI_NOISE, MDI_PSF_FWHM, Blur, degrade, input_noise, instrument_of
from sunpy_magsr.instrument.gain import MDI_GAIN_SPREAD
from sunpy_magsr.instrument.noise import MDI_RESPONSE_ERROR, local_noise
from sunpy_magsr.instrument.psf import sampling_kernel
from sunpy_magsr.maps import prepare
from sunpy_magsr.sampling.registry import model_card
from sunpy_magsr.training.data.pairs import observe


def test_flux_is_kept_by_every_part(rng):
    field = np.zeros((160, 160))
    field[60:100, 60:100] = rng.normal(0, 300, (40, 40))
    low = degrade(field, psf_fwhm=6.6, offset=(0.7, -1.3), gain=1.4)
    assert 16 * low.sum() == pytest.approx(1.4 * field.sum(), abs=1e-5 * np.abs(field).sum())


def test_point_spread_function_has_its_width():
    field = np.zeros((201 * 4, 201 * 4))
    field[402, 402] = 1e6
    seen = degrade(field, factor=1, psf_fwhm=20.0)[402]
    assert np.count_nonzero(seen > seen.max() / 2) == pytest.approx(20, abs=1)


@pytest.mark.parametrize("fwhm", [0.0, 3.6, 6.6])
@pytest.mark.parametrize("offset", [-1.5, 0.0, 0.4])
def test_kernel_is_where_it_should_be_and_as_wide(fwhm, offset):
    kernel = sampling_kernel(fwhm, offset=offset)
    place = np.arange(len(kernel)) - (len(kernel) - 1) / 2
    center = (kernel * place).sum()
    assert kernel.sum() == pytest.approx(1)
    assert center == pytest.approx(offset, abs=1e-4)
    # variances add up: the pixel of 4, that of 1 (where it is not on the grid) and the Gaussian
    expected = 16 / 12 + (fwhm / 2.3548) ** 2
    on_grid = 1 / 12 if fwhm == 0 and offset in (0.0,) else 0
    assert (kernel * (place - center) ** 2).sum() == pytest.approx(expected - on_grid, abs=0.3)


def test_noise(rng):
    low = degrade(np.zeros((400, 400)), noise=12.0, seed=1)
    assert low.std() == pytest.approx(12, rel=0.05)
    assert np.array_equal(low, degrade(np.zeros((400, 400)), noise=12.0, seed=1))
    noise = np.full((100, 100), 5.0)
    noise[50:] = 20.0
    low = degrade(np.zeros((400, 400)), noise=noise, seed=1)
    assert [half.std() for half in (low[:50], low[50:])] == pytest.approx([5, 20], rel=0.05)


def test_missing_data_stay_missing():
    field = np.ones((8, 8))
    field[0, 0] = np.nan
    assert np.isnan(degrade(field)).tolist() == [[True, False], [False, False]]


def test_errors():
    with pytest.raises(ValueError, match=r"multiples of factor = 4, got shape \(9, 8\)"):
        degrade(np.zeros((9, 8)))
    with pytest.raises(ValueError, match="seed must be given"):
        degrade(np.zeros((8, 8)), noise=1.0)


def test_training_sees_what_consistency_and_evaluation_assume(rng):
    """Simulated on tensors for training, a frame is that of `degrade`, and its noise is what was asked for."""
    field = rng.normal(0, 500, (2, 120, 104)).astype(np.float32)
    widths, margin, still = np.array([0.0, 3.6]), 28, np.zeros(2)
    options = {"relative_error": still, "resampling": still.astype(int), "angle": still, "shift": np.zeros((2, 2))}
    options |= {"margin": margin, "psf_fwhm": widths, "generator": torch.Generator().manual_seed(0)}
    low, _ = observe(torch.from_numpy(field)[:, None], noise=still, **options)
    for number, width in enumerate(widths):
        expected = degrade(field[number], psf_fwhm=width)[7:-7, 7:-7]
        assert low[number, 0].numpy() == pytest.approx(expected, abs=0.05)
    noisy, visible = observe(torch.zeros(2, 1, 856, 856), noise=np.array([3.0, 30.0]), **options)
    assert noisy.std(dim=(1, 2, 3)).tolist() == pytest.approx([3, 30], rel=0.05)
    assert visible.tolist() == pytest.approx([3, 30], rel=0.05)


def blurred(rng, noise, shape=(240, 240)):
    """Network-like field as MDI would see it, with noise that grows from left to right."""
    sources = np.zeros([4 * side for side in shape])
    for y, x in rng.integers(0, 4 * min(shape), (400, 2)):
        sources[y, x] += rng.choice([-1, 1]) * 5e3
    smooth = degrade(sources, psf_fwhm=float(MDI_PSF_FWHM.value) / 0.5)
    return smooth + noise * rng.standard_normal(shape)


def test_local_noise_follows_the_noise_and_not_the_sun(rng):
    noise = np.broadcast_to(np.linspace(9, 22, 240), (240, 240))
    found = local_noise(blurred(rng, noise), np.ones((240, 240), bool), 11.0)
    inner = slice(35, -35)  # a whole window
    assert np.abs(found / noise - 1)[inner, inner].max() < 0.2
    assert np.mean(found / noise) == pytest.approx(1, abs=0.05)


def test_local_noise_without_quiet_sun_is_the_nominal_one():
    data = np.full((64, 64), 900.0) + np.random.default_rng(0).normal(0, 40, (64, 64))
    assert local_noise(data, np.ones((64, 64), bool), 11.0) == pytest.approx(np.full((64, 64), 11.0))


@pytest.fixture
def magnetogram(mdi):
    return prepare(mdi)


def test_noise_of_real_frames_is_near_that_of_their_exposure(magnetogram):
    nominal = MDI_NOISE[30 if magnetogram.exposure < 100 else 300]
    assert np.median(input_noise(magnetogram)[magnetogram.valid]) == pytest.approx(nominal, rel=0.35)


def test_noise_of_real_frames_is_white(magnetogram):
    """In the quiet Sun the finest waves along one axis carry as much as those along both."""
    side, powers = 24, []
    for y in range(0, magnetogram.data.shape[0] - side, side):
        for x in range(0, magnetogram.data.shape[1] - side, side):
            window = (slice(y, y + side), slice(x, x + side))
            data = magnetogram.data[window]
            if magnetogram.valid[window].all() and np.abs(data).max() < 120:
                powers.append(np.abs(np.fft.fft2((data - data.mean()) * np.outer(*[np.hanning(side)] * 2))) ** 2)
    power = np.median(powers, axis=0)
    ky, kx = np.abs(np.fft.fftfreq(side))[:, None], np.abs(np.fft.fftfreq(side))[None]
    corner = power[(kx > 0.37) & (ky > 0.37)].mean()
    for fast, slow in ((kx, ky), (ky, kx)):
        assert power[(fast > 0.42) & (slow < 0.15)].mean() / corner == pytest.approx(1, abs=0.3)


def test_what_is_known_of_the_instrument_is_one_object(small):
    """Blur in pixels, noise, error of the reading and gain, with errors; the card says what the frame does not."""
    magnetogram, card = prepare(small), model_card("default+mdi")
    found = instrument_of(dataclasses.replace(magnetogram, blur=Blur(2.0, 0.25, 0, 10.0, "told")), card)
    pixel = small.scale[0].value
    assert found.fwhm == pytest.approx(2 / pixel)
    assert found.widths == pytest.approx((1.5 / pixel, 2.5 / pixel))
    reading = np.full_like(magnetogram.data, 1000)
    assert found.misfit_error(reading) == pytest.approx(np.hypot(found.noise, 1000 * MDI_RESPONSE_ERROR))
    assert (found.gain, found.gain_error) == (1, 0)
    expected = instrument_of(magnetogram, dataclasses.replace(card, calibration="hmi"))
    assert (expected.fwhm, expected.fwhm_error) == (card.psf_fwhm, card.psf_fwhm_spread)
    assert (expected.gain, expected.gain_error) == (MDI_GAIN, MDI_GAIN_SPREAD)
    assert np.isnan(instrument_of(magnetogram).fwhm)
