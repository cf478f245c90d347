"""All pairs of a folder, aligned."""

import concurrent.futures
import contextlib
import dataclasses
import io
import json
import logging
import multiprocessing
import warnings
from pathlib import Path

import numpy as np
from astropy.table import Table
from tqdm.auto import tqdm

from sunpy_magsr.atomic import whole_file
from sunpy_magsr.io import write_compressed
from sunpy_magsr.pairing.align import align_pair
from sunpy_magsr.pairing.picture import draw_pair
from sunpy_magsr.pairing.quality import Limits, PairQuality, RefusedPairError
from sunpy_magsr.prep.files import file_digest, open_magnetogram, reason

__all__ = ["Alignment", "align_folder"]

#: A pair that was aligned by another version of the method is aligned anew.
_METHOD = 2
_NUMBERS = tuple(field.name for field in dataclasses.fields(PairQuality))
_COLUMNS = ("pair", "mdi", "hmi", "aligned", "refused", *_NUMBERS)


@dataclasses.dataclass(frozen=True)
class Alignment:
    """
    What came of the pairs of a folder.

    Attributes
    ----------
    table : `~astropy.table.Table`
        A row for each: ``pair``, ``mdi``, ``hmi``, ``aligned`` (its file; empty if it was refused), ``refused`` (why), and
        the numbers of `~sunpy_magsr.pairing.quality.PairQuality`.
    path : `pathlib.Path`
        Where the table is, ECSV.
    """

    table: Table
    path: Path

    @property
    def refused(self):
        """Why pairs were refused, by name."""
        return {row["pair"]: row["refused"] for row in self.table if row["refused"]}

    def summary(self):
        """What came, in lines."""
        kept = self.table[self.table["refused"] == ""]
        lines = [f"{len(kept)} of {len(self.table)} pairs aligned: {self.path}"]
        if len(kept):
            likeness, gain = (np.percentile(kept[name], [5, 50, 95]) for name in ("likeness", "gain"))
            lines.append("likeness {:.3f} / {:.3f} / {:.3f} (5, 50, 95 %)".format(*likeness))
            lines.append("MDI reads {:.3f} / {:.3f} / {:.3f} G for 1 G of HMI (1.427 is published)".format(*gain))
        return "\n".join(lines)


def align_folder(pairs, folder, *, limits=None, workers=1, pictures=True, progress=True):
    """
    Align pairs and write what is good enough.

    Under ``folder`` are then ``hmi/YYYY/MM/*.fits`` on MDI's grid, ``pictures/*.png``, ``facts/*.json``, and the table
    ``alignment.ecsv``. A pair that is there, of the same two files, by the same method and within the same limits, is
    not computed again, so that a run that was stopped goes on.

    Parameters
    ----------
    pairs : sequence of `tuple`
        Name, and paths of MDI and HMI.
    folder : `str` or `pathlib.Path`
        Of the results.
    limits : `~sunpy_magsr.pairing.quality.Limits`, optional
        What a pair may be at worst.
    workers : `int`
        Processes; each takes 2.1 GiB for full disks.
    pictures : `bool`
        Whether to draw each pair.
    progress : `bool`
        Whether to show a progress bar on a terminal.

    Returns
    -------
    `Alignment`

    Raises
    ------
    ValueError
        If there is no pair, or ``workers`` is not positive.
    """
    folder, limits = Path(folder), limits or Limits()
    if not pairs:
        msg = "pairs must hold a pair of MDI and HMI files, got none."
        raise ValueError(msg)
    if workers < 1:
        msg = f"workers must be 1 or more, got {workers}."
        raise ValueError(msg)
    jobs = [(*pair, folder, limits, pictures) for pair in pairs]
    bar = {"total": len(jobs), "desc": "align", "unit": "pair", "disable": None if progress else True}
    if workers == 1:
        rows = [_row(job) for job in tqdm(jobs, **bar)]
    else:
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
            futures = [pool.submit(_row, job) for job in jobs]
            try:
                for _ in tqdm(concurrent.futures.as_completed(futures), **bar):
                    pass
                rows = [future.result() for future in futures]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    table = Table(rows=[{key: row[key] for key in _COLUMNS} for row in rows])
    for name in _NUMBERS:
        table[name].info.format = ".5g"
    path = folder / "alignment.ecsv"
    text = io.StringIO()
    table.write(text, format="ascii.ecsv", delimiter=",")
    with whole_file(path) as stream:
        stream.write(text.getvalue().encode())
    return Alignment(table, path)


def _row(job):
    """One pair, from its facts if they are there."""
    name, low_path, high_path, folder, limits, pictures = job
    inputs = {
        "method": _METHOD,
        "limits": dataclasses.asdict(limits),
        "sha256": [file_digest(path) for path in (low_path, high_path)],
    }
    inputs = json.loads(json.dumps(inputs))
    facts = folder / "facts" / f"{name}.json"
    with contextlib.suppress(OSError, ValueError, KeyError):
        row = json.loads(facts.read_text())
        if row.pop("inputs") == inputs and (row["refused"] or (folder / row["aligned"]).is_file()):
            return {key: np.nan if value is None else value for key, value in row.items()}
        if row["aligned"]:  # of other files, or within other limits
            (folder / row["aligned"]).unlink(missing_ok=True)
    logging.getLogger("sunpy").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of FITS headers
        row = _aligned(name, Path(low_path), Path(high_path), folder, limits=limits, pictures=pictures)
    stored = {key: None if isinstance(value, float) and not np.isfinite(value) else value for key, value in row.items()}
    with whole_file(facts) as stream:
        stream.write((json.dumps({**stored, "inputs": inputs}, indent=2) + "\n").encode())
    return row


def _aligned(name, low_path, high_path, folder, *, limits, pictures):
    row = {"pair": name, "mdi": low_path.name, "hmi": high_path.name, "aligned": "", "refused": ""}
    pair = None
    try:
        pair = align_pair(open_magnetogram(low_path), open_magnetogram(high_path), limits=limits)
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
    quality = {} if pair is None else dataclasses.asdict(pair.quality)
    return row | {key: quality.get(key, np.nan) for key in _NUMBERS}
