"""HMI aligned to MDI, judged by synthetic twins whose errors are known."""

import copy
import dataclasses

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from synthetic_sun import Errors, make_twins, synthetic_surface

from sunpy_magsr.instrument import degrade
from sunpy_magsr.maps.fits import read_fits, write_compressed
from sunpy_magsr.maps.header import observation_time
from sunpy_magsr.pairs.align import align_pair, is_on_grid
from sunpy_magsr.pairs.batch import align_folder
from sunpy_magsr.pairs.geometry import map_pixels
from sunpy_magsr.pairs.quality import Limits, RefusedPairError
from sunpy_magsr.validation.regions import paired_region

FARTHER = 4  # a Sun seen from 4 AU: 256 x 256 pixels of MDI
TIME = "2010-08-30T17:36:00"
RATIO = 1.986 / 0.5042


@pytest.fixture(scope="module")
def surface():
    return synthetic_surface(3, longitude=350.0, step=0.03 * FARTHER, regions=2)


@pytest.fixture(scope="module")
def twins(surface):
    errors = Errors(shift=(2.5, -4.0), roll=0.3, delay=300.0, gain=1.3)
    return make_twins(surface, TIME, errors=errors, farther=FARTHER)


@pytest.fixture(scope="module")
def aligned(twins):
    return align_pair(*maps_of(twins))


def maps_of(twins):
    return sunpy.map.Map(twins.mdi, twins.mdi_header), sunpy.map.Map(twins.hmi, twins.hmi_header)


def inner_pixels(disk, side):
    y, x = np.mgrid[:side, :side].astype(float)
    return np.stack([y, x])[:, np.hypot(*disk.at(y, x)) < 0.9]


def misplaced(twins, pair):
    """Root mean square distance to the true place within 0.9 solar radii, MDI pixels."""
    low, high = maps_of(twins)
    at = inner_pixels(pair.displacement.disk, len(twins.mdi))
    found = map_pixels(low, high).at(*(at - pair.displacement.at(*at)))
    true = twins.place(4 * at[1] + 1.5, 4 * at[0] + 1.5)
    return np.sqrt(np.mean((found[1] - true[0]) ** 2 + (found[0] - true[1]) ** 2)) / RATIO


def test_the_headers_alone_lead_to_the_same_place_as_spherical_geometry(surface):
    errors = Errors(delay=-350.0)
    twins = make_twins(surface, TIME, errors=errors, farther=FARTHER, parallax=(-0.25, 0.1), rolls=(3.1, 180.05))
    low, high = maps_of(twins)
    y, x = np.mgrid[: len(twins.mdi), : len(twins.mdi)].astype(float)
    known = np.hypot(y - 127.5, x - 127.5) < 0.97 * 121
    found, true = map_pixels(low, high).at(y, x), twins.place(4 * x + 1.5, 4 * y + 1.5)
    assert np.abs(found[1] - true[0])[known].max() < 0.1
    assert np.abs(found[0] - true[1])[known].max() < 0.1


@pytest.mark.parametrize(
    ("errors", "rolls"),
    [
        (Errors(shift=(2.5, -4.0), roll=0.3, delay=300.0, gain=1.3), (0.0, 180.0)),
        (Errors(shift=(-4.9, 1.0), stretch=1e-3, delay=-360.0, gain=1.55, psf_fwhm=3.2), (180.0, 179.9)),
        pytest.param(
            Errors(shift=(0.2, 0.1), roll=-0.2, noise=22.5, gain=1.2, psf_fwhm=1.3),
            (3.1, 180.1),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_displacement_and_gain_are_recovered(surface, errors, rolls):
    twins = make_twins(surface, TIME, errors=errors, farther=FARTHER, rolls=rolls, seed=5)
    pair = align_pair(*maps_of(twins))
    assert misplaced(twins, pair) < 0.1
    assert pair.quality.gain == pytest.approx(errors.gain, rel=0.01)
    assert pair.quality.psf_fwhm == pytest.approx(errors.psf_fwhm, abs=0.15)
    assert pair.quality.likeness == pytest.approx(1.0, abs=0.02)
    assert abs(pair.quality.gain - errors.gain) < 4 * pair.quality.gain_error + 0.005


def test_nothing_is_changed_in_what_is_given(twins):
    given, before = maps_of(twins), maps_of(copy.deepcopy(twins))
    align_pair(*given)
    for smap, untouched in zip(given, before, strict=True):
        np.testing.assert_array_equal(smap.data, untouched.data)
        assert dict(smap.meta) == dict(untouched.meta)


def test_aligned_hmi_degrades_to_mdi(twins, aligned):
    """Through the forward model, which the alignment has no part in."""
    fwhm = twins.errors.psf_fwhm / (1.986 / 4)
    low = degrade(np.nan_to_num(aligned.high.data), psf_fwhm=fwhm, gain=twins.errors.gain)
    inner = tuple(inner_pixels(aligned.displacement.disk, 256).astype(int))
    difference = (twins.mdi - low)[inner]
    assert difference.std() == pytest.approx(twins.errors.noise, rel=0.05)
    assert abs(difference.mean()) < 0.5


@pytest.mark.slow
def test_small_scales_keep_their_power(surface):
    """Against the surface seen straight with MDI's geometry."""
    errors = Errors(shift=(1.0, 1.5), noise=1.0, hmi_noise=0.0)
    twins = make_twins(surface, TIME, errors=errors, farther=FARTHER, rolls=(30.0, 180.0))
    fine = align_pair(*maps_of(twins)).high.data[400:624, 400:624].astype(float)
    x, y = np.meshgrid(np.arange(400.0, 624), np.arange(400.0, 624))
    longitude, latitude, mu = twins.views[0].surface(x, y)
    truth = mu * surface.at(longitude, latitude)
    taper = np.outer(np.hanning(224), np.hanning(224))
    power = [np.abs(np.fft.fft2(taper * (one - one.mean()))) ** 2 for one in (fine, truth)]
    wavenumber = np.hypot(np.fft.fftfreq(224)[:, None], np.fft.fftfreq(224)) / 0.4965
    for longest, shortest, least in ((8, 4, 0.99), (4, 2, 0.98), (2, 1.33, 0.95)):
        band = (wavenumber > 1 / longest) & (wavenumber <= 1 / shortest)
        assert least < power[0][band].sum() / power[1][band].sum() < 1.02


def test_the_result_is_hmi_on_the_grid_of_mdi(twins, aligned):
    low, _ = maps_of(twins)
    high = aligned.high
    assert high.instrument.startswith("HMI")
    assert "interpolated" in high.meta["content"]
    assert high.meta["mdi_gain"] == pytest.approx(twins.errors.gain, rel=0.01)
    assert abs(observation_time(high) - observation_time(low)).sec < 1e-3
    assert is_on_grid(low, high)
    corners = [smap.wcs.pixel_to_world_values(*at) for smap, at in ((low, (-0.5, 255.5)), (high, (-0.5, 1023.5)))]
    np.testing.assert_allclose(*corners, atol=1e-9)
    assert high.data.dtype == np.float32
    disk = aligned.displacement.disk
    y, x = np.mgrid[:1024, :1024] / 4 - 0.375
    distance = np.hypot(*disk.at(y, x))
    assert np.isnan(high.data[distance > 1]).all()
    assert np.isfinite(high.data[distance < 0.95]).all()


BAD = {
    "upside down": "alike",
    "zeros": "1024 pixels hold a constant value",
    "hour": "turned",
    "polarity": "alike",
    "gain": "MDI reads",
    "noise": "windows",
    "HMI noise": "windows",
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if number > 1 else []) for number, name in enumerate(BAD)]
)
def test_bad_pairs_are_refused_with_the_reason(surface, twins, name):
    wrong = {"hour": Errors(delay=3600.0, clock=3600.0), "gain": Errors(gain=3.0)}
    if name in wrong:
        twins = make_twins(surface, TIME, errors=wrong[name], farther=FARTHER, seed=2)
    changed = {"upside down": twins.mdi[::-1, ::-1], "polarity": -twins.mdi}
    mdi, hmi = changed.get(name, twins.mdi).copy(), twins.hmi.copy()
    noise = 150 * np.random.default_rng(0).standard_normal((96, 96))
    if name == "zeros":
        mdi[100:132, 110:142] = 0
    elif name == "noise":
        mdi[100:132, 110:142] = noise[:32, :32]
    elif name == "HMI noise":
        hmi[440:536, 410:506] = noise
    with pytest.raises(RefusedPairError, match=BAD[name]) as caught:
        align_pair(*maps_of(dataclasses.replace(twins, mdi=mdi, hmi=hmi)))
    assert caught.value.pair.high is None


def test_gain_by_strength_and_place_is_that_of_the_pair(aligned):
    table = aligned.gains
    assert set(table["by"]) == {"strength", "mu"}
    far = np.abs(1 / table["hmi_per_mdi"] - 1.3) / (table["error"] * 1.3**2)
    assert np.median(far) < 3
    np.testing.assert_allclose(table["hmi_per_mdi"], 1 / 1.3, rtol=0.05)


def test_pairs_by_their_headers_meet_at_the_middle_of_the_exposures(surface):
    """MDI's DATE-OBS is 150 s before, in which the Sun turns by 0.4 arcsec."""
    twins = make_twins(surface, TIME, errors=Errors(delay=240.0, noise=0.0, hmi_noise=0.0, gain=1.0), farther=FARTHER)
    region = paired_region(*maps_of(twins), name="twin")
    fwhm = twins.errors.psf_fwhm / (1.986 / 4)
    low = degrade(np.nan_to_num(region.truth), psf_fwhm=fwhm)
    middle = tuple(slice(size // 2 - 60, size // 2 + 60) for size in low.shape)
    difference = (region.low.data - low)[middle]
    assert difference.std() < 0.02 * low[middle].std()


@pytest.mark.slow
def test_a_folder_is_aligned_once(twins, tmp_path):
    paths = [tmp_path / name for name in ("mdi.fits", "hmi.fits", "other.fits")]
    write_compressed(twins.mdi, twins.mdi_header, paths[0])
    write_compressed(twins.hmi, twins.hmi_header, paths[1])
    write_compressed(twins.mdi[:, ::-1], twins.mdi_header, paths[2])
    pairs = [("one", paths[0], paths[1]), ("two", paths[2], paths[1]), ("three", __file__, paths[1])]
    folder = tmp_path / "aligned"
    first = align_folder(pairs, folder, progress=False)
    assert first.table["aligned"].tolist() == ["hmi/2010/08/hmi.fits", "", ""]
    assert [bool(why) for why in first.table["refused"]] == [False, True, True]
    assert sorted(path.name for path in (folder / "pictures").iterdir()) == ["one.png", "two.png"]
    high = read_fits(folder / "hmi/2010/08/hmi.fits")
    assert is_on_grid(read_fits(paths[0]), high)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and path.suffix != ".ecsv"}
    second = align_folder(pairs, folder, progress=False)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    for name in first.table.colnames:
        np.testing.assert_array_equal(first.table[name], second.table[name])
    write_compressed(twins.mdi, twins.mdi_header, paths[2])
    third = align_folder(pairs, folder, progress=False)
    assert third.table["refused"][1] == ""
    align_folder(pairs[:1], folder, limits=Limits(shift=1.0), progress=False)
    assert not (folder / "hmi/2010/08/hmi.fits").exists(), "refused within other limits"


def test_compressed_files_keep_tenths_of_a_gauss_and_nan(tmp_path):
    data = np.round(np.random.default_rng(0).normal(0, 300, (40, 50)), 1).astype(np.float32)
    data[:5] = np.nan
    header = {"bunit": "Gauss", "cdelt1": 2.0, "cdelt2": 2.0, "cunit1": "arcsec", "cunit2": "arcsec"}
    header |= {"ctype1": "HPLN-TAN", "ctype2": "HPLT-TAN", "date-obs": "2011-01-01T00:00:00"}
    smap = read_fits(write_compressed(data, header, tmp_path / "field.fits"))
    np.testing.assert_allclose(smap.data, data, atol=1e-3)
    assert smap.unit == u.G
