"""Each refusal and warning of the contract."""

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from sunpy.data.test import get_test_filepath

import sunpy_magsr
from sunpy_magsr.exceptions import MagsrUserWarning
from sunpy_magsr.maps.reading import read_map

# sunpy's own header-only samples hold values that astropy or sunpy warn about
quiet = pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyUserWarning", "ignore:.*:UserWarning")


def bicubic(smap, **options):
    return sunpy_magsr.superresolve(smap, model="bicubic", **options)


def test_not_a_map():
    with pytest.raises(TypeError, match=r"smap must be a sunpy Map .*, got ndarray\."):
        bicubic(np.zeros((32, 32)))


def test_no_unit_is_refused(with_meta):
    with pytest.raises(ValueError, match=r"smap must have a unit of magnetic field, got none \(no BUNIT card\)"):
        bicubic(with_meta(bunit=None))


@pytest.mark.parametrize("unit", ["DN", "m/s", "K"])
def test_other_units_are_refused(with_meta, unit):
    with pytest.raises(ValueError, match=f"smap must have a unit of magnetic field such as G.*, got '{unit}'"):
        bicubic(with_meta(bunit=unit))


@pytest.mark.parametrize(
    ("unit", "gauss"), [("Gauss", 1), ("G", 1), ("Mx/cm^2", 1), ("Mx/cm2", 1), ("mx cm-2", 1), ("mT", 10), ("T", 1e4)]
)
def test_units_of_magnetic_field(with_meta, small, unit, gauss):
    result = bicubic(with_meta(small.data / gauss, bunit=unit), plate_scale=None)
    assert result.unit == u.G
    low = result.data.reshape(36, 4, 40, 4).mean(axis=(1, 3))
    assert low == pytest.approx(small.data, abs=0.1)


@pytest.mark.parametrize(
    "content",
    ["MDI Full Disk Intensity Continuum", "MDI Full Disk Dopplergram", "HMI CONTINUUM INTENSITY", "LINE DEPTH"],
)
def test_other_observables_are_refused(with_meta, content):
    with pytest.raises(ValueError, match=f"smap must be a magnetogram, got '{content}'"):
        bicubic(with_meta(content=content))


@quiet
def test_euv_image_is_refused():
    with pytest.raises(ValueError, match="smap must have a unit of magnetic field, got none"):
        bicubic(sunpy.map.Map(get_test_filepath("aia_171_level1.fits")))


@quiet
def test_hmi_continuum_is_refused():
    with pytest.raises(ValueError, match="smap must be a magnetogram, got 'CONTINUUM INTENSITY'"):
        bicubic(sunpy.map.Map(get_test_filepath("resampled_hmi.fits")))


def test_no_celestial_wcs_is_refused(small):
    meta = {**small.meta, "ctype1": "GONGX", "ctype2": "GONGY"}
    odd = sunpy.map.Map(small.data, meta)
    with pytest.raises(ValueError, match="smap must have a helioprojective or heliographic WCS, got CTYPE1 = 'GONGX'"):
        read_map(odd)


def test_its_own_output_is_refused(small):
    once = bicubic(small)
    with pytest.raises(ValueError, match=r"already super-resolved \(MAGSRVER = "):
        bicubic(once)


@pytest.mark.parametrize("shape", [(15, 40), (40, 15)])
def test_too_small_is_refused(with_meta, shape):
    with pytest.raises(
        ValueError, match=rf"smap must be at least 16 x 16 pixels, got shape \({shape[0]}, {shape[1]}\)"
    ):
        bicubic(with_meta(np.ones(shape)))


@pytest.mark.filterwarnings("ignore:All-NaN slice:RuntimeWarning")  # sunpy's, for the colour scale
def test_all_nan_is_refused(with_meta):
    with pytest.raises(ValueError, match="smap must have a valid pixel on the disk, got none"):
        bicubic(with_meta(np.full((20, 20), np.nan)))


def test_off_the_disk_is_refused(with_meta):
    with pytest.raises(ValueError, match="smap must have a valid pixel on the disk, got none"):
        bicubic(with_meta(np.zeros((20, 20)), crpix1=2000.0))


def test_three_dimensions_are_refused(small):
    class Cube(sunpy.map.GenericMap):
        @property
        def data(self):
            return np.zeros((2, 30, 30))

    with pytest.raises(ValueError, match=r"smap must be two-dimensional, got shape \(2, 30, 30\)"):
        read_map(Cube(small.data, small.meta))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_samples": 0}, "n_samples must be a whole number of at least 1, got 0"),
        ({"n_samples": 2.0}, "n_samples must be a whole number of at least 1, got 2.0"),
        ({"n_samples": 2}, "n_samples must be 1 for the deterministic model 'bicubic', got 2"),
        ({"seed": -1}, "seed must be a whole number of at least 0 and below"),
        ({"seed": True}, "seed must be a whole number"),
        ({"steps": 0}, "steps must be a whole number of at least 1 and below 1001, got 0"),
        (
            {"steps": 10**9, "model": "default"},
            "steps must be a whole number of at least 1 and below 1001, got 1000000000",
        ),
        ({"device": "meta", "model": "default"}, "device must be a torch device of this machine.*got 'meta'"),
        ({"model": "x" * 5000}, "model must be one of default, .*got 'xxx"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, got 0"),
        ({"plate_scale": 0.5}, "plate_scale must be a positive Quantity in arcsec / pix, got 0.5"),
        ({"plate_scale": -1 * u.arcsec / u.pix}, "plate_scale must be a positive Quantity"),
        ({"plate_scale": 1 * u.arcsec}, "plate_scale must be a positive Quantity"),
        ({"device": "abacus", "model": "default"}, "device must be a torch device of this machine.*got 'abacus'"),
        ({"consistency": "roughly"}, "consistency must be None or one of 'exact', 'noise', got 'roughly'"),
        ({"consistency": "noise"}, "consistency='noise' needs a model with an instrument's noise model"),
        ({"calibrate": "mdi"}, "calibrate must be None or one of 'hmi', got 'mdi'"),
        ({"model": "enhanse"}, "model must be one of default, .*bicubic.*got 'enhanse'"),
    ],
)
def test_options_out_of_range(small, options, message):
    with pytest.raises(ValueError, match=message):
        sunpy_magsr.superresolve(small, **{"model": "bicubic", **options})


def test_members_that_no_memory_holds_are_refused(small):
    with pytest.raises(
        ValueError, match=r"n_samples must be at most \d+ for the members to fit into memory, got 1000000000"
    ):
        sunpy_magsr.superresolve_ensemble(small, n_samples=10**9)


def test_calibration_is_for_mdi(with_meta):
    hmi = with_meta(camera=None, instrume="HMI_FRONT2", telescop="SDO/HMI")
    with pytest.raises(ValueError, match="calibrate='hmi' must be used with MDI input, got a map from HMI"):
        bicubic(hmi, calibrate="hmi")


def test_warns_about_an_untrained_plate_scale(with_meta):
    with pytest.warns(MagsrUserWarning, match=r"trained on 1\.\d+ to 2\.\d+ arcsec/pix, and this map has 4"):
        sunpy_magsr.superresolve(with_meta(cdelt1=4.0, cdelt2=4.0), plate_scale=None)


def test_warns_about_an_untrained_instrument(with_meta):
    with pytest.warns(MagsrUserWarning, match="trained for MDI, HMI, and this map is from SPMG"):
        sunpy_magsr.superresolve(with_meta(camera=None, instrume="SPMG"), plate_scale=None)


def test_warning_points_at_the_caller(with_meta):
    with pytest.warns(MagsrUserWarning) as caught:
        sunpy_magsr.superresolve(with_meta(camera=None, instrume="SPMG"), plate_scale=None)
    assert caught[0].filename == __file__
