"""The picture of a result: input, one sample, uncertainty, and a detail of each."""

import astropy.units as u
import numpy as np
import scipy.ndimage
from astropy.coordinates import SkyCoord
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from sunpy_magsr._files import whole_file
from sunpy_magsr.maps.header import observation_time

_HALF_DETAIL = 45 * u.arcsec
_MARGIN = 24  # pixels at the edge, in which no detail is centered
_LIMIT = 800.0  # Gauss


def draw(mdi, sample, mean, path):
    """Draw the input, one sample and the uncertainty, whole and in detail."""
    spread = type(mean)(mean.uncertainty.array, mean.meta)
    field = {"cmap": "gray", "norm": Normalize(-_LIMIT, _LIMIT)}
    columns = [
        (mdi, "Input", "line-of-sight field [G]", field),
        (sample, "One sample", "model output [G]", field),
        (
            spread,
            f"Uncertainty, {mean.meta['magsrns']} samples",
            "standard deviation [G]",
            {"cmap": "magma", "norm": Normalize(0, np.nanpercentile(spread.data, 99.8))},
        ),
    ]
    figure = Figure(figsize=(13.5, 9), layout="constrained")
    FigureCanvasAgg(figure)
    center = _strongest(mdi)
    corners = [SkyCoord(center.Tx + d, center.Ty + d, frame=center.frame) for d in (-_HALF_DETAIL, _HALF_DETAIL)]
    for number, (smap, title, label, style) in enumerate(columns, start=1):
        both = []
        for part, place in ((smap, number), (smap.submap(corners[0], top_right=corners[1]), number + 3)):
            axes = figure.add_subplot(2, 3, place, projection=part)
            drawn = part.plot(axes=axes, title=f"{title}: {smap.scale[0]:.2f}", interpolation="nearest", **style)
            both.append(axes)
        figure.colorbar(drawn, ax=both, location="bottom", shrink=0.8, label=label)
    date = observation_time(mdi).strftime("%Y-%m-%d %H:%M UTC")
    figure.suptitle(
        f"{mdi.instrument} {date}, {mean.meta['magsrmod']}. Structure finer than the input's pixels was added by the "
        "model: plausible, not measured."
    )
    with whole_file(path) as stream:
        figure.savefig(stream, format="png", dpi=80)
    return path


def _strongest(mdi):
    """The place with the strongest gradients of the field, away from the edge."""
    gradients = sum(np.abs(part) for part in np.gradient(np.nan_to_num(mdi.data)))
    activity = scipy.ndimage.uniform_filter(gradients, 31)[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    y, x = np.unravel_index(np.argmax(activity), activity.shape)
    return mdi.wcs.pixel_to_world(x + _MARGIN, y + _MARGIN)
