"""Movies: every frame is in them, at the field's gray."""

import astropy.units as u
import matplotlib as mpl
import numpy as np
import pytest
import sunpy.map
from PIL import Image, ImageSequence

from sunpy_magsr.cli.main import main
from sunpy_magsr.maps.fits import write_fits
from sunpy_magsr.maps.movie import write_movie


@pytest.fixture
def frames(small):
    """Three frames of one field each."""
    fields = (-500, 0, 500)
    return [sunpy.map.Map(np.full((40, 60), field, np.float32), small.meta) for field in fields]


def test_a_gif_shows_every_frame(frames, tmp_path):
    path = write_movie(frames, tmp_path / "movie.gif", limit=500 * u.G, frame_rate=5)
    with Image.open(path) as movie:
        assert movie.info["duration"] == 200
        grays = [np.asarray(frame.convert("L")).astype(int) for frame in ImageSequence.Iterator(movie)]
    height, width = grays[0].shape
    assert [gray[height // 2, width // 2] for gray in grays] == pytest.approx([0, 127, 255], abs=2)


def test_the_command_writes_an_mp4(frames, tmp_path, capsys):
    files = [str(write_fits(smap, tmp_path / f"{number}.fits")) for number, smap in enumerate(frames)]
    path = tmp_path / "movie.mp4"
    assert main(["movie", *files, "-o", str(path), "--limit", "300"]) == 0
    assert str(path) in capsys.readouterr().out
    content = path.read_bytes()
    assert content[4:8] == b"ftyp"  # ISO/IEC 14496-12
    assert main(["movie", *files, "-o", str(path)]) == 2
    assert "-o must be a new file unless --overwrite is given" in capsys.readouterr().err
    assert path.read_bytes() == content


def test_what_ffmpeg_says_is_told(frames, tmp_path):
    ffmpeg = tmp_path / "ffmpeg"
    ffmpeg.write_text("#!/bin/sh\ncat > /dev/null\necho 'Unknown encoder h264' >&2\nexit 3\n")
    ffmpeg.chmod(0o755)
    told = pytest.raises(RuntimeError, match="ffmpeg failed: Unknown encoder h264")
    with mpl.rc_context({"animation.ffmpeg_path": str(ffmpeg)}), told:
        write_movie(frames, tmp_path / "movie.mp4")
    assert not list(tmp_path.glob("*.mp4"))


def test_bad_requests_are_named(frames, tmp_path):
    with pytest.raises(ValueError, match=r"path must end in \.mp4 or \.gif"):
        write_movie(frames, tmp_path / "movie.avi")
    with pytest.raises(ValueError, match="maps must have at least one frame"):
        write_movie([], tmp_path / "movie.gif")
    with pytest.raises(ValueError, match="limit must be a positive Quantity in G"):
        write_movie(frames, tmp_path / "movie.gif", limit=500)
    with pytest.raises(ValueError, match="frame_rate must be"):
        write_movie(frames, tmp_path / "movie.gif", frame_rate=0)
    with pytest.raises(ValueError, match="size must be"):
        write_movie(frames, tmp_path / "movie.gif", size=10)
    other = sunpy.map.Map(np.zeros((30, 60), np.float32), frames[0].meta)
    with pytest.raises(ValueError, match="maps must have the same shape"):
        write_movie([frames[0], other], tmp_path / "movie.gif")
    assert not list(tmp_path.iterdir())
