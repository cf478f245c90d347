"""From folders of FITS files to a store: what is kept, what is dropped and why, and what is an error."""

import json

import numpy as np
import pytest
import sunpy.map
from astropy.io import fits

from sunpy_magsr.cli.train import main
from sunpy_magsr.training.config import DataConfig, TrainingConfig
from sunpy_magsr.training.data import prepare as module
from sunpy_magsr.training.data.fields import noise_class_of
from sunpy_magsr.training.data.prepare import prepare_store
from sunpy_magsr.training.data.store import PatchStore

from .magnetograms import write_patch


@pytest.fixture
def field(rng):
    """A function that makes noise of 100 G, another one each time."""
    return lambda shape=(96, 96): rng.normal(0, 100, shape).astype(np.float32)


@pytest.fixture
def prepared(tmp_path):
    """A function that prepares the files in ``fits`` and gives the store."""

    def run(**data):
        config = TrainingConfig(output=str(tmp_path / "run"), data=DataConfig(root=str(tmp_path / "fits"), **data))
        return PatchStore(prepare_store(config, progress=False))

    return run


def report(store):
    return " ".join((store.folder / "report" / "report.rst").read_text().split())


def test_the_command_prints_the_folder(tmp_path, field, capsys):
    write_patch(tmp_path / "fits", field())
    (tmp_path / "train.toml").write_text('output = "run"\n[data]\nroot = "fits"\n')
    assert main(["prepare", str(tmp_path / "train.toml")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'run' / 'patches'}\n"
    names = {path.name for path in (tmp_path / "run" / "patches").rglob("*") if path.is_file()}
    tables = {"fields.ecsv", "patches.ecsv", "store.json", "pixels.npy"}
    assert names == tables | {"report.rst", "histogram.png", "contact_sheet.png"}
    assert str(tmp_path) not in (tmp_path / "run" / "patches" / "store.json").read_text()


def test_what_is_known_of_a_field(tmp_path, field, prepared):
    write_patch(tmp_path / "fits", field(), harp=377, component="Br")
    facts = dict(zip((row := prepared(components=["Br"]).fields[0]).colnames, row, strict=True))
    assert facts["name"] == "hmi.sharp_cea_720s.377.20110215_000000_TAI.Br.fits"
    assert (facts["harp"], facts["component"], facts["instrument"]) == (377, "br", "HMI")
    assert (facts["noise_class"], facts["quality"], facts["side"]) == ("hmi-radial", 0, "training")
    assert facts["date"].startswith("2011-02-14T23:59:26"), "TAI was 34 s ahead of UTC"
    assert (facts["plate_scale"], facts["plate_scale_unit"]) == (0.03, "deg / pix")


def test_a_damaged_file_is_named_and_the_rest_goes_on(tmp_path, field, prepared):
    write_patch(tmp_path / "fits", field())
    broken = write_patch(tmp_path / "fits", field(), harp=2)
    broken.write_bytes(broken.read_bytes()[:3000])
    write_patch(tmp_path / "fits", field(), harp=3, content="CONTINUUM INTENSITY")
    (tmp_path / "fits" / "note.fits").write_text("no FITS file")
    store = prepared()
    assert store.fields["harp"].tolist() == [1]
    for name in (broken.name, "note.fits"):
        assert f"- ``{name}``: " in report(store)
    assert "must be a magnetogram, got 'CONTINUUM INTENSITY'" in report(store)


def test_none_left_is_an_error_that_says_why(tmp_path, field, prepared):
    write_patch(tmp_path / "fits", field((40, 40)))
    with pytest.raises(ValueError, match=r"got none that can be used in .*must have 4096 measured pixels.*got 1600"):
        prepared()
    assert not list((tmp_path / "run").iterdir())


def test_quality_gates(tmp_path, field, prepared):
    gates = [
        ({}, None),
        ({"quality": 0x10400}, None),
        ({"quality": 0x10401}, "QUALITY must have no bits but those of 0x10600, got 0x10401"),
        ({"quality": "0x80000000"}, "QUALITY must have no bits but those of 0x10600, got 0x80000000"),
        ({"missvals": 300_000}, "MISSVALS must be at most 200000, got 300000"),
        ({"bunit": ""}, "the file must have a unit of magnetic field, got none"),
        ({"longitude": 75.0}, "measured pixels with mu of 0.342 or more, got 0"),
    ]
    paths = [write_patch(tmp_path / "fits", field(), harp=harp, **cards) for harp, (cards, _) in enumerate(gates)]
    store = prepared()
    assert store.fields["harp"].tolist() == [0, 1]
    for path, (_, why) in zip(paths, gates, strict=True):
        lines = [line for line in report(store).split(" - ") if path.name in line]
        assert [why in line for line in lines] == [True] if why else not lines


def test_with_nothing_dropped_the_report_says_so(tmp_path, field, prepared):
    write_patch(tmp_path / "fits", field())
    assert "Nothing." in report(prepared())


def test_pixels_near_the_limb_are_missing(tmp_path, field, prepared):
    """Of a patch across the limit of 70 degrees the inner part is left."""
    write_patch(tmp_path / "fits", field((96, 400)), longitude=70.0)
    store = prepared(max_missing=0.9)
    kept = np.isfinite(store.read(0, 0, 0, 96, 400))
    assert kept[:, :190].all()
    assert not kept[:, 210:].any()


@pytest.mark.parametrize("longitude", [0.0, 40.0])
def test_mu_of_a_patch(longitude, tmp_path, field, prepared):
    """On the equator, seen from its plane at a finite distance, it is the cosine of longitude plus parallax."""
    write_patch(tmp_path / "fits", field(), longitude=longitude)
    parallax = 6.96e8 / 1.496e11 * np.sin(np.deg2rad(longitude))
    assert prepared().patches["mu"][0] == pytest.approx(np.cos(np.deg2rad(longitude) + parallax), abs=5e-4)


def test_a_duplicate_on_one_side_is_dropped(tmp_path, field, prepared):
    data = field()
    write_patch(tmp_path / "fits", data, harp=1)
    write_patch(tmp_path / "fits", np.round(data / 0.1) * np.float32(0.1), harp=2, date="20150101_000000")
    store = prepared()
    assert len(store.fields) == 1
    assert "holds the same data as hmi.sharp_cea_720s.1.20110215" in report(store)


def test_a_planted_duplicate_across_sides_is_an_error(tmp_path, field, prepared):
    data = field()
    write_patch(tmp_path / "fits", data, harp=1)
    write_patch(tmp_path / "fits", np.round(data / 0.1) * np.float32(0.1), harp=99, date="20150101_000000")
    with pytest.raises(ValueError, match=r"leak: .*\.99\..*\(validation\) and .*\.1\..*they hold the same data"):
        prepared(validation_harps=[99])
    assert not list((tmp_path / "run").iterdir())


def test_dates_of_a_test_stay_out_of_the_store_and_apart_from_it(tmp_path, field, prepared):
    dates = ("20110125", "20110226", "20110310", "20110330", "20110401")
    for number, date in enumerate(dates):
        write_patch(tmp_path / "fits", field(), harp=number + 1, date=f"{date}_120000")
    split = {"validation_dates": ["2011-03-01", "2011-03-31"], "test_dates": ["2011-04-01", "2011-04-30"]}
    with pytest.raises(ValueError, match=r"less than data\.least_gap_days = 3"):
        prepared(**split)
    store = prepared(**split, drop_gap=True)
    found = {row["date"][:10]: row["side"] for row in store.fields}
    assert found == {"2011-01-25": "training", "2011-03-10": "validation"}
    assert report(store).count("within 3 days of dates that are set aside") == 2
    store = prepared(**split, drop_gap=True, least_gap_days=1.0)
    assert len(store.fields) == 4
    with pytest.raises(ValueError, match=r"data\.test_dates must be empty or the first and last day"):
        prepared(test_dates=["2011-04-01"])


def test_an_interrupted_run_leaves_the_old_store(tmp_path, field, prepared, monkeypatch):
    write_patch(tmp_path / "fits", field())
    old = prepared()

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    write_patch(tmp_path / "fits", field(), harp=2)
    with monkeypatch.context() as patch:
        patch.setattr(module, "write_report", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepared()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["patches"]
    assert len(PatchStore(old.folder).fields) == 1
    (tmp_path / "run" / ".patches.partial").mkdir()  # as a killed run leaves it
    assert len(prepared().fields) == 2
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["patches"]


def test_a_folder_of_something_else_is_not_replaced(tmp_path, field, prepared):
    write_patch(tmp_path / "fits", field())
    with pytest.raises(ValueError, match=r"data\.store must be a new folder or a store to replace, got .*fits"):
        prepared(store=str(tmp_path / "fits"))
    assert list((tmp_path / "fits").iterdir())


def test_a_low_resolution_field_is_stored_but_is_no_truth(tmp_path, field, prepared):
    write_patch(tmp_path / "fits", field())
    write_patch(tmp_path / "fits", field(), harp=2, cdelt1=0.12, cdelt2=0.12)
    store = prepared()
    assert store.fields["is_fine"].tolist() == [True, False]
    assert store.patches["weight"].tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({"interval": 30.0}, "mdi-30s"),
        ({"interval": None}, "mdi-300s"),
        ({"interval": None, "date-obs": "2001-03-29T00:01:43"}, "mdi-30s"),
    ],
)
def test_noise_class_of_mdi(cards, expected, with_meta):
    """T_OBS is 2001-03-29 00:02:30 TAI, 32 s ahead of UTC."""
    assert noise_class_of(with_meta(**cards), "los") == expected


def test_a_bare_nan_in_the_header_is_read(tmp_path, field, prepared):
    """JSOC's exports have cards such as GWILL = nan, which is no FITS value."""
    path = write_patch(tmp_path / "fits", field(), gwill=1.5)
    path.write_bytes(path.read_bytes().replace(b"GWILL   =                  1.5", b"GWILL   =                  nan"))
    with fits.open(path) as hdus, pytest.raises(fits.VerifyError):
        sunpy.map.Map(hdus[0].data, hdus[0].header)
    assert len(prepared().fields) == 1


def test_windows_cover_the_field(tmp_path, field, prepared):
    data = field((100, 150))
    data[:, :70] = np.nan
    write_patch(tmp_path / "fits", data)
    patches = prepared(patch=64).patches
    covered = np.zeros(data.shape, bool)
    for row in patches:
        covered[row["y"] : row["y"] + row["height"], row["x"] : row["x"] + row["width"]] = True
    assert covered[:, 70:].all()
    assert patches["finite"].min() >= 0.5
    assert set(patches["height"]) == {64}


def test_settings_are_kept(tmp_path, field, prepared):
    write_patch(tmp_path / "fits", field())
    facts = json.loads((prepared(patch=64).folder / "store.json").read_text())
    assert facts["version"] == 2
    assert facts["data"]["patch"] == 64
