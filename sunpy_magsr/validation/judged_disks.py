"""Every model on every whole disk of a folder, kept in files so that a run that was stopped resumes."""

import hashlib
import io
import json
from pathlib import Path

from tqdm.auto import tqdm

from sunpy_magsr.atomic import whole_file
from sunpy_magsr.prep.files import file_digest, open_magnetogram, reason
from sunpy_magsr.validation.disks import disk_table, is_whole_disk, judge_disk, make_disk
from sunpy_magsr.validation.evaluate import load_model
from sunpy_magsr.validation.parts import identity
from sunpy_magsr.validation.predictions import predict, predict_by_members, predict_by_result
from sunpy_magsr.validation.regions import component_of
from sunpy_magsr.validation.results import Results
from sunpy_magsr.version import version

__all__ = ["find_disks", "judge_disks", "write_disks"]


def find_disks(folder):
    """
    Find the line-of-sight magnetograms of whole disks in a folder.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        The folder. It is searched at all depths for ``*.fits``.

    Returns
    -------
    `list` of `str`
        Their paths in the folder. Files that cannot be read are passed over.
    """
    return [path.relative_to(folder).as_posix() for path in sorted(Path(folder).rglob("*.fits")) if _is_disk(path)]


def _is_disk(path):
    try:
        smap = open_magnetogram(path)
        return component_of(smap, path.name) == "los" and is_whole_disk(smap)
    except Exception:  # noqa: BLE001  whatever a damaged file raises, `read_regions` reports it
        return False


def judge_disks(
    folder, names, models, *, n_samples=8, seed=0, blur=0.0, noise=0.0, keep=None, device=None, progress=False
):
    """
    Judge models on whole disks by distance from disk center and strength of the input.

    Parameters
    ----------
    folder : `str` or `pathlib.Path`
        The folder of the disks.
    names : sequence of `str`
        Paths of the disks in it, from `find_disks`.
    models : sequence
        Names of models, as for `sunpy_magsr.superresolve`, and `~sunpy_magsr.validation.results.Results`.
    n_samples, seed : `int`
        Number of samples of the diffusion models and the seed of all random numbers.
    blur, noise : `float`
        Blur in arcsec and noise in Gauss of a simulated instrument; see `~sunpy_magsr.validation.regions.degraded_map`.
    keep : `str` or `pathlib.Path`, optional
        A folder to keep finished parts in, as for `~sunpy_magsr.validation.evaluate.evaluate`.
    device : `str`, optional
        The torch device, as for `sunpy_magsr.superresolve`.
    progress : `bool`
        Whether to show a progress bar on a terminal. Defaults to `False`.

    Returns
    -------
    table : `astropy.table.Table`
        The table of `~sunpy_magsr.validation.disks.disk_table`.
    failed : `dict` of `str` to `str`
        The reason why a model could not be judged on a disk, by the names of both.
    """
    options = {"n_samples": n_samples, "seed": seed, "blur": blur, "noise": noise}
    rows, failed = [], {}
    with tqdm(total=len(names) * len(models), disable=None if progress else True, unit="part") as bar:
        for name in names:
            path, disk = Path(folder) / name, None
            digest = file_digest(path)
            for model in models:
                bar.set_postfix_str(f"{model}, {name[-48:]}")
                kept = _kept_in(keep, name, model, digest, options)
                found = _load(kept)
                if found is None:
                    try:
                        disk = disk or make_disk(open_magnetogram(path), name=name, blur=blur, noise=noise, seed=seed)
                        found = judge_disk(disk, _prediction(disk, model, n_samples, seed, device))
                        _save(kept, found)
                    except ValueError as error:
                        failed[f"{model}: {name}"] = reason(error)
                rows += [{"model": str(model), **row} for row in found or ()]
                bar.update()
    return disk_table(rows), failed


def _prediction(disk, model, n_samples, seed, device):
    if not isinstance(model, Results):
        return predict(disk, model, n_samples=n_samples, seed=seed, device=device)
    members = model.members(disk.name, disk.truth)
    return predict_by_result(disk, members[0]) if len(members) == 1 else predict_by_members(members)


def _kept_in(folder, name, model, digest, options):
    """The file for the rows of a model on a disk; its name says all that they depend on."""
    if folder is None:
        return None
    instrument = "MDI" if options["blur"] or options["noise"] else "HMI"
    facts = [name, digest, str(model), identity(load_model(model, instrument)), options, version]
    return Path(folder) / "parts" / f"disk_{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]}.json"


def _load(path):
    if path is None or not path.is_file():
        return None
    try:
        return json.loads(path.read_text())
    except ValueError:
        return None  # damaged: done again


def _save(path, rows):
    if path is not None:
        with whole_file(path) as stream:
            stream.write(json.dumps(rows).encode())


def write_disks(table, folder):
    """
    Write ``disks.csv`` and ``disks.ecsv``.

    Parameters
    ----------
    table : `astropy.table.Table`
        Table from `judge_disks`.
    folder : `str` or `pathlib.Path`
        The folder for the files. Files of these names are replaced.

    Returns
    -------
    `list` of `pathlib.Path`
        The two files.
    """
    paths = [Path(folder) / f"disks.{suffix}" for suffix in ("csv", "ecsv")]
    for path in paths:
        stream = io.StringIO()
        table.write(stream, format=f"ascii{path.suffix}")
        with whole_file(path) as target:
            target.write(stream.getvalue().encode())
    return paths
