"""Files that people have and the model was not made for: right, or refused in one sentence."""

import astropy.units as u
import numpy as np
import pytest
import sunpy.map

import sunpy_magsr
from sunpy_magsr.exceptions import MagsrUserWarning
from sunpy_magsr.maps import prepare

from .fuzz_cases import BASES

HMI = {
    "telescop": "SDO/HMI", "instrume": "HMI_SIDE1", "content": "MAGNETOGRAM", "bunit": "Gauss", "ctype1": "HPLN-TAN",
    "ctype2": "HPLT-TAN", "cunit1": "arcsec", "cunit2": "arcsec", "cdelt1": 2.0, "cdelt2": 2.0, "crpix1": 24.5, "crpix2": 24.5,
    "crval1": 0.0, "crval2": 0.0, "rsun_obs": 960.0, "dsun_obs": 1.49e11, "hgln_obs": 0.0, "hglt_obs": 0.0,
    "date-obs": "2012-01-01T00:00:00",
}  # fmt: skip
GONG = {
    "telescop": "NSO-GONG", "imtype": "MAGNETIC", "dtype": "OBSERVE", "bunit": "GAUSS", "ctype1": "GONGX", "ctype2": "GONGY",
    "crpix1": 40.5, "crpix2": 40.5, "crval1": 0.0, "crval2": 0.0, "semidiam": 0.0047311, "fndlmbmi": 385.17,
    "fndlmbma": 385.35, "lat": -0.388, "lon": 1.991, "elev": 20.0, "site": "LE", "date-obs": "2025/01/09",
    "time-obs": "01:35:16",
}  # fmt: skip
SOI = BASES["soi"] | {"cdelt1": 32.0, "cdelt2": 32.0, "crpix1": 32.5, "crpix2": 32.5, "crval2": 32.0}

pytestmark = pytest.mark.filterwarnings("ignore:The model")


@pytest.fixture
def field(rng):
    return rng.normal(0, 30, (48, 48))


def superresolve(smap, **options):
    return sunpy_magsr.superresolve(smap, model="bicubic", **options)


@pytest.mark.parametrize("plate_scale", [0.5 * u.arcsec / u.pix, None])
def test_a_scale_and_unit_that_are_not_those_of_the_header(rng, plate_scale):
    """GONG: sunpy has the scale in arcsec from the limb's radius in pixels, and the axes in degrees."""
    gong = sunpy.map.Map(rng.normal(0, 10, (80, 80)), GONG)
    result = superresolve(gong, plate_scale=plate_scale)
    scale = (0.0047311 * u.rad).to_value(u.arcsec) / 385.17
    assert prepare(gong).plate_scale[0].to_value(u.arcsec / u.pix) == pytest.approx(scale)
    expected = scale / 4 if plate_scale is None else 0.5
    assert result.scale[0].to_value(u.arcsec / u.pix) == pytest.approx(expected, rel=1e-4)
    assert result.data.shape[1] == (320 if plate_scale is None else round(80 * scale / 0.5))
    corners = [smap.pixel_to_world(-0.5 * u.pix, -0.5 * u.pix).Tx.to_value(u.arcsec) for smap in (gong, result)]
    assert corners[1] == pytest.approx(corners[0], abs=0.5)
    again = sunpy.map.Map(result.data, dict(result.meta))
    assert u.isclose(again.scale[0], result.scale[0])


def test_a_class_that_reads_its_scale_elsewhere_is_refused(field):
    class Elsewhere(sunpy.map.GenericMap):
        @property
        def scale(self):
            return type(super().scale)(2 * u.arcsec / u.pix, 2 * u.arcsec / u.pix)

    with pytest.raises(
        ValueError, match="smap must be of a class that reads its plate scale from CDELT, got Elsewhere"
    ):
        superresolve(Elsewhere(field, HMI), plate_scale=None)


@pytest.mark.parametrize(("kind", "cards"), [("uint8", {}), ("float32", {"hv_comment": "made with HV_WRITE_JP2"})])
def test_a_picture_is_refused(rng, kind, cards):
    gray = np.clip(rng.normal(128, 8, (48, 48)), 0, 255).astype(kind)
    with pytest.raises(ValueError, match="smap must hold measured values, got an 8-bit picture"):
        superresolve(sunpy.map.Map(gray, {**HMI, **cards}))


@pytest.mark.parametrize("segment", ["field", "Br_err", "bitmap", "inclination"])
def test_a_segment_that_is_no_component_is_refused(field, segment):
    named = {**HMI, "drms_id": f"hmi.sharp_720s:1:{segment}"}
    with pytest.raises(ValueError, match="smap must be a signed component of the field, got the segment"):
        superresolve(sunpy.map.Map(field, named))


def test_what_has_no_sign_is_refused(field):
    with pytest.raises(ValueError, match="smap must be a signed component of the field, got no pixel below 0"):
        superresolve(sunpy.map.Map(np.abs(field), HMI))
    umbra = superresolve(sunpy.map.Map(np.abs(field[:20, :20]) + 1000, HMI))  # within a sunspot
    assert umbra.data.min() > 0


def test_a_transverse_component_is_warned_about(field):
    named = {**HMI, "drms_id": "hmi.sharp_720s:1:Bp"}
    with pytest.warns(MagsrUserWarning, match="smap shows Bp, a transverse component"):
        superresolve(sunpy.map.Map(field, named))


@pytest.mark.parametrize("scale", [0.5, 0.504, 0.16])
def test_a_result_is_finer_than_its_input(field, scale):
    fine = sunpy.map.Map(field, {**HMI, "cdelt1": scale, "cdelt2": scale})
    with pytest.raises(ValueError, match=r"plate_scale must be at least 1\.1 times finer than that of smap"):
        superresolve(fine)
    assert superresolve(fine, plate_scale=None).data.shape == (192, 192)


def test_the_unit_of_exports_of_2025(field):
    meta = {**HMI, "_bunit": "Mx/cm^2"}
    del meta["bunit"]
    result = superresolve(sunpy.map.Map(field, meta))
    assert result.unit == u.G
    assert result.data.std() > 20


def test_a_roll_that_is_added_turns_the_reference_point(rng):
    """Disk center stays on its pixel."""
    y, x = np.mgrid[:64, :64]
    data = np.where(np.hypot(x - 31.5, y - 30.5) < 29, rng.normal(0, 10, (64, 64)), np.nan)
    with pytest.warns(MagsrUserWarning, match="SOLAR_P0"):
        result = superresolve(sunpy.map.Map(data, SOI), plate_scale=None)
    assert (result.meta["crota2"], result.meta["crval2"]) == (180.0, pytest.approx(-32.0))
    rows = np.nonzero(np.isfinite(result.data).any(axis=1))[0]
    assert result.wcs.world_to_pixel_values(0, 0)[1] == pytest.approx(rows[[0, -1]].mean(), abs=0.5)


@pytest.mark.parametrize(
    ("card", "value"),
    [("cdelt1", np.nan), ("cdelt1", 0.0), ("cdelt1", 1e9), ("rsun_obs", np.nan), ("rsun_obs", 2000.0), ("crpix1", np.inf),
     ("ctype1", "HPLN-XYZ"), ("ctype1", "HPLT-TAN"), ("ctype1", "HPLN-TAN-SIP"), ("dsun_obs", "far"), ("dsun_obs", 0.0),
     ("dsun_obs", 5e8), ("date-obs", "never"), ("date-obs", "9999-01-01"), ("crval2", 1e6), ("crota2", "north"), ("pc1_1", 0.0),
     ("a_order", 2)],
)  # fmt: skip
def test_a_header_without_coordinates_is_refused(field, card, value):
    """In one sentence that names the card, whatever sunpy or astropy raise at the first use of it."""
    with pytest.raises(ValueError, match=r"^smap must have [^\n]*, got [^\n]*$"):
        superresolve(sunpy.map.Map(field, {**HMI, card: value}))


@pytest.mark.filterwarnings("ignore:Missing metadata for observation time", "ignore:ERFA function")
@pytest.mark.parametrize("date", ["2005-01-11", "1950-01-01"])
def test_a_date_that_the_class_passes_over_is_refused(field, date):
    """Sunpy takes today's for it, and the result would have that."""
    with pytest.raises(
        ValueError, match=f"^smap must have a date that MDIMap reads, as in .*, got DATE-OBS = '{date}'"
    ):
        superresolve(sunpy.map.Map(field, {**SOI, "date-obs": date}))


def test_a_result_that_no_memory_holds_is_refused(field):
    with pytest.raises(
        ValueError,
        match=r"plate_scale must give a result of at most 1e\+09 pixels that fits into memory, got .* pixels of 1/\d+ of the input's would fit",
    ):
        superresolve(sunpy.map.Map(field, HMI), plate_scale=1e-4 * u.arcsec / u.pix)
