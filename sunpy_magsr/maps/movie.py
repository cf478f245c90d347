"""Movies of magnetograms."""

from __future__ import annotations

import itertools
import shutil
import subprocess  # nosec B404
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import astropy.units as u
import matplotlib as mpl
import numpy as np

from sunpy_magsr._files import check_new, whole_file
from sunpy_magsr._options import read_option
from sunpy_magsr.maps.header import observation_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sunpy.map import GenericMap


_ENDINGS = (".mp4", ".gif")
_DPI = 100
_LEAST = 320  # pixels: of a picture in which the title can be read
_LARGEST_ZOOM = 8
_TITLE = 36  # pixels
_MARK = "model output: structure finer than the instrument's pixels is plausible, not measured"


def write_movie(
    maps: Iterable[GenericMap],
    path: str | Path,
    *,
    limit: u.Quantity = 500 * u.G,
    frame_rate: float = 8,
    size: int = 1080,
    overwrite: bool = False,
) -> Path:
    """
    Write a movie of maps that have the same number of pixels.

    The title of each frame is its time. Below a frame that a model made stands that it is the output of a model.

    Parameters
    ----------
    maps : iterable of `sunpy.map.GenericMap`
        The frames in the order of the movie, such as a `sunpy.map.MapSequence`. All must have the same number of pixels
        along each axis. They are taken one after the other, so that a generator keeps only one in memory.
    path : `str` or `pathlib.Path`
        The name of the file, ``*.mp4`` (H.264) or ``*.gif``. A write that fails leaves no file behind.
    limit : `~astropy.units.Quantity`
        The magnetic field that is drawn white; its negative is drawn black. Defaults to 500 G.
    frame_rate : `float`
        The number of frames per second, at most 100. Defaults to 8.
    size : `int`
        The largest number of pixels of the picture along its longer side, from 320 to 8192. A smaller map is drawn with
        a whole number of pixels for each of its pixels, at most 8; a larger one is averaged down. Defaults to 1080.
    overwrite : `bool`
        Whether an older movie of this name is replaced. Defaults to `False`.

    Returns
    -------
    `pathlib.Path`
        The name of the movie.

    Raises
    ------
    FileExistsError
        If there is a file of this name and ``overwrite`` is false.
    ValueError
        If the name has another ending, if there is no map, if a map has another shape than the first one, or if
        ``limit``, ``frame_rate`` or ``size`` is not allowed.
    ImportError
        If the file is ``*.mp4`` and there is no ffmpeg. ``pip install sunpy-magsr[movie]`` installs one.

    Notes
    -----
    matplotlib makes the animation, with Pillow for GIF and with ffmpeg for MP4.
    """
    path = Path(path)
    _check(path, limit, frame_rate, size)
    check_new(path, overwrite=overwrite)
    with tempfile.TemporaryDirectory() as folder, _ffmpeg(path.suffix):
        made = Path(folder) / f"movie{path.suffix}"
        try:
            _draw(maps, made, limit.to_value(u.G), frame_rate, size)
        except subprocess.CalledProcessError as error:
            msg = f"ffmpeg failed: {error.stderr or error}"
            raise RuntimeError(msg) from error
        with whole_file(path, overwrite=overwrite) as stream, made.open("rb") as whole:
            shutil.copyfileobj(whole, stream)
    return path


def _check(path, limit, frame_rate, size):
    if path.suffix not in _ENDINGS:
        msg = f"path must end in {' or '.join(_ENDINGS)}, got {path.name!r}."
        raise ValueError(msg)
    read_option(limit, u.G, "limit", zero=False)
    if not 0 < frame_rate <= 100:
        msg = f"frame_rate must be above 0 and at most 100 frames a second, got {frame_rate}."
        raise ValueError(msg)
    if not _LEAST <= size <= 2**13:
        msg = f"size must be from {_LEAST} to {2**13} pixels, got {size}."
        raise ValueError(msg)


def _ffmpeg(ending):
    """Settings with which matplotlib finds ffmpeg: the one that is installed, or that of imageio-ffmpeg."""
    if ending != ".mp4":
        return mpl.rc_context()
    found = shutil.which(mpl.rcParams["animation.ffmpeg_path"])
    if found is None:
        try:
            import imageio_ffmpeg
        except ImportError as error:
            msg = f"a movie in .mp4 needs ffmpeg, such as `pip install sunpy-magsr[movie]` brings ({error})."
            raise ImportError(msg) from error
        found = imageio_ffmpeg.get_ffmpeg_exe()
    return mpl.rc_context({"animation.ffmpeg_path": found})


def _draw(frames, path, limit, frame_rate, size):
    from matplotlib.animation import FFMpegWriter, PillowWriter

    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        msg = "maps must have at least one frame, got none."
        raise ValueError(msg)
    if path.suffix == ".mp4":
        writer = FFMpegWriter(fps=frame_rate, extra_args=["-crf", "18", "-preset", "slow"])
    else:
        writer = PillowWriter(fps=frame_rate)
    picture = _Picture(first.data.shape, limit, size)
    with writer.saving(picture.figure, path, _DPI):
        for smap in itertools.chain([first], frames):
            picture.show(smap)
            writer.grab_frame()


class _Picture:
    """The picture of a frame: its time above, its pixels, and below a note if a model made it."""

    def __init__(self, shape, limit, size):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.shape = shape
        longest = max(shape)
        zoom = size / longest if longest > size else min(_LARGEST_ZOOM, size // longest)
        rows, columns = (round(zoom * side) for side in shape)
        width, height = max(_LEAST, columns + columns % 2), rows + rows % 2 + 2 * _TITLE  # H.264 wants even numbers
        self.figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
        FigureCanvasAgg(self.figure)
        left = (width - columns) // 2
        axes = self.figure.add_axes((left / width, _TITLE / height, columns / width, rows / height))
        axes.set_axis_off()
        style = {"vmin": -limit, "vmax": limit, "origin": "lower", "aspect": "auto"}
        colors = mpl.colormaps["gray"].with_extremes(bad="0.35")
        self.image = axes.imshow(np.zeros(shape), cmap=colors, interpolation="antialiased", **style)
        place = {"ha": "center", "va": "center"}
        self.title = self.figure.text(0.5, 1 - _TITLE / height / 2, "", fontsize=min(10, width / 45), **place)
        self.mark = self.figure.text(0.5, _TITLE / height / 2, "", fontsize=min(8, width / 85), **place)

    def show(self, smap):
        """Show a frame."""
        if smap.data.shape != self.shape:
            msg = f"maps must have the same shape, got {self.shape} first and {smap.data.shape} at {smap.date.isot}."
            raise ValueError(msg)
        self.image.set_data(np.ma.masked_invalid(smap.data))
        scale = smap.scale[0]
        self.title.set_text(f"{observation_time(smap).strftime('%Y-%m-%d %H:%M')} UTC, {scale.value:.3g} {scale.unit}")
        self.mark.set_text(_MARK if smap.meta.get("magsrmod") else "")
