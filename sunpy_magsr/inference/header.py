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
from sunpy_magsr.version import version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sunpy.map import GenericMap

    from sunpy_magsr.inference.settings import Settings
    from sunpy_magsr.instrument import Blur
    from sunpy_magsr.store.card import ModelCard


# Cards that describe the input's pixels, values or file and would be wrong beside the output.
_STALE = re.compile(
    r"simple|bitpix|naxis[12]?|extend|xtension|[pg]count|extname|tfields|ttype1|tform1|(check|data|head)sum"
    r"|z(image|tension|bitpix|naxis[12]?|[pg]count|tile[12]|cmptype|(name|val)[12]|quantiz|blank|dither0|simple|extend)"
    r"|bscale|bzero|blank|_bunit|x0|y0|r_sun|crop_rad|lon_step|cmaskl?"
    r"|_?data(min|max)|data(medn|mean|rms|skew|kurt|vals)|data(min|max|med|mea|rms|ske|kur)2|(miss|tot|sat)vals"
    r"|tot_flux|avg_flux|mean_fld|usfluxl?|npix(_spt)?|meangbl|longstrn|nacr|r_value"
    r"|m(tot|net|(pos|neg)_tot|mean|stdev|skew|kurt)"
)
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
        if not (_STALE.fullmatch(key) or _ALTERNATE.fullmatch(key) or key.startswith("keycomments"))
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
    card: ModelCard, settings: Settings, statistic: str, *, blur: Blur | None = None, bad_pixels: int = 0
) -> dict[str, Any]:
    """Make the cards that say that a map is the output of a model, of which model, and with which settings."""
    told = settings.cards(card)
    story = (
        f"Super-resolved x{card.factor} by sunpy_magsr {version}, model {card.name} revision {card.revision or 'none'} "
        f"({card.kind}). This is the output of a model, not an observation at this resolution: structure below the "
        f"resolution of the input is plausible, not measured. Map: {statistic} of {settings.n_samples} sample(s)"
        f"{' in antithetic pairs' if settings.is_paired else ''}, seed {settings.seed}, "
        f"{told['magsrstp']} step(s); consistency with the input: {settings.consistency}; "
        f"calibration: {told['magsrcal']}."
    )
    if bad_pixels:
        story += f" Bad pixels of the input that were treated as missing: {bad_pixels}."
    if blur is not None:
        told |= {"magsrpsf": round(blur.fwhm, 4), "magsrpse": round(blur.error, 4), "magsrpso": blur.origin}
        story += f" Blur (FWHM): {blur.fwhm:.2f} +- {blur.error:.2f} arcsec ({blur.origin})."
    if settings.lifetime is not None:
        kept = f"for {settings.lifetime:g} s on average" if math.isfinite(settings.lifetime) else "for ever"
        story += f" The structure that the model adds rotates with the Sun and is kept {kept}."
    cards = {
        "magsrver": version,
        "magsrmod": card.name,
        "magsrrev": card.revision,
        "magsrsha": card.sha256,
        **told,
        "magsrsta": statistic,
        "magsrbad": bad_pixels,
        "history": "\n".join(textwrap.wrap(story, _LINE)),
    }
    return {name: value for name, value in cards.items() if value is not None}
