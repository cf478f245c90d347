"""The ledger: a row for every frame, in one SQLite file that survives whatever happens to the processes."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.table import Table

from sunpy_magsr._files import stem_of
from sunpy_magsr.archive.frame import QUALITY

if TYPE_CHECKING:
    from collections.abc import Mapping


# Of a frame that has left the plan, what is known is kept for when it comes back, but it is in no answer.
_PLANNED = "CREATE VIEW IF NOT EXISTS planned AS SELECT * FROM frames WHERE in_plan"

STATES = ("pending", "running", "done", "failed")
#: Columns and their types in SQLite; the numbers of ``QUALITY`` follow.
COLUMNS = {
    "name": "TEXT PRIMARY KEY",
    "state": "TEXT NOT NULL",
    "attempts": "INTEGER NOT NULL DEFAULT 0",
    "size": "INTEGER",
    "changed": "INTEGER",  # time of the file's last change, nanoseconds
    "sha256": "TEXT NOT NULL DEFAULT ''",
    "settings": "TEXT NOT NULL DEFAULT ''",  # digest of the settings that the results were made with
    "date": "TEXT",
    "model": "TEXT",
    "revision": "TEXT",
    "outputs": "TEXT NOT NULL DEFAULT '[]'",
    "seconds": "REAL",
    "memory": "REAL",  # MiB
    "finished": "REAL",  # Unix time
    "warnings": "TEXT",
    "reason": "TEXT NOT NULL DEFAULT ''",
    **dict.fromkeys(QUALITY, "REAL"),
}


class Ledger:
    """
    The state of every frame of a plan, in an SQLite file.

    The process that hands out the work writes the file. Any number of processes may read it at the same time, on other
    machines too: SQLite keeps a plain journal, as a write-ahead log needs memory that all processes share.

    Parameters
    ----------
    path : `str` or `pathlib.Path`
        The file.
    read_only : `bool`
        Whether the ledger is only read. Defaults to `False`: the file is made if it does not exist.

    Raises
    ------
    FileNotFoundError
        If the file does not exist and ``read_only`` is true.
    """

    def __init__(self, path: str | Path, *, read_only: bool = False) -> None:
        self.path = Path(path)
        if read_only and not self.path.is_file():
            msg = f"the plan must have been run, and there is no ledger {self.path}."
            raise FileNotFoundError(msg)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._base = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        self._base.row_factory = sqlite3.Row
        if not read_only:
            self._base.execute("PRAGMA journal_mode=TRUNCATE")
            columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
            self._base.execute(f"CREATE TABLE IF NOT EXISTS frames ({columns}, in_plan INTEGER NOT NULL DEFAULT 1)")
            self._base.execute("CREATE INDEX IF NOT EXISTS by_state ON frames (state)")
            self._base.execute(_PLANNED)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._base.close()

    def enter(self, frames: Mapping[str, Path], settings: str, *, folder: Path, retry: bool = False) -> None:
        """
        Enter the frames of a plan, and mark the frames that must be done as pending.

        A frame must be done if it is new, if its file or the settings have changed, if one of its results is missing,
        or if the process ended while it was running. A frame that failed is done again only with ``retry``. A frame
        that is no longer in the plan is not counted, but its row stays, in case that it comes back.

        Parameters
        ----------
        frames : `dict` of `pathlib.Path`
            The file of each frame by its name.
        settings : `str`
            The digest of the settings.
        folder : `pathlib.Path`
            The folder of the results.
        retry : `bool`
            Whether frames that failed are tried again. Defaults to `False`.
        """
        known = {row["name"]: row for row in self._base.execute("SELECT * FROM frames")}
        with self._base:
            self._base.execute("BEGIN")
            self._base.executemany(
                "UPDATE frames SET in_plan = ? WHERE name = ?", [(name in frames, name) for name in known]
            )
            for name, path in frames.items():
                facts = path.stat() if path.is_file() else None
                size, changed = (facts.st_size, facts.st_mtime_ns) if facts else (None, None)
                fresh = {"name": name, "state": "pending", "settings": settings, "size": size, "changed": changed}
                row = known.get(name)
                if row is None:
                    self._put(fresh)
                    continue
                same = (row["size"], row["changed"], row["settings"]) == (size, changed, settings)
                again = row["settings"] != settings or row["state"] == "running" or (retry and row["state"] == "failed")
                again = again or (row["state"] == "done" and not self._has_outputs(row, folder))
                if not same or again:
                    # The worker compares the hash of a file that was merely touched.
                    fresh["sha256"] = row["sha256"] if row["state"] == "done" and not again else ""
                    # Attempts count up to a limit only while a frame ends its worker again and again.
                    fresh["attempts"] = row["attempts"] if same and row["state"] == "running" else 0
                    self._put(fresh)

    @staticmethod
    def _has_outputs(row, folder):
        paths = {folder / name: size for name, size in json.loads(row["outputs"])}
        return all(path.is_file() and path.stat().st_size == size for path, size in paths.items())

    def pending(self) -> list[tuple[str, str]]:
        """
        List the frames that must be done.

        Returns
        -------
        `list` of `tuple`
            The name of each frame, and the SHA-256 of the file from which its results were made; empty if there are no
            results that could be kept.
        """
        rows = self._base.execute("SELECT name, sha256 FROM planned WHERE state = 'pending' ORDER BY name")
        return [tuple(row) for row in rows]

    def start(self, name: str) -> int:
        """
        Note that the work on a frame begins.

        Parameters
        ----------
        name : `str`
            The name of the frame.

        Returns
        -------
        `int`
            How often the work on it has begun since its file or the settings changed.
        """
        self._base.execute("UPDATE frames SET state = 'running', attempts = attempts + 1 WHERE name = ?", (name,))
        return self._base.execute("SELECT attempts FROM frames WHERE name = ?", (name,)).fetchone()[0]

    def finish(self, record: Mapping[str, Any], settings: str) -> None:
        """
        Note how the work on a frame ended.

        Parameters
        ----------
        record : `dict`
            Values of the `COLUMNS` by name, as ``work_on_frame`` returns them. The state
            ``"same"`` says that the results of the frame are there already.
        settings : `str`
            The digest of the settings.
        """
        if record["state"] == "same":
            record = {"name": record["name"], "state": "done"}
        self._put({**record, "settings": settings, "finished": time.time()})

    def counts(self) -> dict[str, int]:
        """
        Count the frames.

        Returns
        -------
        `dict` of `int`
            The number of frames in each of the `STATES`.
        """
        rows = dict(self._base.execute("SELECT state, COUNT(*) FROM planned GROUP BY state").fetchall())
        return {state: rows.get(state, 0) for state in STATES}

    def reasons(self) -> list[tuple[str, int, str]]:
        """
        List why frames failed.

        Returns
        -------
        `list` of `tuple`
            Each reason, the number of frames that failed for it, and the name of one of them. The most frequent reason
            comes first.
        """
        query = "SELECT reason, COUNT(*), MIN(name) FROM planned WHERE state = 'failed' GROUP BY reason ORDER BY 2 DESC"
        return [tuple(row) for row in self._base.execute(query)]

    def recent(self, count: int = 100) -> list[tuple[float, float | None]]:
        """
        List when the last frames ended.

        Parameters
        ----------
        count : `int`
            How many frames are listed at most. Defaults to 100.

        Returns
        -------
        `list` of `tuple`
            For each frame, the Unix time at which it ended and the seconds of a worker that it took (`None` if that is
            not known). The last frame comes first.
        """
        query = "SELECT finished, seconds FROM planned WHERE finished IS NOT NULL ORDER BY finished DESC LIMIT ?"
        return [tuple(row) for row in self._base.execute(query, (count,))]

    def outputs(self) -> list[dict[str, str]]:
        """
        List the results of the frames that are done.

        Returns
        -------
        `list` of `dict`
            For each frame, in the order of their times, the path of each result relative to the folder of the results,
            by the name of the product (``"sample0"``, ``"mean"``, ...).
        """
        query = "SELECT name, outputs FROM planned WHERE state = 'done' ORDER BY date, name"
        return [
            {
                path.removeprefix(f"{stem_of(name)}.").removesuffix(".fits").removesuffix(".magsr"): path
                for path, _ in kept
            }
            for name, kept in ((name, json.loads(outputs)) for name, outputs in self._base.execute(query))
        ]

    def table(self) -> Table:
        """
        Read the rows of all frames.

        Returns
        -------
        `~astropy.table.Table`
            One row for each frame in the order of their times, with the `COLUMNS`. A missing number is NaN, a missing
            text is empty.
        """
        rows = self._base.execute("SELECT * FROM planned ORDER BY date, name").fetchall()
        columns = {name: [row[name] for row in rows] for name in COLUMNS}
        return Table(
            {
                name: np.array([value or "" for value in column])
                if "TEXT" in COLUMNS[name]
                else np.array(column, float)
                for name, column in columns.items()
            }
        )

    def _put(self, row):
        names = [name for name in COLUMNS if name in row]  # of columns alone, whatever a worker says
        values = ", ".join(f":{name}" for name in names)
        changes = ", ".join(f"{name} = excluded.{name}" for name in names)
        insert = f"INSERT INTO frames ({', '.join(names)}) VALUES ({values})"  # nosec B608
        self._base.execute(f"{insert} ON CONFLICT (name) DO UPDATE SET {changes}", row)  # nosec B608
