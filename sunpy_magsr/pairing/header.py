"""FITS header of an HMI magnetogram that was brought onto MDI's pixels."""

from sunpy_magsr.metadata import finer_header
from sunpy_magsr.prep.exposure import observation_time

__all__ = ["GAIN_CARD", "aligned_header", "is_on_grid"]

#: Card of an aligned HMI magnetogram that holds the gain of its MDI frame: what MDI reads where HMI reads 1 G.
GAIN_CARD = "mdi_gain"

_FACTOR = 4
#: Cards that are taken from MDI: where the pixels are and from where they were observed.
_GRID = (
    *(f"{card}{axis}" for card in ("ctype", "cunit", "crpix", "crval", "cdelt", "crota") for axis in (1, 2)),
    *(f"{card}{i}_{j}" for card in ("pc", "cd") for i in (1, 2) for j in (1, 2)),
    *("wcsname", "crln_obs", "crlt_obs", "dsun_obs", "hgln_obs", "hglt_obs", "car_rot"),
    *("obs_l0", "obs_b0", "obs_dist", "solar_b0", "rsun_obs", "rsun_ref"),
)
#: Cards that are taken from HMI: what was measured, and how well.
_IDENTITY = ("telescop", "instrume", "wavelnth", "waveunit", "quality", "missvals", "calver64", "object")


def aligned_header(low, high, *, gain):
    """
    Make the header of an HMI magnetogram on MDI's grid with four times finer pixels.

    Parameters
    ----------
    low, high : `sunpy.map.GenericMap`
        The MDI map and the HMI map, which are not changed.
    gain : `float`
        What MDI reads where HMI reads 1 G.

    Returns
    -------
    `dict`
        FITS cards. The grid, the observer and the time are MDI's, the instrument is HMI, and HISTORY says what was done.
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
    """
    Find out whether an HMI map lies on an MDI map's grid with four times finer pixels, at the same time.

    Parameters
    ----------
    low, high : `sunpy.map.GenericMap`
        The MDI map and the HMI map.

    Returns
    -------
    `bool`
        Whether the coordinates of three corners agree, and the times to a second.
    """
    shape = tuple(_FACTOR * size for size in low.data.shape)
    if high.data.shape != shape or abs(observation_time(low) - observation_time(high)).sec > 1:
        return False
    fine, grid = (high.wcs, finer_header(low, (_FACTOR, _FACTOR), (0, 0), shape))
    grid = type(high)(high.data, {**high.meta, **{card: grid[card] for card in _GRID if card in grid}}).wcs
    corners = ([0, shape[1], 0], [0, 0, shape[0]])
    places = [wcs.celestial.pixel_to_world_values(*corners) for wcs in (fine, grid)]
    return all(abs(a - b).max() < 1e-6 for a, b in zip(*places, strict=True))
