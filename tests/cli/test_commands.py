"""The command: what it writes, what it says, how it ends."""

import contextlib
import os
import pty
import shutil
import subprocess
import sys
import termios
from pathlib import Path

import astropy.units as u
import matplotlib.image
import numpy as np
import pytest
import sunpy.map
from astropy.io import fits

import sunpy_magsr
from sunpy_magsr.cli.arguments import parser
from sunpy_magsr.cli.main import main
from sunpy_magsr.cli.messages import parsers_of
from sunpy_magsr.maps.fits import read_fits, write_fits

from ..processes import start


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


def test_options_of_the_command_are_those_of_the_library(mdi_file, small, tmp_path, capsys):
    options = ["--samples", "2", "--seed", "5", "--psf-fwhm", "1.8,0.1", "--calibrate", "hmi", "--keep-bad-pixels"]
    assert main(["superresolve", mdi_file, "-o", str(tmp_path / "out"), *options, "--plate-scale", "0.7"]) == 0
    expected = sunpy_magsr.superresolve(
        small,
        n_samples=2,
        seed=5,
        psf_fwhm=[1.8, 0.1] * u.arcsec,
        calibrate="hmi",
        bad_pixels="keep",
        plate_scale=0.7 * u.arcsec / u.pix,
    )
    result = read_fits(capsys.readouterr().out.strip())
    assert np.array_equal(result.data, expected.data, equal_nan=True)
    assert all(result.meta[card] == expected.meta[card] for card in expected.meta if card.startswith("magsr"))


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
    """Files that cannot be super-resolved, and what is said of each."""
    folder = tmp_path / "bad"
    (folder / "folder").mkdir(parents=True)
    (folder / "text.fits").write_text("this is no FITS file")
    unitless = {key: value for key, value in small.meta.items() if key != "bunit"}
    write_fits(sunpy.map.Map(small.data, unitless), folder / "unitless.fits")
    write_fits(sunpy.map.Map(small.data[:8], small.meta), folder / "tiny.fits")
    fits.writeto(folder / "spectrum.fits", np.zeros(3))
    fits.writeto(folder / "cube.fits", np.zeros((3, 48, 48)))
    said = {
        "absent.fits": "FILE must be a FITS file, and there is no file",
        "cube.fits": "FILE must hold a two-dimensional image, got one of shape (3, 48, 48)",
        "folder": "FILE must be a FITS file, got the folder",
        "spectrum.fits": "FILE must hold a two-dimensional image, got one of shape (3,)",
        "text.fits": "FILE must be a FITS file, got ",
        "tiny.fits": "FILE must be at least 16 x 16 pixels",
        "unitless.fits": "FILE must have a unit of magnetic field, got none (no BUNIT card). If the data are in Gauss, add",
    }
    return {str(folder / name): words for name, words in said.items()}


def test_failed_files_are_named_and_the_others_done(run, mdi_file, bad_files, tmp_path):
    code, said = run("superresolve", *bad_files, mdi_file, "-o", str(tmp_path), "--model", "bicubic")
    assert code == 1
    lines = said.splitlines()
    for (name, words), line in zip(bad_files.items(), lines, strict=False):
        assert line.startswith(f"magsr: {name}: {words}")
        assert not any(word in line for word in ("allow_errors", "ignore_missing_simple", "None", "smap"))
    assert lines[len(bad_files) :] == [f"magsr: {len(bad_files)} of {len(bad_files) + 1} files failed."]
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
        (
            ["superresolve", "a.fits", "-o", "x", "--psf-fwhm", "1.8,0.1,2"],
            "--psf-fwhm must be None, an angle from 0 to 5",
        ),
        (["superresolve", ".fits", "-o", "x"], "FILE must have a name before its ending"),
        (["superresolve", "a.fits", "-o", "out", "--n-samples", "8"], "--n-samples 8 (do you mean --samples?)"),
        (["superresolve", "a.fits", "-o", "x", "--noise-lifetime", "-1"], "--noise-lifetime must be a non-negative"),
        (["superresolve", "a.fits", "-o", "x", "--precision", "0"], "--precision must be a positive Quantity in G"),
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


@pytest.mark.parametrize(("name", "result"), [(".hidden.fits", "hidden"), ("~tilde.fits", "~tilde")])
def test_names_of_all_kinds(mdi_file, tmp_path, monkeypatch, name, result):
    """None of the results is hidden or in another folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(mdi_file, tmp_path / name)
    assert main(["superresolve", name, "-o", ".", "--model", "bicubic"]) == 0
    assert (tmp_path / f"{result}.magsr.fits").is_file()


def test_what_is_assumed_of_a_file_is_told(small, tmp_path, capsys):
    """Of several images the first is used; sunpy takes today for a date that is missing."""
    meta = {key: value for key, value in small.meta.items() if key not in ("date-obs", "t_obs", "date_obs")}
    write_fits(sunpy.map.Map(small.data, meta), tmp_path / "two.fits")
    fits.append(tmp_path / "two.fits", 0 * small.data, fits.Header({"EXTNAME": "OTHER"}))
    assert main(["superresolve", str(tmp_path / "two.fits"), "-o", str(tmp_path), "--model", "bicubic"]) == 0
    said = capsys.readouterr().err
    assert "two.fits holds 2 images; the first is used." in said
    assert "two.fits: Missing metadata for observation time" in said
    assert sunpy.map.Map(tmp_path / "two.magsr.fits").data.std() > 20


def test_the_library_names_its_own_arguments(tmp_path):
    """Errors of functions do not speak of options of a command."""
    from sunpy_magsr._options import apply_override
    from sunpy_magsr.pairs.fetch import pairs_of
    from sunpy_magsr.validation.published import read_published_pairs
    from sunpy_magsr.validation.regions import read_pairs, read_regions

    calls = [
        (lambda: read_regions(tmp_path), "folder must"),
        (lambda: read_pairs(tmp_path, tmp_path), "low_folder must"),
        (lambda: read_published_pairs(tmp_path), "folder must"),
        (lambda: pairs_of(tmp_path), "folder must"),
        (lambda: apply_override({}, "nothing"), "overrides must"),
    ]
    for call, beginning in calls:
        with pytest.raises(ValueError, match=f"^{beginning}"):
            call()


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "| head -c 1 >/dev/null"])
def test_all_files_are_done_though_nobody_reads(mdi_file, tmp_path, closed):
    for name in ("one", "two", "three"):
        shutil.copy(mdi_file, tmp_path / f"{name}.fits")
    code = "import sys; from sunpy_magsr.cli.main import main; sys.exit(main())"
    run = f"{sys.executable} -c '{code}' superresolve *.fits -o out --model bicubic {closed}"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {run}"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name[:-11] for path in (tmp_path / "out").iterdir()) == ["one", "three", "two"]
