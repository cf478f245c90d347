"""Pictures of an ensemble."""

import base64
import html
import io
import tempfile
import webbrowser

import astropy.units as u
import numpy as np
import scipy.ndimage

from sunpy_magsr.prep.wcs import plate_scale
from sunpy_magsr.uncertainty.angles import angle_in_pixels

__all__ = ["as_html", "draw_ensemble", "show", "smoothed_std"]

_FWHM_TO_SIGMA = 1 / np.sqrt(8 * np.log(2))
_STRONGEST = 800.0  # Gauss, of the gray scale at most
_SHOWN = 600  # pixels of a side in a notebook


def draw_ensemble(ensemble, *, number=0, step=1):
    """
    Draw mean, spread and one member side by side.

    Parameters
    ----------
    ensemble : `~sunpy_magsr.uncertainty.Ensemble`
        The ensemble.
    number : `int`
        The member; left out if the members were not kept.
    step : `int`
        Draw every so manieth pixel.

    Returns
    -------
    `matplotlib.figure.Figure`
        That pyplot does not know.
    """
    from matplotlib.figure import Figure

    mean, std = ensemble.mean(), ensemble.std()
    limit = min(_STRONGEST, max(1.0, float(np.nanpercentile(np.abs(mean.data), 99.8))))
    field = {"cmap": "gray", "vmin": -limit, "vmax": limit}
    panels = [
        (mean.data, f"Mean of {len(ensemble)} samples", "magnetic field [G]", field),
        (std.data, "Standard deviation", "[G]", {"cmap": "magma", "vmin": 0, "vmax": np.nanpercentile(std.data, 99.8)}),
    ]
    if ensemble.has_members:
        panels.append((ensemble.sample(number).data, f"Sample {number}", "magnetic field [G]", field))
    figure = Figure(figsize=(4.6 * len(panels), 4.4), layout="constrained")
    unit = plate_scale(mean)[0].unit * u.pix
    sides = [size * scale.value for size, scale in zip(reversed(mean.data.shape), plate_scale(mean), strict=True)]
    for place, (data, title, label, style) in enumerate(panels, start=1):
        axes = figure.add_subplot(1, len(panels), place)
        drawn = axes.imshow(
            data[::step, ::step],
            origin="lower",
            extent=(0, sides[0], 0, sides[1]),
            interpolation="nearest",
            **style,
        )
        axes.set(title=title, xlabel=f"{unit} along the detector", ylabel="" if place > 1 else f"{unit}")
        figure.colorbar(drawn, ax=axes, location="bottom", label=label, shrink=0.9)
    return figure


def smoothed_std(std, width):
    """
    Root of the variance averaged over a Gaussian.

    Parameters
    ----------
    std : `sunpy.map.GenericMap`
        Standard deviation.
    width : `~astropy.units.Quantity`
        Full width at half maximum, as seen from the Earth.

    Returns
    -------
    `numpy.ndarray`
        float32, NaN where ``std`` is.

    Raises
    ------
    ValueError
        If the width is not a positive angle.
    """
    sigma = [_FWHM_TO_SIGMA * pixels for pixels in angle_in_pixels(std, width, name="smoothing")]
    known = np.isfinite(std.data)
    variance = scipy.ndimage.gaussian_filter(np.where(known, std.data, 0.0) ** 2, sigma)
    share = scipy.ndimage.gaussian_filter(known.astype(float), sigma)
    return np.where(known, np.sqrt(variance / np.maximum(share, 1e-6)), np.nan).astype(np.float32)


def as_html(ensemble, *, title):
    """
    A table and a picture for a notebook.

    Parameters
    ----------
    ensemble : `~sunpy_magsr.uncertainty.Ensemble`
        The ensemble.
    title : `str`
        HTML.

    Returns
    -------
    `str`
    """
    meta = ensemble.mean().meta
    flags = ensemble.flags
    measured = max(1, int((flags & 1 == 0).sum()))
    rows = {
        "Model": f"{meta.get('magsrmod', '')} {meta.get('magsrrev', '')}",
        "Samples": f"{len(ensemble)}, seed {meta.get('magsrsed', '')}",
        "Pixels": f"{ensemble.shape[1]} x {ensemble.shape[0]}",
        "Not calibrated": f"{(flags & 2 > 0).sum() / measured:.0%} of the measured pixels",
        "Outside of the training": f"{(flags & 4 > 0).sum() / measured:.0%} of the measured pixels",
        "Careful": "Structure finer than the input's pixels is made up by the model: plausible, not measured.",
    }
    lines = "".join(f"<tr><th>{name}</th><td>{html.escape(text)}</td></tr>" for name, text in rows.items())
    picture = io.BytesIO()
    draw_ensemble(ensemble, step=max(1, max(ensemble.shape) // _SHOWN)).savefig(picture, format="png", dpi=70)
    image = base64.b64encode(picture.getvalue()).decode()
    return (
        f"<pre>{title}</pre><table style='text-align:left'>{lines}</table>"
        f"<img alt='Mean, standard deviation and a sample' src='data:image/png;base64,{image}'/>"
    )


def show(ensemble):
    """
    Open what `as_html` gives in the web browser.

    Parameters
    ----------
    ensemble : `~sunpy_magsr.uncertainty.Ensemble`
        The ensemble.
    """
    with tempfile.NamedTemporaryFile("w", delete=False, prefix="sunpy_magsr.", suffix=".html") as file:
        file.write(f"<html><body>{as_html(ensemble, title=html.escape(repr(ensemble)))}</body></html>")
    webbrowser.open_new_tab(f"file://{file.name}")
