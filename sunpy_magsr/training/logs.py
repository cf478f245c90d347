"""Logs of a run, and validation on the way."""

import contextlib
import csv
import io
import logging
from pathlib import Path

import astropy.units as u
import numpy as np
import torch
from matplotlib.figure import Figure

from sunpy_magsr._files import whole_file
from sunpy_magsr.metrics.ensemble import crps
from sunpy_magsr.spectral import power_spectrum

_log = logging.getLogger(__name__)
_TABLES = {"training": "log.csv", "validation": "validation.csv"}


class RunLog:
    """
    Write ``log.csv``, ``validation.csv``, ``pictures`` and ``tensorboard`` into the folder of a stage.

    What was logged after the step from which a run resumes is dropped. Where the disk cannot be written to, a warning says
    so and training continues: a row or a picture is lost, or what TensorBoard would show from there on.
    """

    def __init__(self, folder, *, step=0):
        self.folder = Path(folder)
        self._rows = {kind: _rows_until(step, self.folder / name) for kind, name in _TABLES.items()}
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            _log.info("tensorboard is not installed: the log is in CSV files only.")
            self._events = None
        else:
            self._events = SummaryWriter(self.folder / "tensorboard", purge_step=step + 1)

    def numbers(self, kind, step, numbers):
        """Log the numbers of one step of the training or of its validation."""
        row = {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in numbers.items()}
        rows = self._rows[kind]
        rows.append({"step": step, **row})
        # Written anew for each row, the table is always whole, and a new column is no special case.
        text = io.StringIO(newline="")
        table = csv.DictWriter(text, dict.fromkeys(name for row in rows for name in row))
        table.writeheader()
        table.writerows(rows)
        with _warn_of_full_disk(self.folder), whole_file(self.folder / _TABLES[kind]) as stream:
            stream.write(text.getvalue().encode())
        for name, value in numbers.items():
            self._show("add_scalar", f"{kind}/{name}", value, step)
        self._show("flush")

    def picture(self, step, figure):
        """Log a figure."""
        with _warn_of_full_disk(self.folder), whole_file(self.folder / "pictures" / f"step-{step:08d}.png") as stream:
            figure.savefig(stream, format="png")
        self._show("add_figure", "validation", figure, step, close=False)

    def close(self):
        """Write what is left."""
        self._show("close")

    def _show(self, method, *arguments, **options):
        """Call a method of TensorBoard's writer, which is of no more use after an error."""
        events, self._events = self._events, None
        if events is not None:
            with _warn_of_full_disk(self.folder / "tensorboard"):
                getattr(events, method)(*arguments, **options)
                self._events = events


def _rows_until(step, path):
    """Read the rows of a table up to a step."""
    with path.open(newline="") if path.exists() else io.StringIO() as stream:
        return [row for row in csv.DictReader(stream) if int(row["step"]) <= step]


@contextlib.contextmanager
def _warn_of_full_disk(folder):
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

    rows, figure = [], None
    with _average_weights(stage.model, average):
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
            figure = draw_patches(*arrays)
    return found, figure


def score_samples(samples, truth):
    """Score samples of a few patches."""
    if not np.isfinite(samples).all():
        return dict.fromkeys(["rmse_mean", "crps", *(f"power_{name}" for name in _BANDS)], np.nan)
    numbers = {
        "rmse_mean": float(np.sqrt(np.mean((samples.mean(axis=0) - truth) ** 2))),
        "crps": float(np.mean([crps(samples[:, n], truth[n]).value for n in range(len(truth))])),
    }
    powers, expected = _powers(samples.reshape(-1, *truth.shape[1:])), _powers(truth)
    return numbers | {f"power_{name}": powers[name] / expected[name] for name in _BANDS}


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
    return figure


def _powers(fields):
    """Compute the mean power of fields ``[N, H, W]`` by band, G2 arcsec2."""
    spectra = [power_spectrum(field, plate_scale=_PLATE_SCALE) for field in fields]
    return {name: float(np.mean([one.band(*band).value for one in spectra])) for name, band in _BANDS.items()}


@contextlib.contextmanager
def _average_weights(model, average):
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
