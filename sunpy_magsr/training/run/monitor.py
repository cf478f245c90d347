"""How good the averaged weights are while a stage trains: losses, scores of samples and a picture."""

import contextlib

import astropy.units as u
import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sunpy_magsr.metrics.ensemble import crps
from sunpy_magsr.spectral import power_spectrum

__all__ = ["draw_patches", "score_samples", "validate"]

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

    Parameters
    ----------
    stage : `~sunpy_magsr.training.stages.stage.Stage`
        The stage, in training, with fields set aside.
    average : `diffusers.training_utils.EMAModel`
        The averaged weights.

    Returns
    -------
    numbers : `dict`
        Means of the losses over the batches, and what `score_samples` says.
    image : `numpy.ndarray` or `None`
        From `draw_patches`; `None` without samples.
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
    """
    Score samples of a few patches.

    Parameters
    ----------
    samples : `numpy.ndarray`
        Gauss ``[S, N, H, W]``, pixels of 0.5 arcsec.
    truth : `numpy.ndarray`
        Gauss ``[N, H, W]``.

    Returns
    -------
    `dict`
        ``rmse_mean``, Gauss, of the mean of the samples; ``crps``, Gauss; and by bands of wavelength in arcsec
        ``power_8_4`` and so on, the power of single samples over that of the truth. All NaN if a sample is not finite.
    """
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

    Parameters
    ----------
    samples : `numpy.ndarray`
        Gauss ``[S, N, H, W]``; with S = 1 there is no mean or spread.
    truth : `numpy.ndarray`
        Gauss ``[N, H, W]``.
    low : `numpy.ndarray`
        Gauss ``[N, h, w]``.

    Returns
    -------
    `numpy.ndarray`
        uint8 ``[y, x, 3]``.
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
