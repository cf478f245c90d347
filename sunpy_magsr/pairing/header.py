"""Header of an HMI magnetogram that was brought onto MDI's pixels."""

from sunpy_magsr.metadata import finer_header
from sunpy_magsr.prep.exposure import observation_time

__all__ = ["GAIN_CARD", "aligned_header", "is_on_grid"]

#: What MDI read for 1 G in the frame whose pixels these are, in the header of an aligned HMI magnetogram.
GAIN_CARD = "mdi_gain"

_FACTOR = 4
#: Where the pixels are, and who sees them: MDI's.
_GRID = (
    *(f"{card}{axis}" for card in ("ctype", "cunit", "crpix", "crval", "cdelt", "crota") for axis in (1, 2)),
    *(f"{card}{i}_{j}" for card in ("pc", "cd") for i in (1, 2) for j in (1, 2)),
    *("wcsname", "crln_obs", "crlt_obs", "dsun_obs", "hgln_obs", "hglt_obs", "car_rot"),
    *("obs_l0", "obs_b0", "obs_dist", "solar_b0", "rsun_obs", "rsun_ref"),
)
#: What was measured, and how well: HMI's.
_IDENTITY = ("telescop", "instrume", "wavelnth", "waveunit", "quality", "missvals", "calver64", "object")


def aligned_header(low, high, *, gain):
    """
    Cards of an HMI magnetogram on four times finer pixels of MDI.

    Parameters
    ----------
    low, high : `sunpy.map.GenericMap`
        MDI and HMI; not changed.
    gain : `float`
        What MDI reads for 1 G of HMI.

    Returns
    -------
    `dict`
        The grid, the observer and the time are MDI's, the instrument is HMI, and the history says what was done.
    """
    shape = tuple(_FACTOR * size for size in low.data.shape)
    fine = finer_header(low, (_FACTOR, _FACTOR), (0, 0), shape)
    time = observation_time(low)
    return {
        **{card: fine[card] for card in _GRID if card in fine},
        **{card: high.meta[card] for card in _IDENTITY if card in high.meta},
        "naxis": 2,
        "naxis1": shape[1],
        "naxis2": shape[0],
        "bunit": "Gauss",
        GAIN_CARD: round(gain, 5),
        "date-obs": time.isot,
        "t_obs": time.tai.strftime("%Y.%m.%d_%H:%M:%S_TAI"),
        "content": "HMI magnetogram interpolated to the pixels of MDI, four times finer",
        "history": (
            f"HMI of {high.meta.get('t_obs', high.date.isot)}, moved with the surface of the Sun to "
            f"{low.meta.get('t_obs', time.isot)}\nand interpolated by sunpy_magsr.pairing"
        ),
    }


def is_on_grid(low, high):
    """Whether a map has four times finer pixels of another, at the same time and place."""
    shape = tuple(_FACTOR * size for size in low.data.shape)
    if high.data.shape != shape or abs(observation_time(low) - observation_time(high)).sec > 1:
        return False
    fine, grid = (high.wcs, finer_header(low, (_FACTOR, _FACTOR), (0, 0), shape))
    grid = type(high)(high.data, {**high.meta, **{card: grid[card] for card in _GRID if card in grid}}).wcs
    corners = ([0, shape[1], 0], [0, 0, shape[0]])
    places = [wcs.celestial.pixel_to_world_values(*corners) for wcs in (fine, grid)]
    return all(abs(a - b).max() < 1e-6 for a, b in zip(*places, strict=True))
