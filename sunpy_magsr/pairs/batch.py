"""Folders of pairs, aligned, with a picture of each."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import io
import logging
import multiprocessing
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy.table import Table
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from tqdm.auto import tqdm

from sunpy_magsr._files import file_digest, whole_file
from sunpy_magsr.exceptions import reason
from sunpy_magsr.instrument import MDI_GAIN
from sunpy_magsr.maps.fits import read_fits, write_compressed
from sunpy_magsr.pairs.align import align_pair
from sunpy_magsr.pairs.geometry import LEAST_CORRELATION
from sunpy_magsr.pairs.quality import Limits, PairQuality, RefusedPairError
from sunpy_magsr.pairs.tables import read_rows, write_rows

if TYPE_CHECKING:
    from collections.abc import Sequence


_GAUSS = 150.0
_STRONGEST = 1500.0  # Gauss, of the comparison of readings


def draw_pair(pair, path, *, title, refused=""):
    """Draw MDI's readings, what HMI lets expect of them, their difference, the local shifts, and the gain."""
    figure = Figure(figsize=(15, 9.4), layout="constrained")
    axes = figure.subplots(2, 3)
    quality = pair.quality
    figure.suptitle(
        f"{title}: likeness {quality.likeness:.3f}, MDI displaced by ({quality.shift_x:+.2f}, {quality.shift_y:+.2f}) arcsec, "
        f"gain {quality.gain:.3f} ± {quality.gain_error:.3f}, blur {quality.psf_fwhm:.1f} arcsec"
        + (f"\nrefused: {refused}" if refused else ""),
        color="firebrick" if refused else "black",
        wrap=True,
    )
    known = np.where(pair.valid, 1.0, np.nan)
    panels = (
        ("MDI (G)", pair.reading, _GAUSS),
        ("what MDI should read of HMI (G)", pair.expected, _GAUSS),
        ("difference (G)", pair.reading - pair.expected, _GAUSS / 2),
    )
    for axis, (label, field, limit) in zip(axes.flat, panels, strict=False):
        image = axis.imshow(
            field * known, origin="lower", cmap="gray", vmin=-limit, vmax=limit, interpolation="nearest"
        )
        axis.set(title=label, xlabel="pixel of MDI")
        figure.colorbar(image, ax=axis, shrink=0.8)
    _shifts(axes[1, 0], pair)
    _readings(axes[1, 1], pair)
    _gains(axes[1, 2], pair)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=90)
    with whole_file(path) as stream:
        stream.write(content.getbuffer())
    return path


def _shifts(axis, pair):
    """Draw the shifts of neighborhoods relative to the shift of disk center."""
    shifts, disk = pair.shifts, pair.displacement.disk
    used = shifts["correlation"] > LEAST_CORRELATION
    middle = pair.displacement.at(disk.y, disk.x)
    arrows = [shifts["x"][used], shifts["y"][used], shifts["dx"][used] - middle[1], shifts["dy"][used] - middle[0]]
    quiver = axis.quiver(*arrows, shifts["correlation"][used], cmap="viridis", clim=(0, 1), units="dots", width=1.5)
    axis.quiverkey(quiver, 0.1, 0.95, 0.5, "0.5 pixel", labelpos="S")
    axis.set(
        title="shifts of neighborhoods, less that of disk center",
        xlabel=f"pixel of MDI; alignment to {pair.quality.alignment_error:.3f}, scatter {pair.quality.scatter:.3f} pixels",
        aspect="equal",
    )


def _readings(axis, pair):
    limits = (-_STRONGEST, _STRONGEST)
    expected, reading = pair.expected[pair.valid], pair.reading[pair.valid]
    axis.hist2d(expected, reading, bins=150, range=[limits, limits], norm="log", cmap="gray_r")
    axis.plot(limits, limits, color="tab:orange", linewidth=1)
    axis.set(title="readings", xlabel="expected (G)", ylabel="MDI (G)")


def _gains(axis, pair):
    table = pair.gains[pair.gains["by"] == "strength"]
    axis.axhline(1 / MDI_GAIN, color="tab:gray", linestyle=":", label=f"{1 / MDI_GAIN:.3f} (Liu et al. 2025)")
    if len(table):
        strength = np.sqrt(table["from"] * table["to"])
        axis.errorbar(strength, table["hmi_per_mdi"], table["error"], fmt="o", label="this pair")
        axis.plot(strength, table["known"], color="tab:orange", label="sunpy_magsr.instrument.hmi_per_mdi")
    axis.set(
        xscale="log", ylim=(0.4, 1.1), title="HMI / MDI", xlabel="field strength at MDI's resolution, HMI's scale (G)"
    )
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.legend(loc="lower right")


#: Version of the method. Pairs that were aligned by another version are aligned again.
_METHOD = 2
_NUMBERS = tuple(field.name for field in dataclasses.fields(PairQuality))


@dataclasses.dataclass(frozen=True)
class Alignment:
    """
    Result of `align_folder`.

    Parameters
    ----------
    table : `~astropy.table.Table`
        One row for each pair: its name (``pair``), the names of its files (``mdi`` and ``hmi``), the file of the aligned HMI
        magnetogram (``aligned``, empty if the pair was refused), the reason if it was refused (``refused``, else empty),
        the numbers of `~sunpy_magsr.pairs.PairQuality` to five digits, and a hash of all that they depend on (``inputs``).
    path : `pathlib.Path`
        ECSV file of all pairs that were ever aligned into the folder.
    """

    table: Table
    path: Path

    @property
    def refused(self) -> dict[str, str]:
        """The pairs that were refused: the reason by the name of the pair."""
        return {row["pair"]: row["refused"] for row in self.table if row["refused"]}

    def summary(self) -> str:
        """Summarize the result for a terminal."""
        kept = self.table[self.table["refused"] == ""]
        lines = [f"{len(kept)} of {len(self.table)} pairs aligned: {self.path}"]
        if len(kept):
            likeness, gain = (np.percentile(kept[name], [5, 50, 95]) for name in ("likeness", "gain"))
            lines.append("likeness {:.3f} / {:.3f} / {:.3f} (5, 50, 95 %)".format(*likeness))
            reads = "MDI reads {:.3f} / {:.3f} / {:.3f} G for 1 G of HMI".format(*gain)
            lines.append(f"{reads} ({MDI_GAIN:.3f} is published)")
        return "\n".join(lines)


def align_folder(
    pairs: Sequence[tuple[str, str | Path, str | Path]],
    folder: str | Path,
    *,
    limits: Limits | None = None,
    workers: int = 1,
    pictures: bool = True,
    progress: bool = True,
) -> Alignment:
    """
    Align pairs and write the HMI magnetograms of those that are good enough.

    Afterwards ``folder`` holds the aligned HMI magnetograms (``hmi/YYYY/MM/*.fits``), pictures of the pairs
    (``pictures/*.png``), and the table ``alignment.ecsv`` of what was measured on each. If a pair was aligned before, from
    the same two files, by the same method and with the same limits, it is not computed again. So the same call continues
    a run that was interrupted.

    Parameters
    ----------
    pairs : sequence of `tuple`
        Name, path of the MDI file and path of the HMI file of each pair, as
        ``pairs_of`` returns them.
    folder : `str` or `pathlib.Path`
        Folder for the results.
    limits : ``Limits``, optional
        Limits beyond which a pair is refused. Defaults to ``Limits()``.
    workers : `int`
        Number of processes. Each takes 2.1 GiB of memory for full disks. Defaults to 1.
    pictures : `bool`
        Whether to draw a picture of each pair. Defaults to `True`.
    progress : `bool`
        Whether to show a progress bar on a terminal. Defaults to `True`.

    Returns
    -------
    `Alignment`
        Table of the pairs.

    Raises
    ------
    ValueError
        If ``pairs`` is empty, or ``workers`` is not positive.
    """
    folder, limits = Path(folder), limits or Limits()
    if not pairs:
        msg = "pairs must hold a pair of MDI and HMI files, got none."
        raise ValueError(msg)
    if workers < 1:
        msg = f"workers must be 1 or more, got {workers}."
        raise ValueError(msg)
    path = folder / "alignment.ecsv"
    rows = read_rows(path, "pair")
    jobs = [
        (*pair, folder, limits, pictures)
        for pair in pairs
        if not _is_done(rows.get(pair[0]), *pair[1:], folder, limits)
    ]
    bar = {"total": len(jobs), "desc": "align", "unit": "pair", "disable": None if progress else True}
    for row in tqdm(_run(jobs, workers), **bar):
        rows[row["pair"]] = row
        write_rows(path, [rows[name] for name in sorted(rows)])
    return Alignment(Table(rows=[rows[name] for name, *_ in pairs]), path)


def _inputs(low_path, high_path, limits):
    """Hash all that the row of a pair depends on."""
    inputs = (_METHOD, limits, file_digest(low_path), file_digest(high_path))
    return hashlib.sha256(repr(inputs).encode()).hexdigest()


def _is_done(row, low_path, high_path, folder, limits):
    """Find out whether the row of a pair still holds; if not, the file that was made for it is deleted."""
    if row is None:
        return False
    is_whole = row["refused"] or (folder / row["aligned"]).is_file()
    if is_whole and row["inputs"] == _inputs(low_path, high_path, limits):
        return True
    if row["aligned"]:
        (folder / row["aligned"]).unlink(missing_ok=True)
    return False


def _run(jobs, workers):
    """Align pairs, and yield the row of each as soon as it is known."""
    if workers == 1:
        yield from map(_align, jobs)
        return
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            for future in concurrent.futures.as_completed([pool.submit(_align, job) for job in jobs]):
                yield future.result()
        except BaseException:  # else it would wait for all the others
            pool.shutdown(cancel_futures=True)
            raise


def _align(job):
    """Align one pair, write what comes of it, and return its row."""
    name, low_path, high_path, folder, limits, pictures = job
    low_path, high_path = Path(low_path), Path(high_path)
    row = {"pair": name, "mdi": low_path.name, "hmi": high_path.name, "aligned": "", "refused": ""}
    logging.getLogger("sunpy").setLevel(logging.ERROR)
    pair = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of FITS headers
        try:
            pair = align_pair(read_fits(low_path), read_fits(high_path), limits=limits)
        except RefusedPairError as error:
            pair, row["refused"] = error.pair, reason(error)
        except Exception as error:  # noqa: BLE001  whatever a damaged file raises, the others go on
            row["refused"] = reason(error)
        else:
            time = pair.high.meta["date-obs"]
            row["aligned"] = f"hmi/{time[:4]}/{time[5:7]}/{high_path.name}"
            write_compressed(pair.high.data, pair.high.fits_header, folder / row["aligned"])
        if pair is not None and pictures:
            draw_pair(pair, folder / "pictures" / f"{name}.png", title=name, refused=row["refused"])
    numbers = {key: np.nan if pair is None else float(f"{getattr(pair.quality, key):.5g}") for key in _NUMBERS}
    return row | numbers | {"inputs": _inputs(low_path, high_path, limits)}
