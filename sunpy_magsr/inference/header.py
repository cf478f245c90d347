"""The FITS header of a super-resolved map."""

from __future__ import annotations

import math
import re
import textwrap
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from sunpy_magsr.maps.grid import refined_reference_pixel
from sunpy_magsr.maps.wcs import CD_CARDS, linear_transformation, unread_roll
from sunpy_magsr.metrics.ensemble import ANTITHETIC

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sunpy.map import GenericMap

    from sunpy_magsr.instrument import Blur
    from sunpy_magsr.store.card import ModelCard


#: Card MAGSRDRW of a result whose samples are pairs of noise and its negative.

# Cards that describe the input's pixels, values or file and would be wrong beside the output.
_STALE = {
    "simple",
    "bitpix",
    "naxis",
    "naxis1",
    "naxis2",
    "extend",
    "xtension",
    "pcount",
    "gcount",
    "extname",
    "zimage",
    "ztension",
    "zbitpix",
    "znaxis",
    "znaxis1",
    "znaxis2",
    "zpcount",
    "zgcount",
    "ztile1",
    "ztile2",
    "zcmptype",
    "zname1",
    "zval1",
    "zname2",
    "zval2",
    "zquantiz",
    "zblank",
    "zdither0",
    "zsimple",
    "zextend",
    "tfields",
    "ttype1",
    "tform1",
    "bscale",
    "bzero",
    "blank",
    "checksum",
    "datasum",
    "headsum",
    "x0",
    "y0",
    "r_sun",
    "crop_rad",
    "datamin",
    "datamax",
    "datamedn",
    "datamean",
    "datarms",
    "dataskew",
    "datakurt",
    "datavals",
    "missvals",
    "totvals",
    "satvals",
    "datamin2",
    "datamax2",
    "datamed2",
    "datamea2",
    "datarms2",
    "dataske2",
    "datakur2",
    "_datamin",
    "_datamax",
    "_bunit",
    "tot_flux",
    "avg_flux",
    "mean_fld",
    "usflux",
    "usfluxl",
    "cmask",
    "cmaskl",
    "npix",
    "npix_spt",
    "meangbl",
    "longstrn",
    "nacr",
    "mtot",
    "mnet",
    "mpos_tot",
    "mneg_tot",
    "mmean",
    "mstdev",
    "mskew",
    "mkurt",
    "r_value",
    "lon_step",
}
# Other coordinate systems of the input's pixels (Greisen & Calabretta 2002): CRPIX1A, PC1_2B, WCSNAMEA, ...
_ALTERNATE = re.compile(
    r"(ctype|crpix|crval|cdelt|cunit|crota|cname|crder|csyer)\d[a-z]|(pc|cd|pv|ps)\d_\d+[a-z]|(wcsname|wcsaxes|lonpole|latpole|radesys|equinox)[a-z]"
)
_LIMB_IN_PIXELS = ("fndlmbmi", "fndlmbma")  # from which sunpy takes the plate scale of GONG's maps, along x and y
_LINE = 68


def finer_header(
    smap: GenericMap, ratio: Sequence[float], offset: Sequence[float], shape: tuple[int, int]
) -> dict[str, Any]:
    """
    Make the header of a map on a finer grid from that of its input.

    The cards of the WCS are changed to describe the finer grid. Cards that describe the pixels, the values or the file
    of the input are left out. All other cards stay.
    """
    header = {
        key: value
        for key, value in smap.meta.items()
        if key not in _STALE and not key.startswith("keycomments") and not _ALTERNATE.fullmatch(key)
    }
    reference = [axis.to_value(u.pix) + 1 for axis in smap.reference_pixel]
    for axis in (0, 1):
        header[f"crpix{axis + 1}"] = refined_reference_pixel(reference[axis], ratio[axis], offset[axis])
    _scale_axes(header, smap, ratio)
    for card, along in zip(_LIMB_IN_PIXELS, ratio, strict=True):
        if card in header:
            header[card] = float(header[card]) * along
    roll = unread_roll(smap)
    if roll is not None:
        header["crota2"] = roll
        # The reference point was given in the frame that is not rolled; disk center stays on its pixel.
        cosine, sine = np.cos(np.deg2rad(roll)), np.sin(np.deg2rad(roll))
        x, y = (float(header.get(f"crval{axis}", 0.0)) for axis in (1, 2))
        header["crval1"], header["crval2"] = cosine * x - sine * y, sine * x + cosine * y
    header["naxis"], header["naxis1"], header["naxis2"] = 2, shape[1], shape[0]
    header["bunit"] = "G"
    return header


def _scale_axes(header, smap, ratio):
    """Divide the increments; a matrix is written anew only where CDELT alone cannot say it."""
    matrix = linear_transformation(smap)
    rotated = not np.allclose(smap.rotation_matrix, np.eye(2), atol=1e-12)
    has_cd = any(card in smap.meta for card in CD_CARDS)
    if not has_cd and (not rotated or np.isclose(ratio[0], ratio[1], rtol=1e-12)):
        for axis in (0, 1):
            header[f"cdelt{axis + 1}"] = smap.meta.get(f"cdelt{axis + 1}", 1.0) / ratio[axis]
        return
    for card in (*CD_CARDS, "crota1", "crota2"):
        header.pop(card, None)
    finer = matrix / np.array(ratio)
    increments = np.hypot(*finer.T)
    for axis in (0, 1):
        header[f"cdelt{axis + 1}"] = float(increments[axis])
        for other in (0, 1):
            header[f"pc{axis + 1}_{other + 1}"] = float(finer[axis, other] / increments[axis])


def provenance(
    card: ModelCard,
    *,
    version: str,
    seed: int,
    n_samples: int,
    steps: int,
    calibration: str,
    consistency: str,
    statistic: str,
    blur: Blur | None = None,
    bad_pixels: int = 0,
    noise_lifetime: float | None = None,
    is_paired: bool = False,
) -> dict[str, Any]:
    """Make the cards that say that a map is the output of a model, of which model, and with which options."""
    story = (
        f"Super-resolved x{card.factor} by sunpy_magsr {version}, model {card.name} revision {card.revision or 'none'} "
        f"({card.kind}). This is the output of a model, not an observation at this resolution: structure below the "
        f"resolution of the input is plausible, not measured. Map: {statistic} of {n_samples} sample(s)"
        f"{' in antithetic pairs' if is_paired else ''}, seed {seed}, "
        f"{steps} step(s); consistency with the input: {consistency}; calibration: {calibration}."
    )
    if bad_pixels:
        story += f" Bad pixels of the input that were treated as missing: {bad_pixels}."
    told: dict[str, Any] = {}
    if blur is not None:
        told |= {"magsrpsf": round(blur.fwhm, 4), "magsrpse": round(blur.error, 4), "magsrpso": blur.origin}
        story += f" Blur (FWHM): {blur.fwhm:.2f} +- {blur.error:.2f} arcsec ({blur.origin})."
    if n_samples > 1:
        told["magsrdrw"] = ANTITHETIC if is_paired else "independent"
    if noise_lifetime is not None:
        # FITS has no infinity
        told["magsrnlt"] = noise_lifetime if math.isfinite(noise_lifetime) else -1.0
        kept = "for ever" if told["magsrnlt"] < 0 else f"for {noise_lifetime:g} s on average"
        story += f" The structure that the model adds rotates with the Sun and is kept {kept}."
    return {
        "magsrver": version,
        "magsrmod": card.name,
        "magsrrev": card.revision,
        "magsrsha": card.sha256,
        "magsrsed": seed,
        "magsrns": n_samples,
        "magsrstp": steps,
        "magsrcal": calibration,
        "magsrsta": statistic,
        "magsrbad": bad_pixels,
        **told,
        "history": "\n".join(textwrap.wrap(story, _LINE)),
    }
