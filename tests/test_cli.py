"""The command: what it writes, what it says, how it ends."""

import contextlib
import os
import pty
import termios
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import sunpy.map
from astropy.io import fits

from sunpy_magsr.cli.arguments import parser
from sunpy_magsr.cli.main import main
from sunpy_magsr.cli.messages import parsers_of
from sunpy_magsr.maps.fits import read_fits, write_fits

from .processes import start


@pytest.fixture
def mdi_file(small, tmp_path):
    return str(write_fits(small, tmp_path / "in" / "mdi.fits"))


@pytest.fixture
def run(tmp_path):
    """Run the command in a process of its own; its exit code, and what it wrote to standard error."""

    def run(*arguments):
        process = start("sunpy_magsr.cli.main", *arguments, err=tmp_path / "stderr")
        process.join()
        return process.exitcode, (tmp_path / "stderr").read_text().strip()

    return run


def test_superresolve(mdi_file, tmp_path, capsys):
    assert main(["superresolve", mdi_file, "-o", str(tmp_path / "out"), "--model", "bicubic"]) == 0
    out = capsys.readouterr().out.strip()
    assert out == str(tmp_path / "out" / "mdi.magsr.fits")
    assert sunpy.map.Map(out).scale[0].value == pytest.approx(0.5)


def test_done_files_are_passed_over(mdi_file, tmp_path, capsys):
    command = ["superresolve", mdi_file, "-o", str(tmp_path), "--samples", "2", "--plate-scale", "native"]
    assert main(command) == 0
    before = (tmp_path / "mdi.magsr.fits").stat().st_mtime_ns
    capsys.readouterr()
    assert main(command) == 0
    assert "already done" in capsys.readouterr().out
    assert (tmp_path / "mdi.magsr.fits").stat().st_mtime_ns == before
    assert read_fits(tmp_path / "mdi.magsr.fits").uncertainty is not None
    assert main([*command, "--seed", "1"]) == 1
    assert "was made of another input or with other settings; use --overwrite" in capsys.readouterr().err
    assert main([*command[:-2], "--plate-scale", "0.6"]) == 1
    assert main([*command, "--steps", "3"]) == 1
    assert main(["superresolve", mdi_file, "-o", str(tmp_path), "--model", "bicubic"]) == 1
    assert main([*command, "--seed", "1", "--overwrite"]) == 0
    assert read_fits(tmp_path / "mdi.magsr.fits").meta["magsrsed"] == 1


def test_compressed_frames_of_a_movie(mdi_file, tmp_path, capsys):
    arguments = ["--noise-lifetime", "1", "--precision", "0.5", "--plate-scale", "native"]
    assert main(["superresolve", mdi_file, "-o", str(tmp_path), *arguments]) == 0
    result = read_fits(tmp_path / "mdi.magsr.fits")
    assert result.meta["magsrnlt"] == 3600
    with fits.open(tmp_path / "mdi.magsr.fits") as hdus:
        assert isinstance(hdus[1], fits.CompImageHDU)
    assert result.meta["magsrrnd"] == 0.5
    assert main(["superresolve", mdi_file, "-o", str(tmp_path), *arguments]) == 0
    assert "already done" in capsys.readouterr().out
    arguments[arguments.index("0.5")] = "0.1"
    assert main(["superresolve", mdi_file, "-o", str(tmp_path), *arguments]) == 1
    assert "was made of another input or with other settings" in capsys.readouterr().err


@pytest.fixture
def bad_files(small, tmp_path):
    folder = tmp_path / "bad"
    (folder).mkdir()
    (folder / "text.fits").write_text("this is no FITS file")
    unitless = sunpy.map.Map(small.data, {key: value for key, value in small.meta.items() if key != "bunit"})
    write_fits(unitless, folder / "unitless.fits")
    write_fits(sunpy.map.Map(small.data[:8], small.meta), folder / "tiny.fits")
    fits.PrimaryHDU(np.zeros(3)).writeto(folder / "spectrum.fits")
    return [str(path) for path in sorted(folder.iterdir())] + [str(folder / "absent.fits")]


def test_failed_files_are_named_and_the_others_done(run, mdi_file, bad_files, tmp_path):
    code, said = run("superresolve", *bad_files, mdi_file, "-o", str(tmp_path), "--model", "bicubic")
    assert code == 1
    assert "Traceback" not in said
    lines = said.splitlines()
    assert len(lines) == len(bad_files) + 1
    for name, line in zip(bad_files, lines, strict=False):
        assert line.startswith(f"magsr: {name}: ")
    assert lines[-1] == f"magsr: {len(bad_files)} of {len(bad_files) + 1} files failed."
    assert (tmp_path / "mdi.magsr.fits").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["superresolve"], "the following arguments are required: FILE"),
        (["superresolve", "a.fits", "-o", "x", "--samples", "two"], "invalid int value: 'two'"),
        (
            ["superresolve", "a.fits", "-o", "x", "--plate-scale", "fine"],
            "--plate-scale must be a number with a unit like arcsec / pix",
        ),
        (["superresolve", "a.fits", "-o", "x", "--plate-scale", "nan"], "--plate-scale must be a positive Quantity"),
        (["superresolve", "a.fits", "-o", "x", "--noise-lifetime", "-1"], "--noise-lifetime must be a non-negative"),
        (["superresolve", "a.fits", "-o", "x", "--precision", "0"], "--precision must be a positive number of Gauss"),
        (["superresolve", "a.fits", "-o", "x", "--samples", "0"], "--samples must be a whole number of at least 1"),
        (["superresolve", "a.fits", "-o", "x", "--model", "nothing"], "model must be one of default"),
        (["superresolve", "b/a.fits", "c/a.fits", "-o", "x"], "FILE must have different names, got two for x/a.magsr"),
        (
            ["models", "enhanse"],
            "model must be one of default, ldm-res, default+mdi, ddpm, enhance, ldm, progressive, bicubic, a folder, or a Hub id 'org/name', got 'enhanse'",
        ),
        (["demo", "--seed", "-1"], "seed must be a whole number of at least 0"),
        (["demo", "--model", "nothing"], "model must be one of default"),
        (["demo", "--model", "./nothing"], "model must be one of default"),
        (["demo", "-o", __file__], "-o must be a folder, got the file"),
        (
            ["movie", "absent.fits", "-o", "x.gif"],
            "FILE must be a FITS file, and there is no file absent.fits.",
        ),
        (["archive", "run", "absent.toml"], "absent.toml must be a TOML file, and there is no file of this name."),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    error = capsys.readouterr().err
    assert code == 2
    assert message in error
    assert "Traceback" not in error


def test_examples_in_the_help_are_commands():
    for command in parsers_of(parser()):
        if command.epilog is None:  # an action of `magsr archive`, whose help has them
            continue
        lines = [line for line in command.epilog.splitlines()[1:] if not line.startswith("   ")]
        examples = [line.split("magsr ")[1].split() for line in lines]
        assert len(examples) >= 2
        for example in examples:
            if "--help" not in example:
                parser().parse_args(example)


def test_warning_is_one_line(run, with_meta, tmp_path):
    path = write_fits(with_meta(cdelt1=4.0, cdelt2=4.0), tmp_path / "coarse.fits")
    code, said = run("superresolve", path, "-o", tmp_path / "out")
    assert code == 0
    assert said.splitlines() == [said]
    assert said.startswith(f"magsr: warning: {path}: The model 'default+mdi' was trained on")


def test_models(capsys):
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert "default" in out
    assert "bicubic" in out
    assert main(["models", "default"]) == 0
    assert '"limits"' in capsys.readouterr().out


def test_progress_bar_on_a_terminal_only(mdi_file, tmp_path, capfd):
    assert main(["superresolve", mdi_file, "-o", str(tmp_path / "a")]) == 0
    assert capfd.readouterr().err == ""  # which is no terminal
    terminal, child = pty.openpty()
    termios.tcsetwinsize(child, (24, 80))
    process = start("sunpy_magsr.cli.main", "superresolve", mdi_file, "-o", tmp_path / "b", err=os.ttyname(child))
    process.join()
    os.close(child)
    assert process.exitcode == 0
    shown = b""
    with contextlib.suppress(OSError):  # a terminal without a writer ends in an error
        while chunk := os.read(terminal, 10_000):
            shown += chunk
    os.close(terminal)
    assert b"tile" in shown


def test_demo(tmp_path, monkeypatch, capsys):
    """The files that the help promises, of a real magnetogram."""
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--samples", "2"]) == 0
    written = [Path(line.split(": ")[1]) for line in capsys.readouterr().out.strip().splitlines()]
    assert sorted(path.suffix for path in written) == [".fits", ".fits", ".fits", ".png"]
    assert all(path.is_file() for path in written)
    mean = read_fits(tmp_path / "magsr_demo" / "mdi_20110401.mean.fits")
    assert mean.uncertainty is not None
    assert mean.meta["t_obs"] == "2011.04.01_00:03:30_TAI"
    picture = matplotlib.image.imread(tmp_path / "magsr_demo" / "mdi_20110401.png")
    assert picture.shape[0] > 500
    assert picture[..., :3].std() > 0.1
