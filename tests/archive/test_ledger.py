"""The ledger: what is to be done after whatever has happened."""

import os

import pytest

from sunpy_magsr.archive.ledger import Ledger
from sunpy_magsr.archive.report import conspicuous, status_lines, write_report


@pytest.fixture
def frames(tmp_path):
    paths = {f"{name}.fits": tmp_path / f"{name}.fits" for name in "abc"}
    for path in paths.values():
        path.write_text("frame")
    return paths


@pytest.fixture
def ledger(tmp_path, frames):
    """A is done, b has failed, c was running when everything was killed."""
    with Ledger(tmp_path / "out" / "ledger.sqlite") as book:
        book.enter(frames, "settings", folder=tmp_path / "out")
        for name in frames:
            book.start(name)
        (tmp_path / "out" / "a.mean.magsr.fits").write_text("result")
        book.finish(
            {"name": "a.fits", "state": "done", "sha256": "1", "outputs": '[["a.mean.magsr.fits", 6]]'}, "settings"
        )
        book.finish({"name": "b.fits", "state": "failed", "reason": "b is bad."}, "settings")
    with Ledger(tmp_path / "out" / "ledger.sqlite") as book:
        yield book


def pending(ledger, frames, tmp_path, settings="settings", **options):
    ledger.enter(frames, settings, folder=tmp_path / "out", **options)
    return [name.removesuffix(".fits") for name, _ in ledger.pending()]


def test_only_what_was_in_flight_is_done_again(ledger, frames, tmp_path):
    assert pending(ledger, frames, tmp_path) == ["c"]
    assert ledger.start("c.fits") == 2
    assert ledger.counts() == {"pending": 0, "running": 1, "done": 1, "failed": 1}
    assert ledger.reasons() == [("b is bad.", 1, "b.fits")]
    assert ledger.outputs() == [{"mean": "a.mean.magsr.fits"}]


def test_what_failed_is_tried_again_when_asked(ledger, frames, tmp_path):
    assert pending(ledger, frames, tmp_path, retry=True) == ["b", "c"]


def test_other_settings_do_all_again(ledger, frames, tmp_path):
    assert pending(ledger, frames, tmp_path, settings="others") == ["a", "b", "c"]


def test_a_missing_or_torn_result_is_done_again(ledger, frames, tmp_path):
    (tmp_path / "out" / "a.mean.magsr.fits").write_text("torn")
    assert pending(ledger, frames, tmp_path) == ["a", "c"]


def test_a_changed_frame_is_done_again_and_a_touched_one_looked_at(ledger, frames, tmp_path):
    os.utime(frames["a.fits"], ns=(1, 1))
    assert pending(ledger, frames, tmp_path) == ["a", "c"]
    assert dict(ledger.pending())["a.fits"] == "1"  # the hash tells the worker whether there is anything to do
    ledger.finish({"name": "a.fits", "state": "same"}, "settings")
    assert pending(ledger, frames, tmp_path) == ["c"]
    frames["b.fits"].write_text("a better file")
    assert pending(ledger, frames, tmp_path) == ["b", "c"]


def test_frames_come_and_go(ledger, frames, tmp_path):
    frames["d.fits"] = tmp_path / "d.fits"
    del frames["b.fits"]
    assert pending(ledger, frames, tmp_path) == ["c", "d"]
    assert sum(ledger.counts().values()) == 3


def test_a_part_of_a_plan_does_not_forget_the_rest(ledger, frames, tmp_path):
    assert pending(ledger, {"c.fits": frames["c.fits"]}, tmp_path) == ["c"]
    assert ledger.counts() == {"pending": 1, "running": 0, "done": 0, "failed": 0}
    assert list(ledger.table()["name"]) == ["c.fits"]
    assert ledger.outputs() == []
    assert pending(ledger, frames, tmp_path) == ["c"]
    assert ledger.counts() == {"pending": 1, "running": 0, "done": 1, "failed": 1}


def test_it_can_be_read_while_it_is_written_and_leaves_one_file(ledger):
    """On a file system of a network too, where there is no memory for a write-ahead log to share."""
    with Ledger(ledger.path, read_only=True) as reader:
        assert reader.counts()["done"] == 1
        ledger.start("b.fits")
        assert reader.counts()["failed"] == 0
    assert not list(ledger.path.parent.glob("*-wal"))
    assert not list(ledger.path.parent.glob("*-shm"))


def test_one_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(FileNotFoundError, match="the plan must have been run"):
        Ledger(tmp_path / "ledger.sqlite", read_only=True)


@pytest.fixture
def long_ledger(tmp_path):
    """Sixty frames whose noise drifts, one of which is blurred, and one that failed."""
    paths = {f"{number:02d}.fits": tmp_path / f"{number:02d}.fits" for number in range(61)}
    with Ledger(tmp_path / "ledger.sqlite") as book:
        book.enter(paths, "settings", folder=tmp_path)
        for number, name in enumerate(paths):
            record = {"name": name, "state": "done", "date": f"2001-01-{1 + number // 24:02d}T{number % 24:02d}:00:00"}
            quality = {
                "noise": 20 + 0.02 * number,
                "blur": 1.0 if number != 30 else 3.0,
                "blur_error": 0.1,
                "spread": None,
            }
            # what is the same in nearly all frames makes none of the others odd by its least change
            quality |= {
                "bad_pixels": number % 7 == 0,
                "outside": 1e-4 * (number % 9 == 0),
                "net_flux_in": 1e15 * number,
            }
            failed = {"name": name, "state": "failed", "reason": "torn file."}
            book.finish({**record, **quality, "seconds": 10.0} if number != 40 else failed, "settings")
        yield book


def test_a_report_names_the_odd_frame(long_ledger, tmp_path):
    odd = conspicuous(long_ledger.table())
    assert [(row["name"], row["what"]) for row in odd] == [("30.fits", "blur")]
    products = write_report(long_ledger, tmp_path / "report")
    assert products["picture"].stat().st_size > 1000
    listed = products["what to look at"].read_text()
    assert "30.fits" in listed
    assert "torn file" in listed
    assert "20.fits" not in listed


def test_status_says_what_there_is_to_know(long_ledger):
    first, rate, failed = status_lines(long_ledger)
    assert first == "60 of 61 frames done, 0 running, 0 pending, 1 failed"
    assert "10.0 s of a worker each" in rate
    assert failed == "1 failed, such as 40.fits: torn file."
