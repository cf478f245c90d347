"""Headers as tables, other instruments and other software write them: read as they are meant, or refused in one sentence."""

import dataclasses
import datetime
import warnings

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.time import Time

import sunpy_magsr
from sunpy_magsr.exceptions import MagsrUserWarning
from sunpy_magsr.maps.fits import read_fits
from sunpy_magsr.maps.header import plain_header
from sunpy_magsr.maps.reading import read_map

PHI = {
    "telescop": "SOLO/PHI/HRT", "instrume": "PHI", "btype": "LOS magnetic field strength", "bunit": "Gauss", "ctype1": "HPLN-TAN",
    "ctype2": "HPLT-TAN", "cunit1": "arcsec", "cunit2": "arcsec", "cdelt1": 2.0, "cdelt2": 2.0, "crpix1": 20.5, "crpix2": 18.5,
    "crval1": 120.0, "crval2": -300.0, "dsun_obs": 7.6e10, "rsun_obs": 1889.0, "hgln_obs": -7.0, "hglt_obs": 2.5,
    "date-obs": "2022-03-07T00:00:09",
}  # fmt: skip


def superresolve(smap, **options):
    return sunpy_magsr.superresolve(smap, model="bicubic", **{"plate_scale": None, **options})


def remarks(smap, **options):
    """What the user is told beside that bicubic is used."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        superresolve(smap, **options)
    return "\n".join(str(one.message) for one in caught if issubclass(one.category, MagsrUserWarning))


# Angles that are no roll


@pytest.mark.filterwarnings("ignore:The model")
def test_an_ephemeris_angle_of_another_instrument_is_no_roll(small):
    """Solar Orbiter's headers hold SOLAR_P0, the position angle of the Sun's axis on the sky."""
    result = superresolve(sunpy.map.Map(small.data, {**PHI, "solar_p0": 22.87}))
    assert "crota2" not in result.meta
    assert np.allclose(result.rotation_matrix, np.eye(2))
    assert result.meta["crval2"] == -300.0


def test_an_early_header_of_mdi_is_rolled_by_it(with_meta):
    with pytest.warns(MagsrUserWarning, match="SOLAR_P0"):
        assert superresolve(with_meta(crota2=None, solar_p0=180.0)).meta["crota2"] == -180.0


# Cards that are no plain text or number


@pytest.mark.parametrize("kind", [np.int64, np.float32, np.float64, np.array, np.int16])
def test_numpy_numbers_are_numbers(with_meta, small, kind):
    numbers = {"crpix1": kind(20), "crval1": kind(3), "cdelt2": np.float32(small.meta["cdelt2"]), "quality": kind(512)}
    expected = superresolve(with_meta(**{card: float(value) for card, value in numbers.items()}))
    result = superresolve(with_meta(**numbers))
    assert np.array_equal(result.data, expected.data)
    assert result.meta["crpix1"] == expected.meta["crpix1"]
    assert all(isinstance(value, int | float | str | dict) for value in result.meta.values())
    assert result.fits_header["QUALITY"] == 512


@pytest.mark.parametrize("card", [b"Gauss", np.bytes_(b"Gauss"), np.str_("Gauss"), np.array("Gauss")])
def test_text_of_tables_is_text(small, card):
    """sunpy's MDIMap refuses a unit in bytes, so this is a Map of the general class."""
    meta = {**small.meta, "instrume": "MDI"}
    smap = sunpy.map.GenericMap(small.data, meta)
    smap.meta["bunit"] = card
    assert read_map(smap).data.std() == pytest.approx(np.nanstd(small.data), rel=1e-6)


@pytest.mark.parametrize(
    "date", [datetime.datetime(2001, 3, 29), np.datetime64("2001-03-29T00:00:00"), Time("2001-03-29T00:00:00")]
)
def test_dates_of_tables_are_dates(small, date):
    smap = sunpy.map.GenericMap(small.data, {**small.meta, "instrume": "MDI"})
    smap.meta["date-obs"] = date
    plain, remarks = plain_header(smap)
    assert plain.meta["date-obs"] == "2001-03-29T00:00:00.000"
    assert remarks == []
    assert smap.meta["date-obs"] is date


def test_a_number_that_is_masked_or_has_a_unit_is_refused(with_meta):
    for value in (np.ma.masked, 2 * u.arcmin):
        with pytest.raises(ValueError, match=r"^smap must have a finite number in CRVAL1, got"):
            superresolve(with_meta(crval1=value))


# Planes of cubes


def test_further_axes_of_a_cube_are_gone(with_meta):
    cube = {"naxis": 3, "naxis3": 4, "wcsaxes": 3, "ctype3": "STOKES", "cdelt3": 1.0, "crpix3": 1.0, "crval3": 1.0}
    cube |= {"cunit3": "", "cname3": "I", "pc3_3": 1.0, "pc1_3": 0.0, "pv3_1": 0.0, "naxis4": 1, "ctype4": "WAVE"}
    smap = with_meta(**cube)
    result = superresolve(smap)
    assert smap.meta["ctype3"] == "STOKES"
    assert np.array_equal(result.data, superresolve(with_meta()).data)
    assert not [card for card in result.meta if card[-1] in "34"]
    assert result.meta["naxis"] == 2
    assert result.wcs.naxis == 2
    assert "pv3_1" not in result.meta


def test_a_plane_of_a_cube_of_one_is_read(small, tmp_path):
    from astropy.io import fits

    fits.writeto(tmp_path / "cube.fits", small.data[None], small.fits_header)
    assert read_fits(tmp_path / "cube.fits").data.shape == small.data.shape


# PHI


@pytest.mark.filterwarnings("ignore:The model")
@pytest.mark.parametrize("btype", ["LOS magnetic field strength", "BLOS", "Line-of-sight magnetic field strength"])
def test_the_line_of_sight_field_of_phi_is_taken(small, btype):
    result = superresolve(sunpy.map.Map(small.data, {**PHI, "btype": btype}))
    assert result.data.std() > 1


@pytest.mark.parametrize(
    "btype", ["Magnetic field strength", "BMAG", "LOS velocity", "Magnetic field azimuth", "Intensity"]
)
def test_other_products_of_phi_are_refused(small, btype):
    with pytest.raises(ValueError, match=r"^smap must be a (signed component|magnetogram)"):
        superresolve(sunpy.map.Map(small.data, {**PHI, "btype": btype}))


@pytest.fixture
def phi_class():
    """A class of sunpy that needs a card, as PHIMap of sunpy 8 needs ACCROWIT."""

    class NeedsCard(sunpy.map.GenericMap):
        def __init__(self, data, header, **options):
            super().__init__(data, header, **options)
            int(self.meta.get("accrowit"))

        @classmethod
        def is_datasource_for(cls, data, header, **_):
            return str(header.get("instrume")) == "PHI"

    yield NeedsCard
    sunpy.map.Map.unregister(NeedsCard)


@pytest.mark.usefixtures("phi_class")
def test_a_file_that_its_class_cannot_read_is_a_general_map(small, tmp_path):
    from astropy.io import fits

    fits.writeto(tmp_path / "phi.fits", small.data, fits.Header({**PHI, "bunit": "G"}))
    with pytest.warns(MagsrUserWarning, match="sunpy's class for this instrument cannot read the header"):
        smap = read_fits(tmp_path / "phi.fits")
    assert type(smap) is sunpy.map.GenericMap
    assert smap.meta["btype"] == PHI["btype"]


# Units


@pytest.mark.parametrize("unit", [1.0, np.nan, "mag(G)", "dex(G)", "dB(T)", True, 7])
def test_what_is_no_unit_of_field_is_refused(small, unit):
    smap = sunpy.map.GenericMap(small.data, {**small.meta, "bunit": "G"})
    smap.meta["bunit"] = unit
    with pytest.raises(
        ValueError, match=r"^smap must have a unit of magnetic field such as G, Mx/cm\^2 or mT, got [^\n]*$"
    ):
        read_map(smap)


@pytest.mark.parametrize("unit", ["arcsecs", "m", "mag(arcsec)", 3])
def test_what_is_no_unit_of_angle_is_refused(small, unit):
    smap = sunpy.map.GenericMap(small.data, dict(small.meta))
    smap.meta["cunit1"] = unit
    with pytest.raises(
        ValueError, match=r"^smap must have axes in units of angle such as arcsec or deg, got CUNIT1 = [^\n]{1,60}$"
    ):
        read_map(smap)


# Values that JSOC marks as missing


@pytest.mark.parametrize("value", ["-4712.01.01_11:59:28_TAI", "MISSING", "Missing", "", np.nan, "NaN", None])
def test_without_the_middle_of_the_exposure_the_date_is_used(with_meta, value):
    smap = with_meta()
    smap.meta["t_obs"] = value
    said = remarks(smap)
    assert "smap has T_OBS marked as missing; the date of the map is used as the middle of the exposure." in said
    result = superresolve(with_meta())
    assert result.date == smap.date


@pytest.mark.parametrize("value", ["MISSING", np.nan, -2147483648, -32768])
def test_without_the_exposure_it_is_computed_or_assumed(with_meta, value):
    smap = with_meta()
    smap.meta["interval"] = value
    assert "smap has INTERVAL marked as missing; the exposure is computed from T_OBS and DATE-OBS" in remarks(smap)
    assert read_map(smap).exposure == pytest.approx(300, abs=20)  # twice the time between the sample's cards


def test_without_a_date_it_is_computed(with_meta):
    """From the middle of the exposure, half of the exposure before it."""
    smap = with_meta()
    smap.meta["date-obs"] = "MISSING"
    with pytest.warns(MagsrUserWarning, match="smap has no date in DATE-OBS; 2001-03-29T00:00:00"):
        result = superresolve(smap)
    assert abs((result.date - with_meta().date).sec) < 1


@pytest.mark.filterwarnings("ignore:Missing metadata for observation time")
def test_without_any_date_the_map_is_refused(with_meta):
    smap = with_meta()
    smap.meta["date-obs"] = smap.meta["t_obs"] = "MISSING"
    with pytest.raises(ValueError, match=r"^smap must have a date that MDIMap reads, .*, got DATE-OBS = 'MISSING'"):
        superresolve(smap)


# Maps that are not on the pixels of their detector


def test_pixels_that_are_not_square_are_reported(with_meta):
    assert "smap has pixels of 1.98 x 2.08 arcsec" in remarks(with_meta(cdelt1=1.98, cdelt2=2.08))
    assert remarks(with_meta(cdelt1=1.98, cdelt2=1.985)) == ""


@pytest.mark.parametrize("angle", [20, 0])
def test_a_rotated_map_is_reported(small, angle):
    assert "smap seems to have been rotated or reprojected" in remarks(small.rotate(angle * u.deg))
    assert remarks(small) == ""


def test_a_reprojected_map_is_reported(small):
    """MDI has never been 60 degrees from the Earth."""
    away = {card: value for card, value in small.meta.items() if card not in ("crln_obs", "crlt_obs")}
    smap = sunpy.map.Map(small.data, {**away, "hgln_obs": 60.0, "hglt_obs": 0.0})
    assert "smap is seen from a place 60 degrees from the Earth, where MDI never was" in remarks(smap)


# Angles on heliographic maps


@pytest.mark.parametrize("degrees", [0.12, 0.06, 0.03])
def test_the_width_of_the_blur_is_an_angle_on_any_grid(rng, cea_map, degrees):
    """A heliographic degree at disk center is 16.8 arcsec from 1 au, whatever the pixel."""
    from sunpy_magsr.inference.settings import Settings
    from sunpy_magsr.instrument import instrument_of
    from sunpy_magsr.maps import prepare
    from sunpy_magsr.sampling.registry import model_card

    smap = cea_map(rng.normal(0, 30, (40, 40)), degrees=degrees, telescop="SOHO", instrume="MDI")
    magnetogram = dataclasses.replace(prepare(smap), blur=Settings(psf_fwhm=2 * u.arcsec).blur)
    assert instrument_of(magnetogram, model_card("default+mdi")).fwhm * degrees * 16.82 == pytest.approx(2, rel=1e-3)
