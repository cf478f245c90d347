"""What a run leaves to be watched: CSV tables, pictures and, where it is installed, TensorBoard's events."""

import contextlib
import csv
import io
import logging
from pathlib import Path

import matplotlib.image

from sunpy_magsr.atomic import whole_file

__all__ = ["RunLog", "Table"]

_log = logging.getLogger(__name__)


class RunLog:
    """
    The log of one stage: ``log.csv``, ``validation.csv``, ``pictures`` and ``tensorboard`` in its folder.

    Where the disk cannot be written to, a warning says so and training continues: a row or a picture is lost, or what
    TensorBoard would show from there on.

    Parameters
    ----------
    folder : `pathlib.Path`
        Of the stage.
    step : `int`
        Finished steps of the checkpoint from which the run resumes; what was logged after it is dropped.
    """

    def __init__(self, folder, *, step=0):
        self.folder = Path(folder)
        self._tables = {
            "training": Table(self.folder / "log.csv", step=step),
            "validation": Table(self.folder / "validation.csv", step=step),
        }
        self._events = _events(self.folder / "tensorboard", step)

    def numbers(self, kind, step, numbers):
        """
        Log the numbers of one step.

        Parameters
        ----------
        kind : {"training", "validation"}
            Which table.
        step : `int`
            Finished steps.
        numbers : `dict`
            By name.
        """
        with _kept_going(self.folder):
            self._tables[kind].append({"step": step, **numbers})
        for name, value in numbers.items():
            self._show("add_scalar", f"{kind}/{name}", value, step)
        self._show("flush")

    def picture(self, step, image):
        """
        Log a picture.

        Parameters
        ----------
        step : `int`
            Finished steps.
        image : `numpy.ndarray`
            uint8 ``[y, x, 3]``.
        """
        with _kept_going(self.folder), whole_file(self.folder / "pictures" / f"step-{step:08d}.png") as stream:
            matplotlib.image.imsave(stream, image, format="png")
        self._show("add_image", "validation", image, step, dataformats="HWC")

    def close(self):
        """Write what is left."""
        self._show("close")

    def _show(self, method, *arguments, **options):
        """Call a method of TensorBoard's writer, which is of no more use after an error."""
        events, self._events = self._events, None
        if events is not None:
            with _kept_going(self.folder / "tensorboard"):
                getattr(events, method)(*arguments, **options)
                self._events = events


class Table:
    """
    A CSV file with one header row, appended to.

    Parameters
    ----------
    path : `pathlib.Path`
        The file; rows of it that are damaged or later than ``step`` are dropped.
    step : `int`
        Last step to keep.
    """

    def __init__(self, path, *, step=0):
        self.path = path
        self.columns, rows = self._read()
        if path.exists():
            self._write(self.columns, [row for row in rows if int(row["step"]) <= step])

    def append(self, row):
        """Add a `dict` with a ``step``; a column that is new is added to the header, and empty above."""
        row = {name: f"{value:.6g}" if isinstance(value, float) else str(value) for name, value in row.items()}
        new = [name for name in row if name not in self.columns]
        if new:
            self._write([*self.columns, *new], [*self._read()[1], row])
            self.columns += new
            return
        with self.path.open("a", newline="") as stream:
            csv.DictWriter(stream, self.columns).writerow(row)

    def _read(self):
        """The header and the whole rows."""
        if not self.path.exists():
            return [], []
        with self.path.open(newline="") as stream:
            reader = csv.DictReader(stream)
            columns = list(reader.fieldnames or [])
            if "step" not in columns:
                return [], []
            # A row that was cut short lacks values (None); one glued to it has too many (under the key None).
            whole = [row for row in reader if None not in row and None not in row.values()]
            return columns, [row for row in whole if row["step"].isdigit()]

    def _write(self, columns, rows):
        text = io.StringIO(newline="")
        table = csv.DictWriter(text, columns)
        table.writeheader()
        table.writerows(rows)
        with whole_file(self.path) as stream:
            stream.write(text.getvalue().encode())


def _events(folder, step):
    """TensorBoard's writer, or `None` where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        _log.info("tensorboard is not installed: the log is in CSV files only.")
        return None
    return SummaryWriter(folder, purge_step=step + 1)


@contextlib.contextmanager
def _kept_going(folder):
    try:
        yield
    except OSError as error:
        _log.warning("the log in %s could not be written (%s); training continues.", folder, error)
