"""Logs of a run, and validation on the way."""

import contextlib
import csv
import io
import logging
from pathlib import Path

import astropy.units as u
import matplotlib.image
import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sunpy_magsr._files import whole_file
from sunpy_magsr.metrics.ensemble import crps
from sunpy_magsr.spectral import power_spectrum

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
        """Log the numbers of one step."""
        with _kept_going(self.folder):
            self._tables[kind].append({"step": step, **numbers})
        for name, value in numbers.items():
            self._show("add_scalar", f"{kind}/{name}", value, step)
        self._show("flush")

    def picture(self, step, image):
        """Log a picture."""
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


_BATCHES = 4
_PATCHES = 4
_DRAWN = 3
_PLATE_SCALE = 0.5 * u.arcsec / u.pix
#: Longest and shortest wavelength in arcsec.
_BANDS = {"8_4": (8, 4), "4_2": (4, 2), "2_1.33": (2, 1.33)}


def validate(stage, average):
    """
    Try the averaged weights of a stage on the same few batches with the same noise as always.

    The weights and torch's random numbers are afterwards what they were before. Samples are drawn and scored if the
    stage's ``validation_samples`` is above 0.
    """
    device = next(stage.model.parameters()).device

    def batch(number, size):
        return [torch.from_numpy(array).to(device) for array in stage.validation.batch(number, size)]

    rows, image = [], None
    with _averaged(stage.model, average):
        for number in range(_BATCHES):
            generator = torch.Generator(device).manual_seed(number)
            loss, numbers = stage.loss(*batch(number, stage.options.batch_size), generator)
            rows.append({"loss": loss.item(), **numbers})
        found = {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]}
        if stage.options.validation_samples > 0:
            high, given = batch(_BATCHES, _PATCHES)
            samples, low = stage.draw(high, given, stage.options.validation_samples)
            arrays = [tensor.float().cpu().numpy() for tensor in (samples[:, :, 0], high[:, 0], low[:, 0])]
            found |= score_samples(arrays[0], arrays[1])
            image = draw_patches(*arrays)
    return found, image


def score_samples(samples, truth):
    """Score samples of a few patches."""
    if not np.isfinite(samples).all():
        return dict.fromkeys(["rmse_mean", "crps", *(f"power_{name}" for name in _BANDS)], np.nan)
    numbers = {
        "rmse_mean": float(np.sqrt(np.mean((samples.mean(axis=0) - truth) ** 2))),
        "crps": float(np.mean([crps(samples[:, n], truth[n]).value for n in range(len(truth))])),
    }
    made = _powers(samples.reshape(-1, *truth.shape[1:]))
    there = _powers(truth)
    return numbers | {f"power_{name}": made[name] / there[name] for name in _BANDS}


def draw_patches(samples, truth, low):
    """
    Draw input, truth, a sample, mean and spread of the first patches.

    Fields are drawn between the limits beside their row, the spread from 0 to half of it.
    """
    panels = {"input": low, "truth": truth, "sample" if len(samples) > 1 else "result": samples[0]}
    if len(samples) > 1:
        panels |= {"mean": samples.mean(axis=0), "spread": samples.std(axis=0, ddof=1)}
    rows = min(_DRAWN, len(truth))
    figure = Figure(figsize=(2.2 * len(panels) + 0.4, 2.2 * rows + 0.7), layout="constrained")
    axes = figure.subplots(rows, len(panels), squeeze=False)
    for row in range(rows):
        limit = max(float(np.percentile(np.abs(truth[row]), 99.5)), 1.0)
        axes[row, 0].set_ylabel(f"$\\pm${limit:.0f} G")
        for place, (name, fields) in zip(axes[row], panels.items(), strict=True):
            least, most, colors = (0, limit / 2, "magma") if name == "spread" else (-limit, limit, "gray")
            place.imshow(fields[row], origin="lower", interpolation="nearest", vmin=least, vmax=most, cmap=colors)
            place.set(xticks=[], yticks=[])
            if row == 0:
                place.set_title(name)
    figure.suptitle("Structure finer than the input's pixels is plausible, not measured.", fontsize="small")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


def _powers(fields):
    """Mean power of fields ``[N, H, W]`` by band, G2 arcsec2."""
    spectra = [power_spectrum(field, plate_scale=_PLATE_SCALE) for field in fields]
    return {name: float(np.mean([one.band(*band).value for one in spectra])) for name, band in _BANDS.items()}


@contextlib.contextmanager
def _averaged(model, average):
    """Replace the model's weights by the averaged ones, and keep torch's random numbers as they are."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    average.store(trained)
    average.copy_to(trained)
    model.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(range(torch.cuda.device_count())):
            yield
    finally:
        average.restore(trained)
        model.train()
