"""A picture that shows how well a pair is aligned."""

import io

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from sunpy_magsr.atomic import whole_file
from sunpy_magsr.forward_model import MDI_GAIN
from sunpy_magsr.pairing.shifts import LEAST_CORRELATION

__all__ = ["draw_pair"]

_GAUSS = 150.0
_STRONGEST = 1500.0  # Gauss, of the comparison of readings


def draw_pair(pair, path, *, title, refused=""):
    """
    Draw MDI's readings, what HMI lets expect of them, their difference, the local shifts, and the gain.

    Parameters
    ----------
    pair : `~sunpy_magsr.pairing.align.AlignedPair`
        The pair.
    path : `str` or `pathlib.Path`
        PNG file. A file that is there is replaced.
    title : `str`
        Name of the pair, for the title.
    refused : `str`
        Reason for which the pair was refused. Defaults to an empty string, for a pair that was not.

    Returns
    -------
    `pathlib.Path`
        The file.
    """
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
        axis.plot(strength, table["known"], color="tab:orange", label="sunpy_magsr.forward_model.hmi_per_mdi")
    axis.set(
        xscale="log", ylim=(0.4, 1.1), title="HMI / MDI", xlabel="field strength at MDI's resolution, HMI's scale (G)"
    )
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.legend(loc="lower right")
