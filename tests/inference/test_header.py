"""Headers: where every point is, what must be gone, what must be there."""

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from sunpy.data.test import get_dummy_map_from_header

import sunpy_magsr
from sunpy_magsr.exceptions import MagsrUserWarning
from sunpy_magsr.maps.wcs import plate_scale as scales_of

# What is odd about the grids of these tests is reported; that is tested in tests/prep/test_headers.py.
pytestmark = pytest.mark.filterwarnings("ignore:smap seems to have been rotated", "ignore:smap has pixels of")

STALE = ["bscale", "bzero", "blank", "x0", "y0", "r_sun", "crop_rad", "datamin", "datamax", "datamedn", "datamean"]
STALE += ["datarms", "dataskew", "datakurt", "missvals", "datavals", "tot_flux", "avg_flux", "mean_fld"]
STALE += ["checksum", "datasum", "headsum"]
PROVENANCE = {"magsrver", "magsrmod", "magsrrev", "magsrsha", "magsrsed", "magsrns", "magsrstp", "magsrcal"}


def finer(smap, **options):
    return sunpy_magsr.superresolve(smap, model="bicubic", **options)


def edges(smap):
    """World coordinates of the middles of the four outer edges and of the corners."""
    rows, columns = smap.data.shape
    x = np.array([-0.5, columns - 0.5, (columns - 1) / 2, (columns - 1) / 2, -0.5, columns - 0.5])
    y = np.array([(rows - 1) / 2, (rows - 1) / 2, -0.5, rows - 0.5, -0.5, rows - 0.5])
    return smap.wcs.pixel_to_world(x, y)


def separation_in_pixels(smap, first, second):
    x1, y1 = smap.wcs.world_to_pixel(first)
    x2, y2 = smap.wcs.world_to_pixel(second)
    return np.hypot(x1 - x2, y1 - y2)


@pytest.fixture(
    params=[
        {},
        {"crota2": 180.0},
        {"crota2": 3.0978},
        {"crota2": None, "pc1_1": 0.0, "pc1_2": -1.0, "pc2_1": 1.0, "pc2_2": 0.0},
        {"crota2": None, "cdelt1": None, "cdelt2": None, "cd1_1": 1.5, "cd1_2": -1.3, "cd2_1": 1.3, "cd2_2": 1.5},
        {"crota2": None, "cdelt1": 1.0, "cdelt2": 1.0, "cd1_1": 1.5, "cd1_2": -1.3, "cd2_1": 1.3, "cd2_2": 1.5},
        {"crota2": None, "pc1_1": 0.8, "pc1_2": -0.6, "pc2_1": 0.6, "pc2_2": 0.8, "cd1_1": 9.0},
        {"cdelt2": 1.5},
        {"cdelt2": 1.5, "crota2": 30.0},
        {"cdelt1": 1.5, "crota2": None, "pc1_1": 0.8, "pc1_2": -0.6, "pc2_1": 0.6, "pc2_2": 0.8},
        {"crpix1": 20.25, "crval1": 120.0, "crval2": -300.0},
    ],
    ids=["plain", "180", "roll", "pc", "cd", "cd-cdelt", "pc-cd", "oblong", "oblong-roll", "oblong-pc", "off-center"],
)
def oriented(with_meta, request):
    return with_meta(**request.param)


@pytest.mark.parametrize("plate_scale", [None, 0.5 * u.arcsec / u.pix])
def test_edges_stay_where_they_were(oriented, plate_scale):
    result = finer(oriented, plate_scale=plate_scale)
    limit = 1e-6 if plate_scale is None else 0.5 * 0.5 / 1.5
    assert separation_in_pixels(oriented, edges(oriented), edges(result)).max() < limit * np.sqrt(2)
    if plate_scale is not None:
        assert u.Quantity(scales_of(result)).to_value(u.arcsec / u.pix) == pytest.approx(0.5, rel=1e-9)
    if "crota2" in oriented.meta:
        assert result.meta.get("crota2", oriented.meta["crota2"]) == oriented.meta["crota2"]


@pytest.mark.parametrize("plate_scale", [None, 0.5 * u.arcsec / u.pix])
def test_a_bright_point_stays_in_place(oriented, plate_scale):
    """The centroid of a blob has the same world coordinate in the input and in the output."""
    y, x = np.indices(oriented.data.shape)
    blob = 500 * np.exp(-((x - 17.3) ** 2 + (y - 20.6) ** 2) / 18)
    before = sunpy.map.Map(blob, oriented.meta)
    after = finer(before, plate_scale=plate_scale)
    place = []
    for smap in (before, after):
        rows, columns = np.indices(smap.data.shape)
        weight = np.nan_to_num(smap.data.astype(float)) ** 2
        centroid = [(axis * weight).sum() / weight.sum() for axis in (columns, rows)]
        place.append(smap.wcs.pixel_to_world(*centroid))
    assert separation_in_pixels(before, *place) < 0.02


def test_cards_that_a_result_has_and_has_not(with_meta):
    before = with_meta(history="Made by fdmagcal.", **dict.fromkeys(STALE, 3))
    data, meta = before.data.copy(), dict(before.meta)
    result = finer(before)
    assert not set(STALE) & set(result.meta)
    assert set(result.meta) >= PROVENANCE
    assert result.meta["history"].startswith("Made by fdmagcal.\n")
    assert "not an observation" in " ".join(result.meta["history"].split())
    assert type(result) is type(before)
    assert result.observer_coordinate.separation_3d(before.observer_coordinate) < 1 * u.km
    assert result.date == before.date
    assert np.array_equal(before.data, data, equal_nan=True)
    assert dict(before.meta) == meta


@pytest.mark.filterwarnings("ignore:CTYPE. value")
def test_early_header_with_earth_observer_and_no_units(with_meta):
    """SOI headers before level 1.8.2, as the Helioviewer still serves them."""
    early = with_meta(
        ctype1="solar-x", ctype2="solar-y", cunit1=None, cunit2=None, crota2=None, dsun_obs=None, crln_obs=None,
        crlt_obs=None, obs_l0=151.3, obs_b0=-6.7, obs_dist=0.98, date_obs="2001-03-29T00:00:00",
    )  # fmt: skip
    result = finer(early, plate_scale=None)
    assert separation_in_pixels(early, edges(early), edges(result)).max() < 1e-6
    assert result.observer_coordinate.separation_3d(early.observer_coordinate) < 1 * u.km
    assert result.meta["obs_dist"] == 0.98


def test_solar_p0_becomes_crota2_where_there_is_none(with_meta):
    early = with_meta(crota2=None, solar_p0=180.0)
    with pytest.warns(MagsrUserWarning, match="SOLAR_P0 = 180.0 and no CROTA2"):
        result = finer(early)
    assert result.meta["crota2"] == -180.0
    with pytest.warns(MagsrUserWarning) as caught:
        oblong = finer(with_meta(crota2=None, solar_p0=30.0, cdelt2=1.5))
    assert [one.filename for one in caught if one.category is MagsrUserWarning] == [__file__]
    assert np.allclose(oblong.rotation_matrix, [[0.866, 0.5], [-0.5, 0.866]], atol=1e-3)
    assert finer(with_meta(crota2=2.0, solar_p0=180.0)).meta["crota2"] == 2.0


def test_lev182_header_of_sunpy():
    """A full disk of 64 pixels under a real level 1.8.2 header."""
    header = dict(get_dummy_map_from_header("mdi.fd_M_96m_lev182.20101015_191200_TAI.data.header").meta)
    x, y = np.meshgrid(np.arange(64) - 31.5, np.arange(64) - 31.5)
    mdi = sunpy.map.Map(np.where(np.hypot(x, y) < 30.5, 10.0, np.nan), header)
    result = finer(mdi, plate_scale=None)
    assert type(result).__name__ == "MDIMap"
    assert separation_in_pixels(mdi, edges(mdi), edges(result)).max() < 1e-6
    assert np.isnan(result.data).mean() == pytest.approx(np.isnan(mdi.data).mean(), abs=0.01)


def test_smarp_patch_is_always_four_times_finer(with_meta):
    smarp = with_meta(
        ctype1="CRLN-CEA", ctype2="CRLT-CEA", cunit1="degree", cunit2="degree", cdelt1=0.12, cdelt2=0.12,
        crpix1=20.5, crpix2=18.5, crval1=130.0, crval2=15.0, instrume="MDI", bunit="Mx/cm^2",
    )  # fmt: skip
    result = finer(smarp)
    assert result.data.shape == (144, 160)
    assert result.scale[0].to_value(u.deg / u.pix) == pytest.approx(0.03)
    assert separation_in_pixels(smarp, edges(smarp), edges(result)).max() < 1e-6


def test_hmi_as_input(with_meta):
    hmi = with_meta(camera=2, instrume="HMI_FRONT2", telescop="SDO/HMI", crota2=179.93, bunit="Mx/cm^2")
    result = finer(hmi)
    assert type(result).__name__ == "HMIMap"
    assert result.unit == u.G


def test_calibration_to_hmi(small):
    plain, scaled = finer(small), finer(small, calibrate="hmi")
    ratio = scaled.data / plain.data
    strong = np.abs(plain.data) > 1000
    weak = np.abs(plain.data) < 50
    assert 0.70 < np.median(ratio[strong]) < 0.76
    assert 0.65 < np.median(ratio[weak]) < 0.69
    assert (plain.meta["magsrcal"], scaled.meta["magsrcal"]) == ("none", "hmi")
