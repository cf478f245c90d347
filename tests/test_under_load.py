"""Many callers, workers, calls and interruptions: each answer is the one of a single call."""

import functools
import gc
import multiprocessing
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import dask
import joblib
import numpy as np
import pytest

import sunpy_magsr
from sunpy_magsr.sampling import load_backend

superresolve = functools.partial(sunpy_magsr.superresolve, plate_scale=None)


@pytest.fixture
def alone(small):
    return superresolve(small)


def test_threads_on_one_model(small, alone):
    model = load_backend("default", instrument="MDI")
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda seed: superresolve(small, model=model, seed=seed).data, [0, 1] * 8))
    other = superresolve(small, model=model, seed=1).data
    for number, answer in enumerate(answers):
        assert np.array_equal(answer, other if number % 2 else alone.data, equal_nan=True)


@pytest.mark.filterwarnings("ignore:This process")
@pytest.mark.parametrize(
    "method",
    [
        pytest.param(method, marks=[] if method == "fork" else pytest.mark.slow)
        for method in multiprocessing.get_all_start_methods()
    ],
)
def test_workers_of_every_start_method(small, alone, method):
    """After the parent has used the package, whose threads a forked child does not have."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as workers:
        child = workers.submit(sunpy_magsr.superresolve, small, plate_scale=None).result(timeout=120)
    assert child.data == pytest.approx(alone.data, abs=1e-2, nan_ok=True)
    assert child.meta == alone.meta


@pytest.mark.slow
def test_workers_of_joblib(small, alone):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # joblib's, about its own workers
        found = joblib.Parallel(n_jobs=2)(
            joblib.delayed(sunpy_magsr.superresolve)(small, plate_scale=None) for _ in range(2)
        )
    for child in found:
        assert child.data == pytest.approx(alone.data, abs=1e-2, nan_ok=True)


def test_threads_of_dask(small, alone):
    task = dask.delayed(sunpy_magsr.superresolve)
    tasks = [task(small, plate_scale=None, dask_key_name=f"frame-{number}") for number in range(2)]
    for child in dask.compute(*tasks, scheduler="threads", num_workers=2):
        assert child.data == pytest.approx(alone.data, abs=1e-2, nan_ok=True)


def resident():
    """Memory of this process in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux to tell the memory of a process")
def test_memory_returns(small):
    for _ in range(5):
        superresolve(small)
    gc.collect()
    before = resident()
    for _ in range(50):
        superresolve(small)
    gc.collect()
    assert resident() - before < 16


@pytest.mark.parametrize(
    "place", ["sunpy_magsr.sampling.tiles.Frame.decode", "sunpy_magsr.sampling.consistency.match_within_noise"]
)
def test_an_interruption_leaves_everything_usable(small, alone, monkeypatch, place):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(place, interrupted)
        with pytest.raises(KeyboardInterrupt):
            superresolve(small)
    assert np.array_equal(superresolve(small).data, alone.data, equal_nan=True)
