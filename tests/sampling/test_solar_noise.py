"""Noise of the Sun: each frame's is white, two frames' is the same place's, for its lifetime."""

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.coordinates import SkyCoord
from astropy.time import Time
from sunpy.coordinates import RotatedSunFrame

import sunpy_magsr
from sunpy_magsr.maps import prepare
from sunpy_magsr.maps.header import observation_time
from sunpy_magsr.sampling.noise import SolarNoise, hash_numbers, normal_numbers


def later(smap, seconds):
    """The same pixels, seen later by an observer who moves with the Earth."""
    date = observation_time(smap) + seconds * u.s
    turned = smap.meta["crln_obs"] - 13.199 * seconds / 86400  # degrees, of disk center
    changes = {"date-obs": date.isot, "t_obs": date.isot, "crln_obs": turned % 360}
    return sunpy.map.Map(smap.data, {**smap.meta, **changes})


def drawn(smap, lifetime, *, seed=0, sample=0):
    magnetogram = prepare(smap)
    noise = SolarNoise(smap, magnetogram, lifetime)
    return noise((1, *smap.data.shape), origin=magnetogram.origin, seed=seed, sample=sample)[0]


def correlation(one, other):
    return np.corrcoef(one.ravel(), other.ravel())[0, 1]


@pytest.mark.parametrize("lifetime", [0, 3600, np.inf])
def test_the_noise_of_a_frame_is_white(mdi_center, lifetime):
    noise = drawn(mdi_center, lifetime)
    assert len(np.unique(noise)) > 0.97 * noise.size  # of what float32 can tell apart: no two pixels share a number
    error = noise.size**-0.5
    assert abs(noise.mean()) < 4 * error
    assert abs(noise.std() - 1) < 4 * error
    assert abs((noise**4).mean() - 3) < 4 * 10 * error
    for shift in ((0, 1), (1, 0), (1, 1), (2, 0), (0, 2)):
        assert abs(correlation(noise, np.roll(noise, shift, (0, 1)))) < 4 * error


@pytest.mark.parametrize("lifetime", [4.0, 8.0])
def test_noise_lives_as_long_as_it_is_told(sample, lifetime):
    """Within seconds hardly a pixel comes to another place on the Sun, so that nothing but renewal parts two frames."""
    first = drawn(sample, lifetime)
    for lag in (2.0, 4.0, 8.0):
        after = later(sample, lag)
        same = drawn(sample, np.inf) == drawn(after, np.inf)
        assert same.mean() > 0.9
        found = correlation(first[same], drawn(after, lifetime)[same])
        assert found == pytest.approx(np.exp(-lag / lifetime), abs=0.03)


def test_noise_rotates_with_the_sun(sample):
    """Each pixel's place, carried on by sunpy's differential rotation, has the same number six hours later."""
    after = later(sample, 6 * 3600)
    rows, columns = (np.arange(20, side - 20) for side in sample.data.shape)
    y, x = np.meshgrid(rows, columns, indexing="ij")
    place = sample.pixel_to_world(x * u.pix, y * u.pix)
    moved = SkyCoord(RotatedSunFrame(base=place, rotated_time=Time(after.date))).transform_to(after.coordinate_frame)
    new_x, new_y = (np.rint(axis.value) for axis in after.world_to_pixel(moved))
    inside = (new_x > 0) & (new_x < columns[-1]) & (new_y > 0) & (new_y < rows[-1]) & np.isfinite(new_x)
    assert np.median(new_x[inside] - x[inside]) > 10
    first, second = drawn(sample, np.inf), drawn(after, np.inf)
    same = first[y[inside], x[inside]] == second[new_y[inside].astype(int), new_x[inside].astype(int)]
    assert (
        same.mean() > 0.25
    )  # cells' edges are elsewhere in the pixels, so that many take a neighbor's; by chance none do
    assert abs(correlation(first, second)) < 0.02  # nothing stays on the detector


@pytest.mark.parametrize("projection", ["CEA", "CAR"])
@pytest.mark.parametrize("latitude", [0, 30, 55])
def test_heliographic_maps_keep_their_noise_whatever_the_latitude(projection, latitude, rng):
    """Their pixels stand on the Sun, and have other shapes there at each latitude."""
    rows = np.rad2deg(np.sin(np.deg2rad(latitude))) if projection == "CEA" else latitude
    wcs = {f"ctype{axis}": f"{name}-{projection}" for axis, name in ((1, "CRLN"), (2, "CRLT"))}
    for axis, (value, pixel) in {1: (180.0, 30.5), 2: (0.0, 30.5 - rows / 0.12)}.items():
        wcs |= {f"cunit{axis}": "deg", f"crval{axis}": value, f"crpix{axis}": pixel, f"cdelt{axis}": 0.12}
    observer = {"crln_obs": 180.0, "crlt_obs": 0.0, "dsun_obs": 1.5e11, "rsun_ref": 695700000.0}
    facts = {"bunit": "G", "telescop": "SOHO", "instrume": "MDI", "content": "magnetogram"}
    data = rng.normal(0, 20, (60, 60)).astype(np.float32)
    dates = ({"date-obs": date, "t_obs": date} for date in ("2010-06-01T00:00:00", "2010-06-01T00:00:02"))
    first, second = (drawn(sunpy.map.Map(data, {**wcs, **observer, **facts, **date}), np.inf) for date in dates)
    assert (first == second).mean() > 0.99


def test_a_roll_that_sunpy_does_not_read_is_known(sample):
    """An early MDI header says SOLAR_P0 alone."""
    bare = {card: value for card, value in sample.meta.items() if card != "crota2" and card[:4] not in ("pc1_", "pc2_")}
    rolled = drawn(sunpy.map.Map(sample.data, {**bare, "crota2": 170.0}), np.inf)
    assert np.array_equal(drawn(sunpy.map.Map(sample.data, {**bare, "solar_p0": -170.0}), np.inf), rolled)
    # beyond the limb, noise belongs to the frame
    assert abs(correlation(drawn(sunpy.map.Map(sample.data, bare), np.inf), rolled)) < 0.1


def test_a_cutout_has_the_noise_of_its_frame(sample):
    cutout = sample.submap([30, 40] * u.pix, top_right=[109, 99] * u.pix)
    assert np.array_equal(drawn(cutout, 3600), drawn(sample, 3600)[40:100, 30:110])


def test_hashed_numbers_are_the_same_everywhere():
    keys = hash_numbers(np.arange(3), 7)
    assert keys.tolist() == [11228253110725672658, 8264544082202243819, 13786789208193829273]
    assert normal_numbers(keys[None], 2).shape == (2, 1, 3)


def test_a_sequence_is_its_frames(small):
    frames = [small, later(small, 5760)]
    found = sunpy_magsr.superresolve_sequence(sunpy.map.MapSequence(frames), plate_scale=None)
    assert isinstance(found, sunpy.map.MapSequence)
    alone = sunpy_magsr.superresolve(frames[1], plate_scale=None, noise_lifetime=1 * u.hour)
    assert np.array_equal(found[1].data, alone.data, equal_nan=True)
    assert found[0].meta["magsrnlt"] == 3600
    assert "rotates with the Sun" in " ".join(found[0].meta["history"].split())
    assert not np.array_equal(found[0].data, sunpy_magsr.superresolve(small, plate_scale=None).data, equal_nan=True)


@pytest.mark.parametrize("wrong", [3600, -1 * u.s, np.nan * u.s, 1 * u.m])
def test_a_lifetime_is_a_time(small, wrong):
    with pytest.raises(ValueError, match="noise_lifetime must be"):
        sunpy_magsr.superresolve(small, noise_lifetime=wrong)
