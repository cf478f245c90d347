"""Files are whole or absent, whatever ends a command; ``python benchmarks/crashes.py`` does it a hundred times."""

import contextlib
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from sunpy_magsr._files import whole_file
from sunpy_magsr.cli.main import main

from ..processes import first_line, start


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, sample):
    folder = tmp_path_factory.mktemp("inputs")
    for number in range(4):
        header = {**sample.meta, "crpix1": sample.meta["crpix1"] - 20 * number, "crpix2": sample.meta["crpix2"] - 100}
        data = sample.data[100:148, 20 * number : 20 * number + 48]
        fits.writeto(
            folder / f"{number}.fits", data, fits.Header({k: v for k, v in header.items() if k != "keycomments"})
        )
    return sorted(folder.iterdir())


def begin(inputs, output, **options):
    """Start the command that makes all results."""
    return start("sunpy_magsr.cli.main", "superresolve", *inputs, "-o", output, "--model", "bicubic", **options)


@pytest.fixture
def said(tmp_path_factory):
    """A file for what a command prints."""
    return tmp_path_factory.mktemp("said") / "text"


@pytest.mark.slow
def test_a_full_disk_names_what_is_left(inputs, tmp_path, said):
    process = begin(inputs, tmp_path, err=said, limit=100_000)  # bytes a file, less than a result
    process.join(timeout=100)
    assert process.exitcode == 1
    assert said.read_text().splitlines()[:-1] == [f"magsr: {path}: [Errno 27] File too large" for path in inputs]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_killed_and_run_again(inputs, tmp_path, said):
    """What was done stays as it was, nothing is torn, and the rest is done."""
    process = begin(inputs, tmp_path, out=said)
    first = Path(first_line(said, process))
    process.kill()
    process.join()
    before = first.stat().st_mtime_ns
    for path in tmp_path.glob("*.magsr.fits"):
        assert fits.getdata(path).shape == (191, 191)
    assert main(["superresolve", *map(str, inputs), "-o", str(tmp_path), "--model", "bicubic"]) == 0
    assert len(list(tmp_path.glob("*.magsr.fits"))) == 4
    assert first.stat().st_mtime_ns == before


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped(inputs, tmp_path, said, number):
    process = begin(inputs, tmp_path, out=said, err=said)
    first_line(said, process)
    os.kill(process.pid, number)
    process.join(timeout=100)
    assert process.exitcode in {130, 0}  # 0: it was done already
    assert "Traceback" not in said.read_text()
    assert not list(tmp_path.glob(".*.partial"))


def test_a_name_that_another_process_took_meanwhile(tmp_path):
    path = tmp_path / "result"
    with contextlib.suppress(FileExistsError), whole_file(path, overwrite=False) as stream:
        stream.write(b"mine")
        path.write_bytes(b"theirs")
    assert path.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_another_process_that_was_faster(inputs, tmp_path, monkeypatch, capsys):
    """With the same result the file is done; with another it is named, and theirs stays."""
    command = ["superresolve", str(inputs[0]), "-o", str(tmp_path), "--model", "bicubic"]
    assert main(command) == 0
    theirs = (tmp_path / "0.magsr.fits").read_bytes()
    (tmp_path / "0.magsr.fits").unlink()
    import sunpy_magsr

    alone = sunpy_magsr.superresolve

    def beaten(*args, **kwargs):
        result = alone(*args, **kwargs)
        (tmp_path / "0.magsr.fits").write_bytes(theirs)
        return result

    monkeypatch.setattr(sunpy_magsr, "superresolve", beaten)
    capsys.readouterr()
    assert main(command) == 0
    assert "already done" in capsys.readouterr().out
    (tmp_path / "0.magsr.fits").unlink()
    assert main([*command, "--seed", "1"]) == 1
    assert "was made of another input or with other settings" in capsys.readouterr().err
    assert (tmp_path / "0.magsr.fits").read_bytes() == theirs


def test_a_result_does_not_take_the_place_of_its_input(inputs, tmp_path):
    """Though the name of the result is a link to it."""
    before = inputs[0].read_bytes()
    (tmp_path / "0.magsr.fits").symlink_to(inputs[0])
    assert main(["superresolve", str(inputs[0]), "-o", str(tmp_path), "--model", "bicubic", "--overwrite"]) == 0
    assert inputs[0].read_bytes() == before
    assert np.isfinite(fits.getdata(tmp_path / "0.magsr.fits")).any()


def test_a_folder_that_cannot_be_written(inputs, capsys):
    assert main(["superresolve", *map(str, inputs), "-o", "/proc/magsr", "--model", "bicubic"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 5
    assert all(f"magsr: {path}: " in line for path, line in zip(inputs, said, strict=False))


def test_a_fault_of_ours_does_not_stop_the_others(inputs, tmp_path, monkeypatch, capsys):
    import sunpy_magsr

    alone = sunpy_magsr.superresolve

    def faulty(smap, **options):
        if not (tmp_path / "0.magsr.fits").exists() and smap.meta["crpix1"] == fits.getheader(inputs[0])["CRPIX1"]:
            raise AttributeError
        return alone(smap, **options)

    monkeypatch.setattr(sunpy_magsr, "superresolve", faulty)
    assert main(["superresolve", *map(str, inputs), "-o", str(tmp_path), "--model", "bicubic"]) == 1
    assert "please report this" in capsys.readouterr().err
    assert len(list(tmp_path.glob("*.magsr.fits"))) == 3
