"""The blur that was put in is found from the spectra of network; without network the prior is returned."""

import math
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
import scipy.ndimage
import sunpy.map

import sunpy_magsr
from sunpy_magsr.data import mdi_cutout
from sunpy_magsr.exceptions import MagsrUserWarning
from sunpy_magsr.instrument import MDI_GAIN, degrade
from sunpy_magsr.instrument.blur import INTERPOLATED_BLUR, NATIVE_BLUR, measure_blur
from sunpy_magsr.instrument.network import NetworkSpectra
from sunpy_magsr.instrument.windows import BAND_FREQUENCY, LOW, is_interpolated, noise_whiteness, window_spectra
from sunpy_magsr.maps.disk import limb_cosine

PIXEL, SIDE = 2.0, 288  # arcsec, pixels
WIDTHS = (0.0, 0.8, 1.4, 2.0, 2.6, 3.2, 4.0)


def make_network(seed):
    """Field on a grid of 0.5 arcsec with a spectrum like that of HMI's network, weaker and stronger from place to place."""
    rng, shape = np.random.default_rng(seed), (4 * SIDE, 4 * SIDE)
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None]) * 4
    amplitude = (1 + (frequency / 0.1) ** 2) ** -0.8 * np.exp(-((frequency / 1.2) ** 2))
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(shape)) * amplitude, s=shape)
    envelope = np.exp(scipy.ndimage.zoom(rng.normal(0, 0.7, (7, 7)), shape[0] / 7, order=1))
    return 45 * field / field.std() * envelope


@pytest.fixture(scope="module")
def network():
    return make_network(5)


@pytest.fixture(scope="module")
def where():
    """Arguments for the frames: all is near disk center, and the mean spectra are those of another such network."""
    valid, mu = np.ones((SIDE, SIDE), bool), np.full((SIDE, SIDE), 0.95)
    other, ratio = make_network(6), []
    for fwhm in WIDTHS:
        windows = window_spectra(degrade(other, psf_fwhm=fwhm / 0.5), valid, mu)
        mean = windows.power.mean(0)
        ratio.append(np.log(mean / mean[LOW].mean()))
    reference = NetworkSpectra(
        pixel=PIXEL,
        fwhm=np.array(WIDTHS),
        power=np.array([100.0, 10000.0]),  # the spectrum is the same at both
        windows=np.full(2, 200.0),
        spread=np.zeros(len(BAND_FREQUENCY)),
        ratio=np.repeat(np.array(ratio)[:, None], 2, axis=1),
    )
    return {"valid": valid, "mu": mu, "pixel_arcsec": PIXEL, "reference": reference}


def part(where, side):
    """The same for the first rows and columns only."""
    return {**where, "valid": where["valid"][:side, :side], "mu": where["mu"][:side, :side]}


def frame(network, fwhm, noise, seed=0):
    return degrade(network, psf_fwhm=fwhm / 0.5, gain=MDI_GAIN, noise=noise, seed=seed)


@pytest.mark.parametrize(("fwhm", "noise"), [(0.8, 5.0), (1.5, 12.0), (2.2, 25.0), (3.0, 12.0)])
def test_what_was_put_in_is_found(network, where, fwhm, noise):
    found = measure_blur(frame(network, fwhm, noise), **where)
    assert abs(found.fwhm - fwhm) < min(3 * found.error, 0.35)
    assert found.error < 0.3
    assert found.noise == pytest.approx(noise, rel=0.1)
    assert found.windows > 100
    assert found.origin == "measured"


def test_spots_and_bad_pixels_are_left_out(network, where):
    data, valid = frame(network, 2.0, 12.0), where["valid"].copy()
    clean = measure_blur(data, **where)
    data[40:70, 50:80] += 3000.0
    data[200, 100:120] = np.nan
    data[150, 200] = 1e5
    valid[150, 200] = False
    spoiled = measure_blur(data, **{**where, "valid": valid})
    assert spoiled.windows < clean.windows
    assert spoiled.fwhm == pytest.approx(clean.fwhm, abs=0.15)


def test_the_limb_is_left_out_and_less_of_the_disk_is_used_if_it_is_enough(network, where):
    data, mu = frame(network, 2.0, 12.0), where["mu"].copy()
    mu[:, :120] = 0.3
    near = measure_blur(data, **{**where, "mu": mu})
    assert near.windows < 0.7 * measure_blur(data, **where).windows
    mu[:, :120] = np.nan
    assert measure_blur(data, **{**where, "mu": mu}) == near
    mu[:] = 0.3
    assert measure_blur(data, **{**where, "mu": mu}).origin == "unknown"


def test_too_few_windows_give_the_prior(network, where):
    data, small = frame(network, 2.0, 12.0)[:60, :60], part(where, 60)
    found = measure_blur(data, **small, prior=NATIVE_BLUR)
    assert (found.fwhm, found.error, found.origin) == (*NATIVE_BLUR, "prior")
    nothing = measure_blur(data, **small)
    assert math.isnan(nothing.fwhm)
    assert nothing.error == math.inf
    assert nothing.origin == "unknown"
    quiet = np.random.default_rng(0).normal(0, 10, (SIDE, SIDE))
    assert measure_blur(quiet, **where, prior=NATIVE_BLUR).origin == "prior"
    assert measure_blur(np.zeros((20, 20)), np.ones((20, 20), bool), np.ones((20, 20)), PIXEL).windows == 0


def test_a_prior_is_combined_with_what_is_measured(network, where):
    data, where = frame(network, 1.5, 12.0)[:160, :160], part(where, 160)
    alone, both = measure_blur(data, **where), measure_blur(data, **where, prior=NATIVE_BLUR)
    assert both.origin == "combined"
    assert both.error < min(alone.error, NATIVE_BLUR[1])
    assert min(alone.fwhm, NATIVE_BLUR[0]) < both.fwhm < max(alone.fwhm, NATIVE_BLUR[0])
    wide = measure_blur(data, **where, prior=INTERPOLATED_BLUR)
    assert both.error < wide.error < alone.error + 0.02


def test_noise_tells_that_a_frame_was_interpolated():
    mdi = mdi_cutout()
    data, valid = np.asarray(mdi.data, dtype=float), np.isfinite(mdi.data)
    assert is_interpolated(data, valid) is False
    assert 0.75 < noise_whiteness(data, valid) < 1.1
    for angle in (10, 33):
        turned = scipy.ndimage.rotate(data, angle, reshape=False, order=3)
        inside = scipy.ndimage.rotate(valid.astype(float), angle, reshape=False, order=0) > 0
        assert is_interpolated(turned, inside) is True


def test_an_interpolated_frame_is_measured_too():
    """Its noise is no longer white; interpolation between two pixels blurs by 1.9 arcsec on average."""
    mdi = mdi_cutout()
    data, mu = np.asarray(mdi.data, dtype=float), limb_cosine(mdi)
    native = measure_blur(data, np.isfinite(data), mu, mdi.scale[0].value)
    turned = scipy.ndimage.rotate(data, 20, reshape=False, order=1)
    inside = scipy.ndimage.rotate(np.ones(data.shape), 20, reshape=False, order=0) > 0
    found = measure_blur(turned, inside, mu, mdi.scale[0].value)
    assert found.fwhm == pytest.approx(math.hypot(native.fwhm, 1.9), abs=0.5)


def test_where_the_sun_is_stronger_than_noise_nothing_is_told():
    hmi = sunpy.map.Map(Path(__file__).parents[1] / "data" / "hmi_quiet_20190621.fits")
    low = degrade(hmi.data.astype(float))
    assert is_interpolated(low, np.ones(low.shape, bool)) is None


# In the main job


@pytest.fixture(scope="module")
def result():
    return sunpy_magsr.superresolve(mdi_cutout(), plate_scale=None, bad_pixels="keep")


def test_the_header_says_which_blur_was_used(result):
    assert result.meta["magsrpsf"] == pytest.approx(1.7, abs=0.3)
    assert 0 < result.meta["magsrpse"] < 0.3
    assert result.meta["magsrpso"] == "combined"
    assert "Blur (FWHM): 1." in " ".join(result.meta["history"].split())


def test_what_was_measured_is_what_may_be_told(result):
    """And the model takes it: another width gives another field."""
    blur = [result.meta["magsrpsf"], result.meta["magsrpse"]] * u.arcsec
    options = {"plate_scale": None, "bad_pixels": "keep"}
    told = sunpy_magsr.superresolve(mdi_cutout(), psf_fwhm=blur, **options)
    assert np.abs(told.data - result.data).max() < 0.5
    assert told.meta["magsrpso"] == "told"
    sharper = sunpy_magsr.superresolve(mdi_cutout(), psf_fwhm=0.8 * u.arcsec, **options)
    assert np.std(sharper.data - result.data) > 5


@pytest.mark.parametrize("model", ["ldm-res", "bicubic"])
def test_a_model_that_does_not_know_blur_is_given_none(model):
    mdi = mdi_cutout().submap([60, 60] * u.pix, top_right=[99, 99] * u.pix)
    assert "magsrpsf" not in sunpy_magsr.superresolve(mdi, model=model).meta


def test_an_interpolated_map_is_reported():
    """It has no PC matrix, but the spectra show that it was interpolated."""
    mdi = mdi_cutout()
    turned = scipy.ndimage.rotate(np.asarray(mdi.data, dtype=float), 20, reshape=False, order=3, mode="nearest")
    with pytest.warns(MagsrUserWarning, match="smap seems to have been interpolated"):
        sunpy_magsr.superresolve(sunpy.map.Map(turned, mdi.meta), plate_scale=None)


def test_errors():
    image = np.zeros((64, 64))
    with pytest.raises(ValueError, match="must be images of one shape"):
        measure_blur(image, np.ones((64, 63), bool), image, PIXEL)
    with pytest.raises(ValueError, match=r"pixel_arcsec must be 1\.6 to 2\.4, got 0\.5"):
        measure_blur(image, np.ones((64, 64), bool), image, 0.5)
