"""Cubes: xarray opens them, and each frame comes out as the Map that went in."""

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
import xarray
from astropy.nddata import StdDevUncertainty

from sunpy_magsr.maps.cube import cube_map, write_cube
from sunpy_magsr.maps.fits import write_fits


@pytest.fixture
def files(small, tmp_path):
    """Two frames in the wrong order, one smaller and compressed, with missing pixels."""
    paths = []
    for number, side in enumerate((30, 24)):
        meta = {
            **small.meta,
            "date-obs": f"2010-06-0{2 - number}T00:00:00",
            "t_obs": f"2010.06.0{2 - number}_00:01:04_TAI",
        }
        data = small.data[:side, :side].copy()
        data[2, 3:5] = np.nan
        smap = sunpy.map.Map(data, meta, uncertainty=StdDevUncertainty(np.abs(data) / 10, unit=u.G))
        precision = 0.1 * u.G if number else None
        paths.append(write_fits(smap, tmp_path / f"{number}.fits", precision=precision))
    return paths


@pytest.mark.parametrize(("precision", "error"), [(0.5 * u.G, 0.251), (0.1 * u.G, 0.051), (None, 0)])
def test_frames_come_back(files, tmp_path, small, precision, error):
    path = write_cube(files, tmp_path / "cube.zarr", precision=precision)
    with xarray.open_zarr(path, consolidated=False) as cube:
        assert cube["magnetic_field"].dims == ("time", "y", "x")
        assert cube["magnetic_field"].attrs["units"] == "G"
        assert cube["time"].to_numpy()[0] == np.datetime64("2010-06-01T00:00:30")  # TAI was 34 s ahead of UTC
        assert cube["crpix1"].to_numpy().tolist() == [small.meta["crpix1"]] * 2
        assert "not measured" in cube.attrs["comment"]
        later = cube_map(cube, 1)
    original = sunpy.map.Map(files[0])[0]
    assert np.nanmax(np.abs(later.data - original.data)) <= error
    assert np.nanmax(np.abs(later.uncertainty.array - np.abs(original.data) / 10)) <= error
    assert np.array_equal(later.mask, np.isnan(original.data))
    assert later.wcs.wcs.compare(original.wcs.wcs)
    assert later.observer_coordinate.separation_3d(original.observer_coordinate) < 1 * u.km
    assert cube_map(path, 0).data.shape == (24, 24)
    with xarray.open_zarr(path, consolidated=False) as cube:
        for name in ("magnetic_field", "uncertainty"):  # there is nothing beyond a smaller frame
            assert np.isnan(cube[name][0, 24:].to_numpy()).all()
            assert np.isnan(cube[name][0, :, 24:].to_numpy()).all()
            assert np.isfinite(cube[name][1, 24:].to_numpy()).all()


def test_what_cannot_be_in_one_cube_is_refused(files, tmp_path, small):
    with pytest.raises(ValueError, match="files must have at least one frame"):
        write_cube([], tmp_path / "cube.zarr")
    with pytest.raises(ValueError, match="files must be of different times"):
        write_cube([files[0], files[0]], tmp_path / "cube.zarr")
    bare = write_fits(small, tmp_path / "bare.fits")
    with pytest.raises(ValueError, match="files must have an uncertainty all or none"):
        write_cube([*files, bare], tmp_path / "cube.zarr")
    with pytest.raises(ValueError, match="precision must be"):
        write_cube([bare], tmp_path / "cube.zarr", precision=0 * u.G)
    strong = write_fits(sunpy.map.Map(small.data * 100, small.meta), tmp_path / "strong.fits")
    with pytest.raises(ValueError, match="precision must be large enough"):
        write_cube([strong], tmp_path / "cube.zarr", precision=0.25 * u.G)
    assert not list(tmp_path.glob("*.zarr"))
    assert not list(tmp_path.glob(".*.partial"))


def test_a_cube_is_replaced_when_asked_and_nothing_else_is(files, tmp_path):
    path = write_cube(files[:1], tmp_path / "cube.zarr")
    with pytest.raises(FileExistsError, match="path must be a new folder"):
        write_cube(files, path)
    assert xarray.open_zarr(write_cube(files, path, overwrite=True), consolidated=False).sizes["time"] == 2
    assert not list(tmp_path.glob(".*"))
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    for path in (folder, folder / "thesis.tex"):
        with pytest.raises(FileExistsError, match="path must be a new folder or a Zarr store"):
            write_cube(files, path, overwrite=True)
    assert (folder / "thesis.tex").read_text() == "years of work"


def test_a_cube_is_in_gauss(small, tmp_path):
    tesla = sunpy.map.Map(small.data.astype(np.float32) * np.float32(1e-4), {**small.meta, "bunit": "T"})
    path = write_cube([write_fits(tesla, tmp_path / "tesla.fits")], tmp_path / "cube.zarr", precision=0.1 * u.G)
    with xarray.open_zarr(path, consolidated=False) as cube:
        assert np.abs(cube["magnetic_field"][0].to_numpy() - small.data).max() <= 0.051
    back = cube_map(path, 0)
    assert np.abs(back.quantity.to_value(u.G) - small.data).max() <= 0.051
    seconds = write_fits(sunpy.map.Map(small.data, {**small.meta, "bunit": "s"}), tmp_path / "seconds.fits")
    with pytest.raises(ValueError, match=r"seconds\.fits must have a unit of magnetic field"):
        write_cube([seconds], tmp_path / "seconds.zarr")
