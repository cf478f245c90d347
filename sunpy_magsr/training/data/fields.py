"""One magnetogram file as training data: its pixels and what is known of them, or the reason why it is none."""

import dataclasses
import hashlib
import re

import numpy as np
from astropy.time import Time

from sunpy_magsr.forward_model import without_constant_pixels
from sunpy_magsr.forward_model.noise import mdi_exposure
from sunpy_magsr.metrics.noise import quiet_noise
from sunpy_magsr.prep.checks import check_magnetogram
from sunpy_magsr.prep.disk import limb_cosine
from sunpy_magsr.prep.exposure import exposure_time, observation_time
from sunpy_magsr.prep.field import read_field
from sunpy_magsr.prep.files import open_magnetogram
from sunpy_magsr.prep.products import product_of
from sunpy_magsr.prep.reading import read_map
from sunpy_magsr.validation.regions import COARSEST, component_of

__all__ = ["TrainingField", "content_digest", "describe", "noise_class_of", "read_training_field"]

_HARP = re.compile(r"sharp_cea_720s\.(\d+)\.")
_T_REC = re.compile(r"\.(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)_TAI")
_DATES = ("t_obs", "date-obs", "date_obs")
_GAUSS = 0.1


@dataclasses.dataclass
class TrainingField:
    """
    One magnetogram.

    Attributes
    ----------
    data : `numpy.ndarray`
        float32 Gauss ``[y, x]``, NaN where there is no measurement or the limb is too near.
    mu : `numpy.ndarray`
        float32 ``[y, x]``, cosine of the heliocentric angle.
    smap : `sunpy.map.GenericMap`
        The Map it came from, with ``data`` in it.
    facts : `dict`
        Its row in the store's table of fields.
    """

    data: np.ndarray
    mu: np.ndarray
    smap: object
    facts: dict


def read_training_field(path, *, name, config, least_pixels=64**2):
    """
    Read a file.

    Parameters
    ----------
    path : `pathlib.Path`
        The FITS file.
    name : `str`
        For the table.
    config : `~sunpy_magsr.training.config.DataConfig`
        Which components and what quality are wanted.
    least_pixels : `int`
        How many must be measured and not too near the limb.

    Returns
    -------
    `TrainingField` or `None`
        `None` if it is of another component.

    Raises
    ------
    ValueError, TypeError, OSError
        If it cannot be read, is no magnetogram, or is not good enough; the message says why.
    """
    smap = open_magnetogram(path)
    component = component_of(smap, path.name)
    if component not in [wanted.lower() for wanted in config.components]:
        return None
    check_magnetogram(smap, read_map(smap, name="the file"))
    quality, missing = (_whole(smap.meta.get(card)) for card in ("quality", "missvals"))
    if quality & ~config.allowed_quality:
        msg = f"QUALITY must have no bits but those of {config.allowed_quality:#x}, got {quality:#x}."
        raise ValueError(msg)
    if missing > config.max_missvals:
        msg = f"MISSVALS must be at most {config.max_missvals}, got {missing}."
        raise ValueError(msg)
    field = read_field(smap, name="the file")
    digest = content_digest(field.data)
    mu = limb_cosine(smap)
    least_mu = max(config.least_mu, config.least_mu_heliographic) if field.is_cea else config.least_mu
    data = np.where(mu >= least_mu, without_constant_pixels(field.data), np.nan).astype(np.float32)
    measured = np.isfinite(data).sum()
    if measured < least_pixels:
        msg = f"it must have {least_pixels} measured pixels with mu of {least_mu:g} or more, got {measured}."
        raise ValueError(msg)
    facts = describe(
        data,
        name=name,
        sha256=digest,
        harp=_harp_of(smap, path.name),
        date=_date_of(smap, path.name),
        component=component,
        instrument=product_of(smap).instrument,
        scales=field.plate_scale,
        noise_class=noise_class_of(smap, component),
        quality=quality,
    )
    facts["is_fine"] = max(field.arcsec) <= COARSEST
    return TrainingField(data, mu, smap, facts)


def describe(data, *, scales, **facts):
    """
    Row of the table of fields.

    Parameters
    ----------
    data : `numpy.ndarray`
        Gauss ``[y, x]``.
    scales : `tuple` of `~astropy.units.Quantity`
        Plate scale along x and y.
    **facts
        Other columns.

    Returns
    -------
    `dict`
        Without ``side`` and the offsets.
    """
    return {
        **facts,
        "rows": data.shape[0],
        "columns": data.shape[1],
        "plate_scale": float(max(scale.value for scale in scales)),
        "plate_scale_unit": scales[0].unit.to_string(),
        "noise": quiet_noise(data),
    }


def content_digest(data):
    """Digest of a field to 0.1 G, so that neither the file's name nor its compression matters."""
    rounded = np.round(np.nan_to_num(data) / _GAUSS).astype(np.int32)
    return hashlib.sha256(rounded.tobytes() + repr(rounded.shape).encode()).hexdigest()


def noise_class_of(smap, component):
    """
    Kind of magnetogram, as far as its noise goes.

    Parameters
    ----------
    smap : `sunpy.map.GenericMap`
        The Map.
    component : `str`
        From `~sunpy_magsr.validation.regions.component_of`.

    Returns
    -------
    `str`
        ``"mdi-30s"`` or ``"mdi-300s"`` by the INTERVAL card, or by twice the time from the start of the exposure
        (DATE-OBS) to its middle (T_OBS) where there is none; else such as ``"hmi-los"``, ``"hmi-radial"`` (Br) or
        ``"hmi-transverse"`` (Bp, Bt).
    """
    instrument = product_of(smap).instrument
    if instrument == "MDI":
        return f"mdi-{mdi_exposure(exposure_time(smap))}s"
    kind = {"los": "los", "br": "radial"}.get(component, "transverse")
    return f"{instrument.lower()}-{kind}"


def _whole(card):
    return int(card, 0) if isinstance(card, str) and card.strip() else int(card or 0)


def _harp_of(smap, name):
    match = _HARP.search(name)
    return int(smap.meta.get("harpnum") or (match[1] if match else 0))


def _date_of(smap, name):
    if any(smap.meta.get(card) for card in _DATES):
        return observation_time(smap).utc.isot
    match = _T_REC.search(name)
    return Time("{}-{}-{}T{}:{}:{}".format(*match.groups()), scale="tai").utc.isot if match else ""
