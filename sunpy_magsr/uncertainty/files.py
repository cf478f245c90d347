"""Ensembles in files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.nddata import StdDevUncertainty
from astropy.table import Table
from sunpy.map import GenericMap

from sunpy_magsr._files import check_new, whole_file
from sunpy_magsr._options import read_option
from sunpy_magsr.maps.fits import compressed_image, image_list, read_fits, write_hdus
from sunpy_magsr.metrics.ensemble import ANTITHETIC, PAIR_CORRELATION, Draws
from sunpy_magsr.uncertainty.calibration import Calibration, Facts
from sunpy_magsr.uncertainty.members import StoredMoments

_BLOCK = 2880  # bytes, of FITS
_FRAME = "frame"


def save_ensemble(
    ensemble: Any,
    path: str | Path,
    *,
    members: bool = False,
    precision: u.Quantity | None = None,
    overwrite: bool = False,
) -> Path:
    """
    Write an ensemble to one file.

    In FITS the mean is the primary image. The extensions are ``UNCERT`` (standard deviation), ``MASK`` (the
    `~sunpy_magsr.uncertainty.Ensemble.flags`), ``STRATUM`` (number of each pixel's stratum, 255 for none), ``CALIBRATION`` (a
    table of JSON texts) and, if asked for, ``MEMBERS`` (``[S, Y, X]``). All images have the WCS.

    ASDF has a tree with the Map ``mean`` and its uncertainty, the arrays ``flags``, ``strata`` and ``members``, and the
    ``calibrations``. It needs the extra ``sunpy-magsr[asdf]``.
    """
    path = Path(path)
    writers: dict[str, Callable[..., None]] = {".fits": _write_fits, ".asdf": _write_asdf}
    if precision is not None:
        read_option(precision, u.G, "precision", zero=False)
    if path.suffix not in writers:
        msg = f"path must end in .fits or .asdf, got {path.name!r}."
        raise ValueError(msg)
    check_new(path, overwrite=overwrite)
    if precision is not None and path.suffix == ".asdf":
        msg = f"precision must be None for an .asdf file, got {precision!r}."
        raise ValueError(msg)
    kept = ensemble.members if members else None
    with whole_file(path, overwrite=overwrite) as stream:
        writers[path.suffix](ensemble, stream, kept, precision)
    return path


def read_ensemble(path: str | Path) -> dict[str, Any]:
    """Read what `save_ensemble` wrote."""
    path = Path(path)
    if path.suffix == ".asdf":
        return _read_asdf(path)
    with fits.open(path) as hdus:
        names = {hdu.name for hdu in hdus}
        if not {"UNCERT", "MASK", "CALIBRATION"} <= names or not any("MAGSRNS" in hdu.header for hdu in hdus[:2]):
            msg = f"path must be a file that Ensemble.save wrote, got {path} with {', '.join(sorted(names))}."
            raise ValueError(msg)
        flags = np.array(hdus["MASK"].data, dtype=np.uint8)
        strata = np.array(hdus["STRATUM"].data, dtype=np.uint8) if "STRATUM" in names else None
        table = hdus["CALIBRATION"].data
        texts = {str(name): json.loads(str(text)) for name, text in zip(table["quantity"], table["json"], strict=True)}
        members = place = None
        if "MEMBERS" in names and isinstance(hdus["MEMBERS"], fits.CompImageHDU):
            members = np.array(hdus["MEMBERS"].data, dtype=np.float32)
        elif "MEMBERS" in names:
            place = hdus["MEMBERS"].fileinfo()["datLoc"]
    mean = read_fits(path)
    if place is not None:
        shape = (mean.meta["magsrns"], *mean.data.shape)
        members = np.memmap(path, dtype=">f4", mode="r", offset=place, shape=shape)
    return _to_arguments(mean, texts, flags, strata, members)


def _facts(ensemble: Any) -> dict[str, Any]:
    """Calibrations and the values of their axes for the frame, as plain lists and numbers by name."""
    calibrations = {name: calibration.to_dict() for name, calibration in ensemble.facts.calibrations.items()}
    return {**calibrations, _FRAME: ensemble.facts.frame}


def _to_arguments(
    mean: GenericMap, texts: dict[str, Any], flags: np.ndarray, strata: np.ndarray | None, members: np.ndarray | None
) -> dict[str, Any]:
    """Arguments of an ensemble, from what was in a file."""
    frame = texts.pop(_FRAME, {})
    calibrations = {name: Calibration.of(facts) for name, facts in texts.items()}
    facts = Facts(calibrations=calibrations, frame=frame, flags=flags, strata=strata)
    correlation = float(mean.meta.get("magsrrho", PAIR_CORRELATION))
    draws = Draws(int(mean.meta["magsrns"]), mean.meta.get("magsrdrw") == ANTITHETIC, correlation)
    moments = StoredMoments(draws, mean.data, mean.uncertainty.array)

    def make_map(
        data: np.ndarray, statistic: str, *, std: np.ndarray | None = None, flagged: np.ndarray | None = None
    ) -> GenericMap:
        history = str(mean.meta.get("history", "")).replace("Map: mean of", f"Map: {statistic} of")
        header = {**mean.meta, "magsrsta": statistic, "history": history}
        mask = (flags & 1).astype(bool) if flagged is None else (flags & 1).astype(bool) | flagged
        uncertainty = None if std is None else StdDevUncertainty(std, unit=mean.uncertainty.unit)
        return type(mean)(data, header, mask=mask, uncertainty=uncertainty)

    return {"members": members, "make_map": make_map, "facts": facts, "moments": moments}


def _mean_of(ensemble: Any) -> GenericMap:
    """The mean, with the correlation of partners in its header."""
    mean = ensemble.mean()
    if ensemble.is_paired:
        mean.meta["magsrrho"] = ensemble.draws.correlation
    return mean


def _write_fits(ensemble: Any, stream: BinaryIO, members: np.ndarray | None, precision: u.Quantity | None) -> None:
    mean = _mean_of(ensemble)
    header = mean.fits_header
    unit = str(mean.unit)
    images = [("", mean.data, unit), ("UNCERT", mean.uncertainty.array, unit), ("MASK", ensemble.flags, "")]
    if ensemble.strata is not None:
        images.append(("STRATUM", ensemble.strata, ""))
    hdus = image_list(images, header, precision)
    facts = _facts(ensemble)
    table = Table({"quantity": list(facts), "json": [json.dumps(text) for text in facts.values()]})
    hdus.append(fits.table_to_hdu(table))
    hdus[-1].name = "CALIBRATION"
    if members is not None and precision is not None:
        hdus.append(compressed_image(members, header, precision.to_value(mean.unit), name="MEMBERS"))
    write_hdus(hdus, stream)
    if members is None or precision is not None:
        return
    # member by member, so that no second copy of them is in memory
    header = fits.ImageHDU(np.zeros((1, 1, 1), np.float32), header, name="MEMBERS").header
    for axis, size in enumerate(reversed(members.shape), start=1):
        header[f"NAXIS{axis}"] = size
    stream.write(header.tostring().encode("ascii"))
    for member in members:
        stream.write(member.astype(">f4").tobytes())
    stream.write(bytes(-members.nbytes % _BLOCK))


def _write_asdf(ensemble: Any, stream: BinaryIO, members: np.ndarray | None, _step: None) -> None:
    asdf = _asdf()
    tree = {
        "mean": _mean_of(ensemble),
        "flags": ensemble.flags,
        "strata": ensemble.strata,
        "calibrations": _facts(ensemble),
    }
    if members is not None:
        tree["members"] = members
    asdf.AsdfFile(tree).write_to(stream)


def _read_asdf(path: Path) -> dict[str, Any]:
    asdf = _asdf()
    with asdf.open(path, lazy_load=False, memmap=False) as file:
        tree = dict(file.tree)
    if not {"mean", "flags", "calibrations"} <= set(tree):
        msg = f"path must be a file that Ensemble.save wrote, got {path} with {', '.join(sorted(tree))}."
        raise ValueError(msg)
    strata, members = (None if tree.get(name) is None else np.array(tree[name]) for name in ("strata", "members"))
    return _to_arguments(tree["mean"], dict(tree["calibrations"]), np.array(tree["flags"]), strata, members)


def _asdf() -> ModuleType:
    try:
        import asdf
        import asdf_astropy  # noqa: F401  what Maps hold
    except ImportError as error:
        msg = f"an .asdf file needs `pip install sunpy-magsr[asdf]` ({error})."
        raise ImportError(msg) from error
    return asdf
