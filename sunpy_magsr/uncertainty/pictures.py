"""Pictures of an ensemble."""

from __future__ import annotations

import base64
import html
import io
import tempfile
import webbrowser
from typing import Any

import astropy.units as u
import numpy as np
import scipy.ndimage
from astropy.stats import gaussian_fwhm_to_sigma
from matplotlib.figure import Figure
from sunpy.map import GenericMap

from sunpy_magsr._options import read_option
from sunpy_magsr.maps.wcs import angular_scale, plate_scale
from sunpy_magsr.spectral.plot import FreeFigure


def angle_in_pixels(smap: GenericMap, angle: u.Quantity, *, name: str) -> tuple[float, ...]:
    """Convert an angle to pixels, ``(y, x)``."""
    width = read_option(angle, u.arcsec, name, zero=False)
    return tuple(width / scale for scale in reversed(angular_scale(plate_scale(smap))))


_STRONGEST = 800.0  # Gauss, of the gray scale at most
_SHOWN = 600  # pixels of a side in a notebook
_NOT_MEASURED = "lightsteelblue"  # neither white nor black, which are strong fields


def draw_ensemble(ensemble: Any, *, number: int = 0, step: int = 1) -> Figure:
    """
    Draw the mean, the standard deviation and one member side by side.

    Pixels that were not measured are blue.
    """
    mean, std = ensemble.mean(), ensemble.std()
    limit = min(_STRONGEST, max(1.0, float(np.nanpercentile(np.abs(mean.data), 99.8))))
    field = {"cmap": "gray", "vmin": -limit, "vmax": limit}
    spread = {"cmap": "magma", "vmin": 0, "vmax": np.nanpercentile(std.data, 99.8)}
    panels = [
        (mean.data, f"Mean of {len(ensemble)} samples", "magnetic field [G]", field),
        (std.data, "Standard deviation", "standard deviation [G]", spread),
    ]
    if ensemble.has_members:
        panels.append((ensemble.sample(number).data, f"Sample {number}", "magnetic field [G]", field))
    figure = FreeFigure(figsize=(4.6 * len(panels), 4.8), layout="constrained")
    unit = plate_scale(mean)[0].unit * u.pix
    sides = [size * scale.value for size, scale in zip(reversed(mean.data.shape), plate_scale(mean), strict=True)]
    for place, (data, title, label, style) in enumerate(panels, start=1):
        axes = figure.add_subplot(1, len(panels), place, facecolor=_NOT_MEASURED)
        drawn = axes.imshow(
            data[::step, ::step], origin="lower", extent=(0, sides[0], 0, sides[1]), interpolation="nearest", **style
        )
        axes.set(
            title=title, xlabel=f"along the rows [{unit}]", ylabel="" if place > 1 else f"along the columns [{unit}]"
        )
        figure.colorbar(drawn, ax=axes, location="bottom", label=label, shrink=0.9)
    return figure


def smooth_std(std: GenericMap, width: u.Quantity) -> np.ndarray:
    """Average the variance over a Gaussian, and take the root."""
    sigma = [gaussian_fwhm_to_sigma * pixels for pixels in angle_in_pixels(std, width, name="smoothing")]
    known = np.isfinite(std.data)
    variance = scipy.ndimage.gaussian_filter(np.where(known, std.data, 0.0) ** 2, sigma)
    share = scipy.ndimage.gaussian_filter(known.astype(float), sigma)
    return np.where(known, np.sqrt(variance / np.maximum(share, 1e-6)), np.nan).astype(np.float32)


def as_html(ensemble: Any) -> str:
    """Describe an ensemble in a table and a picture, for a notebook."""
    meta = ensemble.mean().meta
    flags = ensemble.flags
    missing = flags & 1 > 0
    measured = int((~missing).sum())
    calibrated = f"calibrated for {_percent((~missing & (flags & 2 == 0)).sum(), measured)} of the measured pixels"
    rows = {
        "Model": f"{meta.get('magsrmod', '')} {meta.get('magsrrev', '')}",
        "Samples": f"{len(ensemble)}, seed {meta.get('magsrsed', '')}{'' if ensemble.has_members else ', not kept'}",
        "Pixels": f"{ensemble.shape[1]} x {ensemble.shape[0]}",
        "Not measured": f"{_percent(missing.sum(), missing.size)} of the pixels{', blue in the picture' if missing.any() else ''}",
        "Intervals": "not calibrated for this model" if ensemble.strata is None else calibrated,
        "Outside of the training": f"{_percent((flags & 4 > 0).sum(), measured)} of the measured pixels",
        "Careful": "Structure finer than the input's pixels is made up by the model: plausible, not measured.",
    }
    lines = "".join(f"<tr><th>{name}</th><td>{html.escape(text)}</td></tr>" for name, text in rows.items())
    picture = io.BytesIO()
    draw_ensemble(ensemble, step=max(1, max(ensemble.shape) // _SHOWN)).savefig(picture, format="png", dpi=70)
    image = base64.b64encode(picture.getvalue()).decode()
    return (
        f"<pre>Ensemble of {len(ensemble)} samples</pre><table style='text-align:left'>{lines}</table>"
        f"<img alt='Mean, standard deviation{' and a sample' if ensemble.has_members else ''}' src='data:image/png;base64,{image}'/>"
    )


def _percent(count: int, total: int) -> str:
    return f"{100 * count / max(1, total):.3g}%"


def show(ensemble: Any) -> None:
    """Open what `as_html` gives in the web browser."""
    with tempfile.NamedTemporaryFile("w", delete=False, prefix="sunpy_magsr.", suffix=".html") as file:
        file.write(f"<html><body>{as_html(ensemble)}</body></html>")
    webbrowser.open_new_tab(f"file://{file.name}")
