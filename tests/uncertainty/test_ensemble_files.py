"""Ensembles in files: plain astropy and sunpy read them, and the same intervals come back."""

import warnings

import astropy.units as u
import numpy as np
import pytest
import sunpy.map
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from sunpy.util.exceptions import SunpyUserWarning

import sunpy_magsr
from sunpy_magsr.exceptions import MagsrUserWarning
from sunpy_magsr.uncertainty import Ensemble
from sunpy_magsr.uncertainty.ensemble import MISSING, NOT_CALIBRATED, NOT_TRAINED

LIMB = {"bottom_left": [20, 120] * u.pix, "top_right": [51, 151] * u.pix}


@pytest.fixture(scope="module")
def ensemble(sample):
    """At the limb of the sample, with pixels of too strong a field and with none."""
    cutout = sample.submap(LIMB["bottom_left"], top_right=LIMB["top_right"])
    data = cutout.data.copy()
    data[10:12, 25:27] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MagsrUserWarning)
        return sunpy_magsr.superresolve_ensemble(
            sunpy.map.Map(data, cutout.meta), n_samples=4, seed=3, plate_scale=None
        )


def ends(ensemble, level=0.9):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MagsrUserWarning)
        return [smap.data for smap in ensemble.interval(level)]


@pytest.mark.parametrize("name", ["ensemble.fits", "ensemble.asdf"])
@pytest.mark.parametrize("members", [False, True])
def test_what_is_read_is_what_was_written(ensemble, tmp_path, name, members):
    read = Ensemble.load(ensemble.save(tmp_path / name, members=members))
    assert len(read) == 4
    for level in (0.68, 0.9):
        for ours, theirs in zip(ends(ensemble, level), ends(read, level), strict=True):
            assert np.array_equal(ours, theirs, equal_nan=True)
    assert np.array_equal(read.flags, ensemble.flags)
    assert np.array_equal(read.mean().uncertainty.array, ensemble.std().data, equal_nan=True)
    assert read.mean().scale == ensemble.mean().scale
    assert read.has_members == members
    if members:
        assert np.array_equal(read.sample(2).data, ensemble.sample(2).data, equal_nan=True)
        assert np.array_equal(read.median().data, ensemble.median().data, equal_nan=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MagsrUserWarning)
            assert u.allclose(u.Quantity(read.propagate("unsigned_flux")), ensemble.propagate("unsigned_flux"))
    else:
        with pytest.raises(ValueError, match="members must have been kept for this"):
            read.sample(0)


def test_a_compressed_file_gives_the_same_to_half_a_step(ensemble, tmp_path):
    path = ensemble.save(tmp_path / "ensemble.fits", members=True, precision=0.2 * u.G)
    read = Ensemble.load(path)
    assert path.stat().st_size < 0.5 * ensemble.save(tmp_path / "whole.fits", members=True).stat().st_size
    assert np.array_equal(read.flags, ensemble.flags)
    assert np.array_equal(read.strata, ensemble.strata)
    assert np.nanmax(np.abs(read.sample(2).data - ensemble.sample(2).data)) <= 0.1001
    assert np.nanmax(np.abs(read.std().data - ensemble.std().data)) <= 0.1001
    with pytest.raises(ValueError, match=r"precision must be None for an \.asdf file"):
        ensemble.save(tmp_path / "ensemble.asdf", precision=0.2 * u.G)


def test_plain_astropy_and_sunpy_read_it(ensemble, tmp_path):
    path = ensemble.save(tmp_path / "ensemble.fits", members=True)
    with fits.open(path) as hdus:
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "UNCERT", "MASK", "STRATUM", "CALIBRATION", "MEMBERS"]
        assert hdus["MEMBERS"].data.shape == (4, *ensemble.shape)
        assert hdus["UNCERT"].header["BUNIT"] == hdus[0].header["BUNIT"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FITSFixedWarning)  # MJD-OBS from DATE-OBS
            corner = WCS(hdus["UNCERT"].header).pixel_to_world(5, 7)
        assert np.array_equal(hdus["MASK"].data, ensemble.flags)
    with pytest.warns(SunpyUserWarning, match="more than 2 dimensions"):  # MEMBERS, of which it takes the first
        first = sunpy.map.Map(path)[0]
    assert np.array_equal(first.data, ensemble.mean().data, equal_nan=True)
    assert corner.separation(first.pixel_to_world(5 * u.pix, 7 * u.pix)) < 1e-3 * u.arcsec
    plain = sunpy_magsr.maps.fits.read_fits(path)
    assert np.array_equal(plain.mask, ensemble.mean().mask)


def test_flags_say_what_is_wrong_where(ensemble):
    flags = ensemble.flags
    missing = np.isnan(ensemble.mean().data)
    assert np.array_equal(flags & MISSING > 0, missing)
    near = flags & NOT_CALIBRATED > 0
    assert near.any()
    assert not (near & missing).any()
    assert not (flags[~near] & NOT_TRAINED > 0).any()  # trained to mu = 0.15, calibrated to 0.2
    with pytest.warns(MagsrUserWarning, match="are like none that the intervals were calibrated on"):
        low, _ = ensemble.interval(0.9)
    assert np.array_equal(low.mask, missing | near)
    assert np.isfinite(low.data[near]).all()


def test_a_file_appears_whole_or_not_at_all(ensemble, tmp_path):
    path = ensemble.save(tmp_path / "ensemble.fits")
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="path must be a new file unless overwrite=True"):
        ensemble.save(path)
    assert path.read_bytes() == before
    ensemble.save(path, overwrite=True)
    with pytest.raises(ValueError, match=r"path must end in .fits or .asdf, got 'ensemble.png'"):
        ensemble.save(tmp_path / "ensemble.png")
    assert [file.name for file in tmp_path.iterdir()] == ["ensemble.fits"]


@pytest.mark.parametrize("name", ["other.fits", "other.asdf"])
def test_other_files_are_refused(ensemble, tmp_path, name):
    path = tmp_path / name
    if name.endswith("fits"):
        sunpy_magsr.maps.fits.write_fits(ensemble.sample(0), path)
    else:
        import asdf

        asdf.AsdfFile({"mean": 1}).write_to(path)
    with pytest.raises(ValueError, match=r"path must be a file that Ensemble.save wrote, got .*other"):
        Ensemble.load(path)


def test_members_in_a_store(sample, tmp_path):
    cutout = sample.submap([205, 95] * u.pix, top_right=[228, 118] * u.pix)
    options = {"n_samples": 3, "seed": 4, "plate_scale": None}
    kept = sunpy_magsr.superresolve_ensemble(cutout, **options)
    stored = sunpy_magsr.superresolve_ensemble(cutout, store=tmp_path / "members.npy", **options)
    assert isinstance(stored.members, np.memmap)
    assert np.array_equal(stored.members, kept.members)
    assert np.array_equal(stored.median().data, kept.median().data)
    assert np.array_equal(np.load(tmp_path / "members.npy"), kept.members)
    with pytest.raises(ValueError, match="read-only"):
        stored.members[0, 0, 0] = 0
    with pytest.raises(FileExistsError, match="store must be a new file"):
        sunpy_magsr.superresolve_ensemble(cutout, store=tmp_path / "members.npy", **options)


def test_a_store_that_fails_leaves_nothing(tmp_path):
    from sunpy_magsr.uncertainty.members import keep_members

    def fields():
        yield np.zeros((4, 4), np.float32)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keep_members(fields(), 2, store=tmp_path / "members.npy")
    assert not list(tmp_path.iterdir())


def test_pictures_and_words(ensemble, monkeypatch, tmp_path):
    figure = ensemble.plot(number=2)
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == [
        "Mean of 4 samples",
        "Standard deviation",
        "Sample 2",
    ]
    assert figure._repr_png_().startswith(b"\x89PNG"), "a notebook shows it though pyplot does not know it"
    words = ensemble._repr_html_()
    measured = ensemble.flags & MISSING == 0
    share = 100 * (measured & (ensemble.flags & NOT_CALIBRATED == 0)).sum() / measured.sum()
    assert f"<th>Intervals</th><td>calibrated for {share:.3g}% of the measured pixels</td>" in words
    assert "of the pixels, blue in the picture" in words
    assert "Outside of the training" in words
    assert "4 samples" in words
    opened = []
    monkeypatch.setattr("webbrowser.open_new_tab", opened.append)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ensemble.quicklook()
    assert opened[0].startswith("file://")
    bare = Ensemble.load(ensemble.save(tmp_path / "ensemble.fits"))
    assert "members not kept" in repr(bare)
    assert "seed 3, not kept" in bare._repr_html_()
    assert len([axes for axes in bare.plot().axes if axes.get_title()]) == 2


def test_the_warning_of_an_interval_is_one_and_names_the_line_of_the_user(ensemble):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ensemble.interval()
        ensemble.propagate(lambda smap: np.nanmean(smap.data), level=0.5)
    assert [warning.filename for warning in caught] == [__file__]


def test_smoothing_keeps_the_variance(ensemble):
    plain, smooth = ensemble.std(), ensemble.std(smoothing=4 * u.arcsec)
    known = np.isfinite(plain.data)
    assert np.array_equal(known, np.isfinite(smooth.data))
    assert np.sqrt(np.mean(smooth.data[known] ** 2)) == pytest.approx(
        np.sqrt(np.mean(plain.data[known] ** 2)), rel=0.05
    )
    with pytest.raises(ValueError, match="smoothing must be a positive Quantity in arcsec"):
        ensemble.std(smoothing=4)
