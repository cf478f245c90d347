"""Files: whole or not at all, and equal to what was in memory."""

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.io import fits
from astropy.nddata import StdDevUncertainty

import sunpy_magsr
from sunpy_magsr.maps.fits import read_fits, write_fits


@pytest.fixture
def result(small):
    return sunpy_magsr.superresolve(small, model="bicubic")


def test_round_trip_is_exact(result, tmp_path):
    path = write_fits(result, tmp_path / "new" / "out.fits")
    for back in (read_fits(path), sunpy.map.Map(path)):
        assert np.array_equal(back.data, result.data, equal_nan=True)
        assert back.data.dtype.itemsize == 4
        assert type(back) is type(result)
        assert back.unit == u.G
        for card in ("crpix1", "crpix2", "cdelt1", "magsrver", "magsrsha", "magsrsed", "camera"):
            assert back.meta[card] == result.meta[card]


def test_sunpy_can_save_a_result_too(small, tmp_path):
    """BSCALE and BLANK of the input are gone; what is left in a compressed file is its quantization."""
    small.meta.update({"bscale": 0.01, "bzero": 0.0, "blank": -2147483648})
    result = sunpy_magsr.superresolve(small, model="bicubic")
    result.save(tmp_path / "out.fits")
    assert np.array_equal(sunpy.map.Map(tmp_path / "out.fits").data, result.data, equal_nan=True)
    result.save(tmp_path / "small.fits", hdu_type=fits.CompImageHDU)
    assert np.nanmax(np.abs(sunpy.map.Map(tmp_path / "small.fits").data - result.data)) < 0.5


def test_uncertainty_and_mask_survive(result, tmp_path):
    deviation = np.full(result.data.shape, 3.5, dtype=np.float32)
    mask = np.zeros(result.data.shape, dtype=bool)
    mask[3, 5] = True
    rich = type(result)(result.data, result.meta, uncertainty=StdDevUncertainty(deviation, unit=u.G), mask=mask)
    path = write_fits(rich, tmp_path / "out.fits")
    back = read_fits(path)
    assert np.array_equal(back.uncertainty.array, deviation)
    assert back.uncertainty.unit == u.G
    assert np.array_equal(back.mask, mask)
    with fits.open(path) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "UNCERT", "MASK"]
    assert [type(smap) for smap in sunpy.map.Map(path)] == [type(result)] * 3


def test_a_file_that_is_there_is_kept(result, tmp_path):
    path = tmp_path / "out.fits"
    path.write_text("precious")
    with pytest.raises(FileExistsError, match="path must be a new file unless overwrite=True"):
        write_fits(result, path)
    assert path.read_text() == "precious"
    write_fits(result, path, overwrite=True)
    assert read_fits(path).data.shape == result.data.shape


def test_a_failed_write_leaves_nothing(result, tmp_path, monkeypatch):
    def full_disk(self, stream, **_):
        stream.write(b"SIMPLE")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fits.HDUList, "writeto", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_fits(result, tmp_path / "out.fits")
    assert list(tmp_path.iterdir()) == []


def test_compression_rounds_within_half_a_step_and_keeps_what_is_missing(small, tmp_path):
    """Cards of the input that scale its integers (BSCALE, BZERO, BLANK) do not touch the values."""
    small.meta.update({"bscale": 0.01, "bzero": 7.0, "blank": -2147483648})
    data = small.data.astype(np.float32)
    data[3:5, 7:9], data[9, 9] = np.nan, 0.0
    deviation = StdDevUncertainty(np.abs(data) + 1, unit=u.G)
    smap = sunpy.map.Map(data, small.meta)
    smap = type(smap)(data, smap.meta, uncertainty=deviation)
    path = write_fits(smap, tmp_path / "out.fits", precision=0.5 * u.G)
    back = read_fits(path)
    error = back.data - data
    assert np.array_equal(np.isnan(back.data), np.isnan(data))
    assert back.data[9, 9] == 0
    assert np.nanmax(np.abs(error)) <= 0.2501
    assert abs(np.nanstd(error) / 0.5 * np.sqrt(12) - 1) < 0.1
    assert abs(np.nanmean(error)) < 4 * 0.5 / np.sqrt(12 * data.size)
    assert back.unit == smap.unit
    assert back.meta["crpix1"] == smap.meta["crpix1"]
    assert smap.meta["bscale"] == 0.01
    assert np.nanmax(np.abs(back.uncertainty.array - deviation.array)) <= 0.2501
    assert np.array_equal(sunpy.map.Map(path)[0].data, back.data, equal_nan=True)
    assert path.read_bytes() == write_fits(smap, tmp_path / "again.fits", precision=0.5 * u.G).read_bytes()


def test_precision_is_in_its_own_unit_whatever_that_of_the_map(with_meta, tmp_path):
    tesla = with_meta(with_meta().data.astype(np.float32) * np.float32(1e-4), bunit="T")
    deviation = StdDevUncertainty(np.abs(tesla.data) * 1e4, unit=u.G)
    tesla = type(tesla)(tesla.data, tesla.meta, uncertainty=deviation)
    back = read_fits(write_fits(tesla, tmp_path / "out.fits", precision=0.5 * u.G))
    assert back.unit == u.T
    assert 0.2 < np.abs(back.data - tesla.data).max() * 1e4 <= 0.2501
    assert 0.2 < np.abs(back.uncertainty.array - deviation.array).max() <= 0.2501
    share = with_meta(bunit="")
    with pytest.raises(ValueError, match="smap must have a unit of magnetic field"):
        write_fits(share, tmp_path / "share.fits", precision=0.5 * u.G)
    assert not (tmp_path / "share.fits").exists()


def test_precision_must_be_a_field(result, tmp_path):
    for wrong in (0.5, 0 * u.G, 1 * u.m, [1, 2] * u.G, np.inf * u.G):
        with pytest.raises(ValueError, match="precision must be a positive Quantity in G"):
            write_fits(result, tmp_path / "out.fits", precision=wrong)
    assert not list(tmp_path.iterdir())
