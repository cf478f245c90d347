"""An archive on worker processes: what is made, what fails alone, and what a kill leaves."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import time

import astropy.units as u
import dask
import numpy as np
import pytest
import sunpy.map
from distributed.system import MEMORY_LIMIT

import sunpy_magsr
from sunpy_magsr.archive.frame import QUALITY, work_on_frame
from sunpy_magsr.archive.ledger import Ledger
from sunpy_magsr.archive.plan import load_plan
from sunpy_magsr.archive.run import run_plan, workers_of
from sunpy_magsr.cli.main import main
from sunpy_magsr.maps.fits import read_fits, write_fits
from sunpy_magsr.store.card import bundled_folder

from ..processes import start

PLAN = """
[input]
folder = "frames"
[model]
name = "bicubic"
plate_scale = "native"
[cluster]
workers = 1
"""


@pytest.fixture
def plan_file(small, tmp_path):
    """Six frames, 96 minutes apart, one of them no FITS file."""
    for number in range(6):
        meta = {**small.meta, "date-obs": f"2001-03-29T0{number}:00:00", "t_obs": f"2001.03.29_0{number}:00:00_TAI"}
        write_fits(sunpy.map.Map(small.data + number, meta), tmp_path / "frames" / f"disk{number}.fits")
    (tmp_path / "frames" / "disk3.fits").write_text("not a FITS file")
    (tmp_path / "plan.toml").write_text(PLAN)
    return tmp_path / "plan.toml"


def task(plan, name, known=""):
    return {"name": name, "path": str(plan.frames()[name]), "known": known, "plan": plan, "threads": 0}


def test_a_frame_is_made_and_measured(plan_file):
    changes = ["name='default'", "n_samples=3", "noise_lifetime='2 h'"]
    output = ["samples=1", "quantiles=[0.1]", "ensemble=true", "precision='0.2 G'"]
    settings = [f"model.{change}" for change in changes] + [f"output.{change}" for change in output]
    plan = load_plan(plan_file, settings)
    record = work_on_frame(task(plan, "disk1.fits"))
    assert record["state"] == "done", record["reason"]
    sample, mean, low, _ = (plan_file.parent / "superresolved" / name for name, _ in json.loads(record["outputs"]))
    smap = sunpy.map.Map(plan.frames()["disk1.fits"])
    options = {"plate_scale": None, "noise_lifetime": 2 * u.h}
    ensemble = sunpy_magsr.superresolve_ensemble(smap, n_samples=3, **options)
    assert np.nanmax(np.abs(read_fits(sample).data - ensemble.sample(0).data)) <= 0.11
    assert np.nanmax(np.abs(read_fits(mean).uncertainty.array - ensemble.std().data)) <= 0.11
    assert np.nanmax(np.abs(read_fits(low).data - ensemble.quantile(0.1).data)) <= 0.11
    assert all(np.isfinite(record[name]) for name in QUALITY)
    area = np.nansum(np.ones_like(smap.data)) * (smap.scale[0].value * 725.27e5) ** 2  # cm^2, seen from 1 au
    assert record["net_flux_in"] == pytest.approx(np.nansum(smap.data) / smap.data.size * area, rel=0.1)
    assert record["net_flux_out"] == pytest.approx(record["net_flux_in"], rel=0.1)
    assert record["chi_squared"] == pytest.approx(1, abs=0.5)
    assert work_on_frame(task(plan, "disk1.fits", known=record["sha256"])) == {"name": "disk1.fits", "state": "same"}


def done(plan):
    """Names of the frames of which the ledger says so."""
    if not plan.ledger.is_file():
        return []
    with contextlib.suppress(sqlite3.OperationalError), Ledger(plan.ledger, read_only=True) as ledger:
        table = ledger.table()
        return list(table["name"][table["state"] == "done"])
    return []  # it has no table yet


@pytest.mark.slow
def test_a_killed_run_goes_on(plan_file):
    """Its files are those of work without a cluster, byte by byte, and what was done is not done again."""
    plan = load_plan(plan_file)
    process = start("sunpy_magsr.cli.main", "archive", "run", plan_file)
    while not (names := done(plan)) and process.is_alive():
        time.sleep(0.02)
    process.kill()
    process.join()
    assert len(done(plan)) < 5  # it was not through
    first = plan_file.parent / "superresolved" / f"{names[0].removesuffix('.fits')}.sample0.magsr.fits"
    before = first.stat().st_mtime_ns
    assert main(["archive", "run", str(plan_file)]) == 1  # as one has failed
    assert first.stat().st_mtime_ns == before
    whole = {path.name: path.read_bytes() for path in first.parent.glob("*.magsr.fits")}
    assert len(whole) == 5
    alone = load_plan(plan_file, ["output.folder='alone'"])
    for number in (0, 5):
        work_on_frame(task(alone, f"disk{number}.fits"))
        name = f"disk{number}.sample0.magsr.fits"
        assert whole[name] == (plan_file.parent / "alone" / name).read_bytes()
    with Ledger(plan.ledger, read_only=True) as ledger:
        table = ledger.table()
    assert set(table["state"]) == {"done", "failed"}
    assert max(table["attempts"]) <= 2


def test_a_bad_frame_fails_alone(plan_file, capsys):
    """And status, report and cube are those of the others."""
    assert main(["archive", "run", str(plan_file)]) == 1
    captured = capsys.readouterr()
    assert "5 of 6 frames done" in captured.out
    assert "disk3.fits" in captured.err
    assert "dashboard: http" in captured.err
    assert main(["archive", "status", str(plan_file)]) == 0
    assert main(["archive", "report", str(plan_file)]) == 0
    output = plan_file.parent / "superresolved"
    assert (output / "report" / "quality.png").is_file()
    assert main(["archive", "run", str(plan_file)]) == 1  # nothing to do, without a cluster
    assert "dashboard" not in capsys.readouterr().err
    pack = ["archive", "pack", str(plan_file), "--product", "sample0", "-o", str(plan_file.parent / "cube.zarr")]
    assert main(pack) == 0
    assert "5 frames" in capsys.readouterr().out
    assert main(pack) == 2
    assert "-o must be a new folder unless --overwrite is given" in capsys.readouterr().err
    assert main([*pack, "--overwrite"]) == 0
    load_plan(plan_file).ledger.write_text("not a database, but long enough to look like one" * 100)
    assert main(["archive", "status", str(plan_file)]) == 1
    assert "ledger.sqlite cannot be used: file is not a database" in capsys.readouterr().err


def test_a_frame_that_ends_its_worker_fails_and_the_rest_is_done(plan_file):
    def deadly(one):
        if one["name"] == "disk1.fits":
            os.kill(os.getpid(), signal.SIGKILL)
        return {"name": one["name"], "state": "done"}

    plan = load_plan(plan_file, ["cluster.attempts=2"])
    told = []
    # on a busy machine a worker takes longer to come back than Dask waits, which is here no time at all
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1ms"}):
        assert run_plan(plan, progress=False, say=told.append, work=deadly)["done"] == 5
    assert "disk1.fits: ended its worker 2 times" in told[-1]


def test_what_no_worker_can_do_ends_the_run_and_is_no_fault_of_a_frame(plan_file):
    def without_the_package(_):
        import a_package_that_no_worker_has  # noqa: F401

    plan = load_plan(plan_file)
    with pytest.raises(RuntimeError, match=r"the workers must have this package .* ModuleNotFoundError: No module"):
        run_plan(plan, progress=False, work=without_the_package)
    with Ledger(plan.ledger, read_only=True) as ledger:
        assert ledger.counts()["failed"] == 0


@pytest.mark.filterwarnings("ignore:Port .* is already in use")  # of the dashboard, by another run
def test_the_memory_of_a_worker_is_its_share_of_the_machine(plan_file):
    with workers_of(load_plan(plan_file).cluster) as (client, _):
        (worker,) = client.scheduler_info(n_workers=-1)["workers"].values()
        assert worker["memory_limit"] == pytest.approx(MEMORY_LIMIT, rel=0.01)  # all of it for a single one


def test_frames_are_in_the_folder_and_results_are_none(plan_file):
    folder = plan_file.parent / "frames"
    (folder / "year").mkdir()
    (folder / "year" / "disk9.fits").touch()
    (folder / "out").mkdir()
    (folder / "out" / "disk0.sample0.magsr.fits").touch()
    plan = load_plan(plan_file, ["output.folder='frames/out'"])
    assert list(plan.frames()) == [*(f"disk{number}.fits" for number in range(6)), "year/disk9.fits"]
    manifest = plan_file.parent / "list.txt"
    manifest.write_text(f"# two of them\n./year/../disk1.fits\n\n{folder / 'year' / 'disk9.fits'}\ndisk1.fits\n")
    plan = load_plan(plan_file, ["input.manifest='list.txt'"])
    assert plan.frames() == {"disk1.fits": folder / "disk1.fits", "year/disk9.fits": folder / "year" / "disk9.fits"}
    for outside in ("../plan.toml", "/etc/hostname"):
        manifest.write_text(outside)
        with pytest.raises(ValueError, match=r"input\.manifest must name files in input\.folder"):
            plan.frames()


def test_a_model_may_lie_beside_the_plan(plan_file, monkeypatch):
    """Wherever the command is run, and wherever both are moved."""
    shutil.copytree(bundled_folder("enhance"), plan_file.parent / "models" / "mine")
    plan = load_plan(plan_file, ["model.name='models/mine'"])
    assert plan.model == str(plan_file.parent / "models" / "mine")
    moved = plan_file.parent.parent / "moved"
    shutil.copytree(plan_file.parent, moved)
    assert load_plan(moved / "plan.toml", ["model.name='models/mine'"]).digest() == plan.digest()
    assert load_plan(plan_file, ["model.name='default+mdi'"]).model == "default+mdi"


def test_a_cluster_is_named_rightly(plan_file):
    with pytest.raises(ValueError, match=r"cluster\.kind must be an installed class such as"):
        run_plan(load_plan(plan_file, ["cluster.kind='SLURMCluster'"]))
    quickly = dask.config.set({"distributed.comm.timeouts.connect": "200ms"})
    with (
        quickly,
        pytest.raises(ConnectionError, match=r"cluster\.scheduler must be the address of a running scheduler"),
    ):
        run_plan(load_plan(plan_file, ["cluster.scheduler='tcp://127.0.0.1:9'"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("input.folder='none'", r"input\.folder must be a folder"),
        ("input.pattern='*.fts'", "input must have at least one frame"),
        ("model.samples=3", r"unknown key model\.samples in the plan"),
        ("output.folder='frames'", r"output\.folder must be another folder than input\.folder"),
        ("model.noise_lifetime='1 hours'", r"model\.noise_lifetime must be a number with a unit"),
        ("model.noise_lifetime='-1 h'", r"model\.noise_lifetime must be a non-negative Quantity"),
        ("model.calibrate='mdi'", r"model\.calibrate must be"),
        ("model.consistency='hard'", "consistency must be"),
        ("input.component='bz'", "component must be None or one of 'los', 'br'"),
        ("output.precision=0.5", r"output\.precision must be str \(text in quotes\)"),
        (
            "cluster={scheduler='tcp://login:8786', kind='dask_cuda.LocalCUDACluster'}",
            r"cluster\.scheduler must be '' beside a kind",
        ),
        ("model.plate_scale='2 s'", r"model\.plate_scale must be a number with a unit"),
        ("model.name='default'", None),
        ("model.n_samples=2", "n_samples must be 1 for the deterministic model"),
        ("output.samples=2", r"output\.samples must be 0 to"),
        ("output.samples=0", "output must keep"),
        ("output.quantiles=[2.0]", r"output\.quantiles must be from 0 to 1"),
        ("output.precision='0 G'", "precision must be"),
        ("cluster.memory='much'", r"cluster\.memory must be 'auto' or a size"),
        ("cluster.workers=-1", r"cluster\.workers must be 0 or more"),
        ("cluster.attempts=0", r"cluster\.attempts must be 1 or more"),
    ],
)
def test_a_plan_is_checked_before_the_work(plan_file, change, message):
    if message is None:
        assert load_plan(plan_file, [change]).digest() != load_plan(plan_file).digest()
        return
    with pytest.raises(ValueError, match=message):
        load_plan(plan_file, [change]).frames()
