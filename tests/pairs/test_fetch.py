"""Fetching pairs from an archive that fails in every way that archives do."""

import time

import astropy.units as u
import filelock
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time, TimeDelta

from sunpy_magsr._files import file_digest
from sunpy_magsr.cli.train import main
from sunpy_magsr.maps.fits import write_compressed
from sunpy_magsr.pairs.fetch import MANIFEST, fetch_pairs, pairs_of
from sunpy_magsr.pairs.jsoc import EMAIL_VARIABLE

from ..processes import start
from .jsoc_server import JsocServer, record_of, running

MDI, HMI = "mdi.fd_M_96m_lev182", "hmi.M_720s"
START = Time("2011-03-30T00:00:00", scale="tai")
STAMP = "%Y.%m.%d_%H:%M:%S_TAI"
COMMON = {"ctype1": "HPLN-TAN", "ctype2": "HPLT-TAN", "cunit1": "arcsec", "cunit2": "arcsec", "bunit": "Gauss"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Three frames of MDI, and HMI every 12 minutes around them; T_OBS of the second is four minutes later than T_REC."""
    folder = tmp_path_factory.mktemp("archive")
    rng = np.random.default_rng(0)
    series = {MDI: [], HMI: []}

    def add(name, minutes, seconds, **cards):
        nominal = START + TimeDelta(60 * minutes, format="sec")
        times = {
            "t_rec": nominal.strftime(STAMP),
            "t_obs": (nominal + TimeDelta(seconds, format="sec")).strftime(STAMP),
        }
        instrument = {"telescop": "SOHO", "camera": "MDI"} if name == MDI else {"instrume": "HMI_SIDE1"}
        header = {**COMMON, **instrument, **times, "cdelt1": 2.0, "cdelt2": 2.0, "quality": 0, "missvals": 0, **cards}
        path = folder / f"{name}.{nominal.strftime('%Y%m%d_%H%M%S')}_TAI.fits"
        write_compressed(rng.normal(0, 20, (32, 32)), {**header, "date-obs": nominal.utc.isot}, path)
        series[name].append(record_of(path))

    for minutes, seconds in ((0, 30), (96, 240), (192, 0)):
        add(MDI, minutes, seconds, quality=512)
    for minutes in (0, 96, 108, 180, 192, 204):
        add(HMI, minutes, 0)
    return series


@pytest.fixture
def jsoc(files):
    return JsocServer({name: list(rows) for name, rows in files.items()})


@pytest.fixture
def fetch(jsoc, tmp_path):
    """Fetch from the server into the folder of the test."""
    with running(jsoc) as url:

        def run(**options):
            options = {"start": START, "end": START + TimeDelta(1, format="jd"), **options}
            options = {"email": "me@example.org", "wait": 0.01, "progress": False, **options}
            return fetch_pairs(tmp_path / "pairs", server=url, **options)

        yield run


def whole(jsoc, folder):
    """Every file is there, the manifest knows its hash, and it left the server once."""
    table = Table.read(folder / MANIFEST, format="ascii.ecsv")
    assert set(table["state"]) == {"done"}
    for row in table:
        assert file_digest(folder / row["path"]) == row["sha256"]
    assert set(jsoc.served.values()) == {1}
    assert len(jsoc.served) == len(table)
    return table


def test_frames_are_matched_by_the_middles_of_their_exposures(jsoc, fetch, tmp_path):
    found = fetch()
    assert (found.pairs, found.files, found.failed) == (3, 6, {})
    table = whole(jsoc, tmp_path / "pairs")
    hmi = {row["pair"]: row["t_rec"] for row in table if row["series"] == HMI}
    assert hmi["20110330_000000"] == "2011.03.30_00:00:00_TAI"
    assert hmi["20110330_013600"] == "2011.03.30_01:36:00_TAI"  # 4 minutes before; the next is 8 after
    pairs = pairs_of(tmp_path / "pairs")
    assert [name for name, *_ in pairs] == ["20110330_000000", "20110330_013600", "20110330_031200"]
    for _, mdi, high in pairs:
        times = [fits.getheader(path, 1)["T_OBS"] for path in (mdi, high)]
        assert mdi.parent.name == "03"
        assert times[0][:13] == times[1][:13]


def test_tolerance_and_cadence(fetch, tmp_path):
    found = fetch(tolerance=3 * u.min, dry_run=True)
    assert found.pairs == 2
    assert found.rejected == {"no hmi.M_720s within 3 min": 1}
    assert found.expected == pytest.approx(2 * 15.5)
    assert not (tmp_path / "pairs").exists()
    assert fetch(cadence=3 * u.h, dry_run=True).pairs == 2
    assert fetch(end=START + TimeDelta(192 * 60, format="sec"), dry_run=True).pairs == 2, "the end is not in it"
    assert fetch(cadence=1 * u.day, dry_run=True).rejected == {"not needed at this cadence": 2}


def test_bad_frames_are_not_asked_for(jsoc, fetch):
    for row, change in enumerate(
        ({"QUALITY": "0x80000000"}, {"MISSVALS": "300000"}, {"T_OBS": "-4712.01.01_11:59:28_TAI"})
    ):
        jsoc.series[MDI][row] = {**jsoc.series[MDI][row], **change}
    with pytest.raises(ValueError, match=r"got none.*QUALITY.*MISSVALS.*T_OBS"):
        fetch()
    jsoc.series[MDI][0] = {**jsoc.series[MDI][0], "QUALITY": "0x00000200", "MISSVALS": "Invalid KeyLink"}
    assert fetch(dry_run=True).pairs == 1


@pytest.mark.parametrize(
    "fault", ["dropped", "unavailable", "garbled", "broken_off", "short", "files dropped", "files unavailable"]
)
def test_what_fails_for_a_while_is_asked_again(jsoc, fetch, tmp_path, fault):
    jsoc.only_files = fault.startswith("files")
    setattr(jsoc, fault.split()[-1], 3)
    assert fetch().failed == {}
    whole(jsoc, tmp_path / "pairs")


@pytest.mark.parametrize("fault", ["no_file", "gone", "refused"])
def test_a_record_that_is_not_there_is_named_and_the_others_done(jsoc, fetch, tmp_path, fault):
    setattr(jsoc, fault, {"2011.03.30_01:36:00_TAI"})
    found = fetch()
    assert len(found.failed) == 2  # of MDI and of HMI
    assert all("20110330_013600" in path and why for path, why in found.failed.items())
    assert len(pairs_of(tmp_path / "pairs")) == 2
    getattr(jsoc, fault).clear()
    assert fetch().files == 2
    whole(jsoc, tmp_path / "pairs")


def test_a_server_that_stays_away_is_said_in_a_sentence(jsoc, fetch, tmp_path):
    jsoc.dropped = 1000
    with pytest.raises(OSError, match="does not answer after 6 attempts"):
        fetch()
    jsoc.dropped, jsoc.only_files, jsoc.unavailable = 0, True, 1000
    assert len(fetch(attempts=2).failed) == 6
    jsoc.unavailable = 0
    assert fetch().failed == {}
    whole(jsoc, tmp_path / "pairs")


def test_nothing_is_fetched_twice_and_what_is_damaged_is_fetched_again(jsoc, fetch, tmp_path):
    fetch(cadence=1 * u.day)
    assert fetch().files == 4
    assert fetch().files == 0
    whole(jsoc, tmp_path / "pairs")
    first, second = (tmp_path / "pairs" / path for path in Table.read(tmp_path / "pairs" / MANIFEST)["path"][:2])
    first.write_bytes(first.read_bytes()[:-2880])
    content = bytearray(second.read_bytes())
    content[-3000] ^= 1
    second.write_bytes(content)
    assert fetch().files == 1
    assert fetch(verify=True).files == 1


def test_another_frame_under_the_name_is_refused(jsoc, fetch):
    jsoc.series[MDI][1] = {**jsoc.series[MDI][1], "path": jsoc.series[MDI][0]["path"]}
    found = fetch(attempts=2)
    assert [why for why in found.failed.values() if "T_OBS must be 2011-03-30T01:40:00" in why]


def test_two_at_once_are_refused(fetch, tmp_path):
    (tmp_path / "pairs").mkdir()
    with filelock.FileLock(tmp_path / "pairs" / ".fetch.lock"), pytest.raises(ValueError, match="no other process"):
        fetch()


def test_an_address_is_needed_before_anything_is_asked(jsoc, fetch, monkeypatch):
    monkeypatch.delenv(EMAIL_VARIABLE, raising=False)
    with pytest.raises(ValueError, match=f"--email or the environment variable {EMAIL_VARIABLE}"):
        fetch(email=None)
    assert not jsoc.log
    monkeypatch.setenv(EMAIL_VARIABLE, "you@example.org")
    with pytest.raises(ValueError, match=r"registered at JSOC .*got 'you@"):
        fetch(email=None)


def test_wrong_arguments(fetch):
    for options, match in (
        ({"start": "yesterday"}, "start must be a time"),
        ({"end": START}, "end must be after start"),
        ({"cadence": 3 * u.m}, "cadence must be a time above 0"),
        ({"tolerance": -1 * u.s}, "tolerance must be a time above 0"),
        ({"workers": 0}, "workers must be 1 or more"),
    ):
        with pytest.raises(ValueError, match=match):
            fetch(**options)


def command(url, folder):
    times = ["--start", "2011-03-30", "--end", "2011-03-31", "--cadence", "96min"]
    return ["fetch", *times, "--email", "me@example.org", "--server", url, "--wait", "0.01", "-o", str(folder)]


def test_the_command_says_what_came(jsoc, tmp_path, capsys):
    jsoc.pending = 0
    with running(jsoc) as url:
        assert main([*command(url, tmp_path / "pairs"), "--dry-run"]) == 0
        assert "3 pairs" in capsys.readouterr().out
        jsoc.no_file = {"2011.03.30_03:12:00_TAI"}
        assert main(command(url, tmp_path / "pairs")) == 1
        said = capsys.readouterr()
        assert "2 pairs" in said.out
        assert said.err.count("the archive has no file of it") == 2
        assert main([*command(url, tmp_path / "pairs"), "--cadence", "soon"]) == 2
        assert "cadence must be a time" in capsys.readouterr().err


@pytest.mark.slow
def test_a_kill_at_any_point_loses_nothing(jsoc, tmp_path):
    jsoc.pending, jsoc.delay = 0, 0.4
    folder = tmp_path / "pairs"
    with running(jsoc) as url:
        arguments = [*command(url, folder), "--workers", "1"]
        for files in (0, 2):
            process = start("sunpy_magsr.cli.train", *arguments)
            deadline = time.monotonic() + 60
            while sum(jsoc.begun.values()) <= files and time.monotonic() < deadline:
                time.sleep(0.02)
            time.sleep(0.15)
            process.kill()
            process.join()
        jsoc.delay = 0
        assert main(arguments) == 0
    whole(jsoc, folder)
    assert not list((folder / ".partial").iterdir())
