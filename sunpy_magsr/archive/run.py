"""An archive's frames on Dask's workers."""

from __future__ import annotations

import contextlib
import logging
import os
import pkgutil
import uuid
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from sunpy_magsr.archive.frame import work_on_frame
from sunpy_magsr.archive.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from distributed import Client

    from sunpy_magsr.archive.plan import Cluster, Plan


# Dask has glibc give memory back to the system at once, so that a frame's arrays are paged in again and again: 33 s a full
# disk against 22 s with these, which give back blocks of a GiB only.
_MALLOC = {"MALLOC_TRIM_THRESHOLD_": 2**31, "MALLOC_MMAP_THRESHOLD_": 2**30}
_DASHBOARD = "127.0.0.1:8787"
# What Dask watches its processes with: by default every 10 to 500 ms, which takes a tenth of a core beside two workers, and
# what the profile keeps takes 100 MiB and more after some frames.
_WATCH = {
    "worker.profile.interval": "1s",
    "worker.memory.monitor-interval": "1s",
    "admin.tick.interval": "1s",
    "admin.system-monitor.interval": "5s",
}


@contextlib.contextmanager
def workers_of(cluster: Cluster) -> Iterator[tuple[Client, int]]:
    """Connect to the workers of a plan, and end the workers that were started for it when the block ends."""
    with _named_extra():
        import dask
        from distributed import Client, LocalCluster
    if cluster.scheduler:
        try:
            client = Client(cluster.scheduler)
        except OSError as error:
            msg = f"cluster.scheduler must be the address of a running scheduler, and none answers at {cluster.scheduler}."
            raise ConnectionError(msg) from error
        with client:
            yield client, cluster.threads
        return
    if cluster.kind:
        with _class_of(cluster.kind)() as started, Client(started) as client:
            if cluster.workers:
                started.scale(cluster.workers)
            yield client, cluster.threads
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = cluster.workers or max(1, cores // 2)
    threads = cluster.threads or max(1, cores // workers)
    # Without a limit, Dask gives each worker an equal share of the memory.
    memory = {} if cluster.memory == "auto" else {"memory_limit": cluster.memory}
    environment = {**_MALLOC, **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)}
    # Whoever hands out the frames counts the workers that each has ended. A worker that is started again may take long on a
    # busy machine; by default Dask gives it up after 15 s, and a run whose workers were all given up waited for ever.
    settings = {"scheduler.allowed-failures": 0, "nanny.pre-spawn-environ": environment, **_WATCH}
    settings |= {"deploy.lost-worker-timeout": "1 hour"}
    with (
        dask.config.set({f"distributed.{name}": value for name, value in settings.items()}),
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=_DASHBOARD, **memory) as local,
        Client(local) as client,
    ):
        yield client, threads


def _class_of(name):
    try:
        return pkgutil.resolve_name(name)
    except (ValueError, ImportError, AttributeError) as error:
        msg = f"cluster.kind must be an installed class such as 'dask_jobqueue.SLURMCluster', got {name!r} ({error})."
        raise ValueError(msg) from error


def run_plan(
    plan: Plan,
    *,
    retry: bool = False,
    progress: bool = True,
    say: Callable[[str], object] | None = None,
    work: Callable[[dict[str, Any]], dict[str, Any]] = work_on_frame,
) -> dict[str, int]:
    """
    Super-resolve all frames of a plan that are not done yet.

    The results of frames that are done are kept, however the process ends, and the next run resumes with the others. A
    frame that fails does not stop the others.

    Parameters
    ----------
    plan : `~sunpy_magsr.archive.Plan`
        The plan.
    retry : `bool`
        Whether frames that failed in an earlier run are tried again. Defaults to `False`.
    progress : `bool`
        Whether a progress bar is shown on a terminal. Defaults to `True`.
    say : callable, optional
        A function that is called with a line of text: where the work can be watched, and the reason of each failure. By
        default nothing is said.
    work : callable
        The function that a worker calls for each frame. Defaults to ``work_on_frame``.

    Returns
    -------
    `dict` of `int`
        The number of frames in each state.

    Raises
    ------
    RuntimeError
        If another process works on the same plan, or if the workers cannot do the work at all, for instance because
        this package is not installed where they run.
    ImportError
        If Dask's distributed scheduler or the class of the cluster is not installed.
    ConnectionError
        If the scheduler does not answer, or ends during the work.
    """
    say = say or (lambda _line: None)
    frames, digest = plan.frames(), plan.digest()
    with _only_one(plan.ledger), Ledger(plan.ledger) as ledger:
        ledger.enter(frames, digest, folder=Path(plan.output.folder), retry=retry)
        todo = ledger.pending()
        if todo:
            with _quiet(), workers_of(plan.cluster) as (client, threads):
                say(f"{len(todo)} of {len(frames)} frames to do; dashboard: {client.dashboard_link}")
                common = {"plan": plan, "threads": threads}
                tasks = ({"name": name, "path": str(frames[name]), "known": sha, **common} for name, sha in todo)
                bar = tqdm(
                    total=len(frames), initial=len(frames) - len(todo), unit="frame", disable=None if progress else True
                )
                with bar:
                    for record in _work_off(client, tasks, ledger, work, attempts=plan.cluster.attempts):
                        ledger.finish(record, digest)
                        if record["state"] == "failed":
                            say(f"{record['name']}: {record['reason']}")
                        bar.update()
        return ledger.counts()


def _work_off(client, tasks, ledger, work, *, attempts):
    """
    Yield the records of all tasks.

    No more are handed out than workers can do at once: what waits at a worker that ends would be blamed for it.
    """
    from distributed import KilledWorker, as_completed

    client.wait_for_workers(1)
    queue, given, running = iter(tasks), {}, as_completed()
    # one group for the scheduler to remember, of this run alone
    group = f"superresolve-{uuid.uuid4().hex}"

    def give(task, tries=1):
        future = client.submit(work, task, pure=False, key=(group, task["name"], ledger.start(task["name"])))
        given[future] = (task, tries)
        running.add(future)

    def refill():
        workers = max(1, sum(client.nthreads().values()))
        while len(given) < workers:
            task = next(queue, None)
            if task is None:
                return
            give(task)

    refill()
    for future in running:
        task, tries = given.pop(future)
        if future.status == "cancelled":
            msg = "the scheduler is gone; run the same command again to go on."
            raise ConnectionError(msg)
        error = future.exception() if future.status == "error" else None
        if error is not None and not isinstance(error, KilledWorker):
            msg = f"the workers must have this package and read the same files, and say {type(error).__name__}: {error}"
            raise RuntimeError(msg) from error
        if future.status == "finished":
            yield future.result()
        elif tries < attempts:
            give(task, tries + 1)
        else:
            why = f"ended its worker {attempts} times, as too little memory does ({type(error).__name__}: {error})."
            yield {"name": task["name"], "state": "failed", "reason": " ".join(why.split())}
        future.release()
        refill()


@contextlib.contextmanager
def _named_extra():
    try:
        yield
    except ImportError as error:
        msg = f"an archive needs `pip install sunpy-magsr[dask]` ({error})."
        raise ImportError(msg) from error


@contextlib.contextmanager
def _only_one(path):
    """Let one process at a time work on a ledger; the lock of one that was killed is free."""
    with _named_extra():
        from filelock import FileLock, Timeout
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path.with_suffix(".lock"), timeout=0):
            yield
    except Timeout as error:
        msg = f"another process works on the plan whose ledger is {path}."
        raise RuntimeError(msg) from error


@contextlib.contextmanager
def _quiet():
    """Keep what Dask says of workers that end, and of a port that is taken, from the terminal."""
    names = ("distributed", "distributed.nanny", "distributed.scheduler", "distributed.worker", "distributed.core")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Port .* is already in use")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
