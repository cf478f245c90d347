"""The manifest of a folder of pairs: a table of all frames with the paths and hashes of their files."""

import io
from pathlib import Path

from astropy.table import Table

from sunpy_magsr.atomic import whole_file
from sunpy_magsr.pairing.downloads import DamagedFileError, check_file
from sunpy_magsr.prep.files import file_digest

__all__ = ["MANIFEST", "Manifest", "pairs_of"]

MANIFEST = "manifest.ecsv"
_COLUMNS = ("pair", "series", "t_rec", "t_obs", "path", "state", "bytes", "sha256", "attempts", "reason")
_NEW = {"state": "wanted", "bytes": 0, "sha256": "", "attempts": 0, "reason": ""}


class Manifest:
    """
    Table of the frames of a folder of pairs.

    Parameters
    ----------
    folder : `pathlib.Path`
        Folder of the pairs. Its manifest is read if there is one.

    Attributes
    ----------
    rows : `dict`
        Rows of the table, by the path of the file in the folder. Each row is a `dict` whose keys are the columns.
    """

    def __init__(self, folder):
        self.folder, self.rows = folder, {}
        path = folder / MANIFEST
        if path.is_file():
            table = Table.read(path, format="ascii.ecsv")
            table = table.filled("") if table.has_masked_values else table
            self.rows = {row["path"]: {key: _plain(row[key]) for key in _COLUMNS} for row in table}

    def add(self, pair, frame):
        """
        Enter a frame. What the table says about its file is kept.

        Parameters
        ----------
        pair : `str`
            Name of the pair to which the frame belongs.
        frame : `~sunpy_magsr.pairing.records.Frame`
            The frame.
        """
        facts = {"pair": pair, "series": frame.series.name, "t_rec": frame.t_rec, "t_obs": frame.t_obs.tai.isot}
        self.rows[frame.path] = {**_NEW, **self.rows.get(frame.path, {}), **facts, "path": frame.path}

    def has(self, frame, *, verify):
        """
        Find out whether the complete file of a frame is in the folder.

        A file that is there but not entered, since the process was killed in between, is checked and entered.

        Parameters
        ----------
        frame : `~sunpy_magsr.pairing.records.Frame`
            Frame that was entered before.
        verify : `bool`
            Whether to compare the hash of the file, and not only its size.

        Returns
        -------
        `bool`
            Whether the file is there.
        """
        row, path = self.rows[frame.path], self.folder / frame.path
        if not path.is_file():
            row.update(state="wanted")
            return False
        if row["state"] != "done":
            try:
                check_file(path, frame)
            except DamagedFileError:
                return False
            self.done(frame, {"bytes": path.stat().st_size, "sha256": file_digest(path)})
            return True
        is_same = path.stat().st_size == row["bytes"] and (not verify or file_digest(path) == row["sha256"])
        if not is_same:
            row.update(state="wanted")
        return is_same

    def done(self, frame, facts):
        """
        Enter that the file of a frame is in its place.

        Parameters
        ----------
        frame : `~sunpy_magsr.pairing.records.Frame`
            Frame that was entered before.
        facts : `dict`
            Size (``bytes``) and hash (``sha256``) of the file, as
            `~sunpy_magsr.pairing.downloads.settle` returns them.
        """
        self.rows[frame.path].update(state="done", reason="", **facts)

    def failed(self, frame, why):
        """
        Enter that the file of a frame could not be downloaded.

        The next run tries again to download it.

        Parameters
        ----------
        frame : `~sunpy_magsr.pairing.records.Frame`
            Frame that was entered before.
        why : `str`
            The reason, for the column ``reason``.
        """
        self.rows[frame.path].update(state="failed", reason=why)

    def write(self):
        """Write the table to the folder. A reader never sees a part of it."""
        rows = sorted(self.rows.values(), key=lambda row: (row["pair"], row["series"]))
        table = Table(rows=rows, names=_COLUMNS) if rows else Table(names=_COLUMNS)
        text = io.StringIO()
        table.write(text, format="ascii.ecsv", delimiter=",")
        with whole_file(self.folder / MANIFEST) as stream:
            stream.write(text.getvalue().encode())


def _plain(value):
    return value.item() if hasattr(value, "item") else value


def pairs_of(folder):
    """
    List the pairs of a folder whose two files are there.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        Folder that ``magsr-train fetch`` or `~sunpy_magsr.pairing.fetch.fetch_pairs` has filled.

    Returns
    -------
    `list` of `tuple`
        Name, path of the MDI file and path of the HMI file of each pair, sorted by time.

    Raises
    ------
    ValueError
        If the folder has no manifest.
    """
    folder = Path(folder)
    if not (folder / MANIFEST).is_file():
        msg = f"folder must be one that `magsr-train fetch` made, and {folder} has no {MANIFEST}."
        raise ValueError(msg)
    found = {}
    for row in Manifest(folder).rows.values():
        if row["state"] == "done":
            found.setdefault(row["pair"], {})[row["series"].partition(".")[0]] = folder / row["path"]
    return [(name, files["mdi"], files["hmi"]) for name, files in sorted(found.items()) if len(files) == 2]
