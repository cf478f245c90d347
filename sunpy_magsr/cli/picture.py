"""The picture of a result: input, one sample, uncertainty, and a detail of each."""

import astropy.units as u
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from sunpy_magsr._files import whole_file
from sunpy_magsr.maps.header import observation_time

_DETAIL_ARCSEC = 90.0
_LIMIT = 800.0


def _strongest(mdi):
    """World coordinate of the place with the strongest gradients of the field, away from the edge."""
    import scipy.ndimage

    field = np.nan_to_num(mdi.data)
    activity = scipy.ndimage.uniform_filter(np.abs(np.gradient(field)[0]) + np.abs(np.gradient(field)[1]), 31)
    margin = 24
    inner = activity[margin:-margin, margin:-margin]
    y, x = np.unravel_index(np.argmax(inner), inner.shape)
    return mdi.wcs.pixel_to_world(x + margin, y + margin)


def _window(smap, center):
    """Slices of the array around a world coordinate."""
    half = _DETAIL_ARCSEC / 2
    x, y = (float(value) for value in smap.wcs.world_to_pixel(center))
    reach_x, reach_y = (half / abs(scale.to_value(u.arcsec / u.pix)) for scale in smap.scale)
    rows = slice(max(0, round(y - reach_y)), min(smap.data.shape[0], round(y + reach_y)))
    columns = slice(max(0, round(x - reach_x)), min(smap.data.shape[1], round(x + reach_x)))
    return rows, columns


def draw(mdi, sample, mean, path):
    """Draw the input, one sample and the uncertainty, whole and in detail."""
    center = _strongest(mdi)
    spread = mean.uncertainty.array
    model = f"{sample.meta['magsrmod']}, {sample.meta['magsrns']} samples"
    mdi_scale, sample_scale = (f"{smap.scale[0].value:.2f} arcsec/pix" for smap in (mdi, sample))
    columns = [
        (mdi, mdi.data, _LIMIT, "gray", f"Input: {mdi_scale}", "line-of-sight field [G]"),
        (sample, sample.data, _LIMIT, "gray", f"One sample: {sample_scale}", "model output [G]"),
        (mean, spread, None, "magma", f"Uncertainty ({model})", "standard deviation [G]"),
    ]
    figure = Figure(figsize=(13.5, 9), layout="constrained")
    FigureCanvasAgg(figure)
    for number, (smap, data, limit, colors, title, label) in enumerate(columns):
        low, high = (0, np.nanpercentile(data, 99.8)) if limit is None else (-limit, limit)
        style = {"origin": "lower", "cmap": colors, "vmin": low, "vmax": high, "interpolation": "nearest"}
        whole, detail = (figure.add_subplot(2, 3, number + place) for place in (1, 4))
        whole.set_title(title)
        drawn = _draw_both(whole, detail, data, _window(smap, center), style)
        figure.colorbar(drawn, ax=[whole, detail], location="bottom", shrink=0.8, label=label)
    figure.suptitle(
        f"{_source(mdi)}. Structure finer than the input's pixels was added by the model: plausible, not measured. "
        "White squares: bad pixels.",
        y=1.03,
    )
    with whole_file(path) as stream:
        figure.savefig(stream, format="png", dpi=80, bbox_inches="tight")
    return path


def _source(mdi):
    """The instrument and the time, or that the magnetogram is synthetic."""
    date = observation_time(mdi).strftime("%Y-%m-%d %H:%M UTC")
    return f"{'Synthetic magnetogram, ' if mdi.meta.get('object') == 'SYNTHETIC' else ''}{mdi.instrument} {date}"


def _draw_both(whole, detail, data, window, style):
    """The whole of an image with a frame around a window of it, and the window."""
    whole.imshow(data, **style)
    whole.set_xticks([])
    whole.set_yticks([])
    rows, columns = window
    sides = (columns.stop - columns.start, rows.stop - rows.start)
    whole.add_patch(Rectangle((columns.start, rows.start), *sides, fill=False, edgecolor="tab:orange", lw=1.5))
    half = _DETAIL_ARCSEC / 2
    drawn = detail.imshow(data[window], extent=(-half, half, -half, half), **style)
    detail.set_xlabel("arcsec along the detector")
    return drawn
